//! One random expense that fits a policy.

use jiff::Timestamp;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::super::dates;
use super::super::ids;
use super::super::policy::{Policy, Tag, Tags, Tax};
use super::super::report::{Expense, ExpenseTax};
use super::{pick, words};

/// Days before it was entered that an expense may have happened.
const ENTERED_AFTER_DAYS: i64 = 14;

/// An expense entered at `inserted`.
pub(crate) fn expense(rng: &mut impl Rng, policy: &Policy, inserted: Timestamp) -> Expense {
    let happened = dates::earlier(inserted, 86_400 * rng.random_range(0..ENTERED_AFTER_DAYS));
    let (currency, rate_millionths) = currency(rng, policy);
    let amount = amount(rng);
    let (category, category_gl_code) = category(rng, policy);
    let (tag, tag_gl_code) = tag(rng, &policy.tags);
    let on_card = rng.random_bool(0.35);
    let receipt_id = if rng.random_bool(0.5) { ids::new_short_id(rng) } else { String::new() };
    Expense {
        id: ids::new_transaction_id(rng),
        merchant: pick(rng, &words::MERCHANTS).to_owned(),
        modified_merchant: None,
        amount,
        modified_amount: None,
        currency,
        rate_millionths,
        created: dates::day(happened),
        inserted,
        category,
        category_gl_code,
        tag,
        tag_gl_code,
        comment: pick(rng, &words::COMMENTS).to_owned(),
        reimbursable: !on_card,
        billable: rng.random_bool(0.2),
        tax: policy.tax.as_ref().filter(|_| rng.random_bool(0.7)).map(|tax| expense_tax(rng, tax, amount)),
        mcc: if on_card { rng.random_range(3000..9000) } else { 0 },
        bank: if on_card { "vcf".to_owned() } else { String::new() },
        card_number: if on_card { "XXXXXXXXXXXX4004".to_owned() } else { String::new() },
        external_id: String::new(),
        receipt_filename: if receipt_id.is_empty() { String::new() } else { format!("w_{receipt_id}.jpg") },
        receipt_id,
    }
}

/// Mostly a few coins to a hotel bill; now and then large, now and then a refund.
fn amount(rng: &mut impl Rng) -> i64 {
    match rng.random_range(0..20) {
        0 => -rng.random_range(100..20_000_i64),
        1 => rng.random_range(500_000..4_000_000_i64),
        _ => rng.random_range(350..60_000_i64),
    }
}

fn currency(rng: &mut impl Rng, policy: &Policy) -> (String, i64) {
    if rng.random_bool(0.85) {
        return (policy.currency.clone(), 1_000_000);
    }
    (pick(rng, &["CHF", "JPY", "CAD"]).to_owned(), rng.random_range(600_000..1_200_000))
}

fn category(rng: &mut impl Rng, policy: &Policy) -> (String, String) {
    policy.categories.choose(rng).map_or_else(
        || ("Uncategorized".to_owned(), String::new()),
        |found| (found.name.clone(), found.gl_code.clone().unwrap_or_default()),
    )
}

fn tag(rng: &mut impl Rng, tags: &Tags) -> (String, String) {
    let name_and_code = |tag: Option<&Tag>| tag.map(|tag| (tag.name.clone(), tag.gl_code.clone())).unwrap_or_default();
    match tags {
        Tags::Flat(tags) => name_and_code(tags.choose(rng)),
        Tags::Levels(levels) => {
            let chosen: Vec<(String, String)> =
                levels.iter().map(|(_, tags)| name_and_code(tags.choose(rng))).collect();
            let escaped: Vec<String> = chosen.iter().map(|(name, _)| name.replace(':', r"\:")).collect();
            (escaped.join(":"), chosen.into_iter().next().map(|(_, code)| code).unwrap_or_default())
        }
    }
}

fn expense_tax(rng: &mut impl Rng, tax: &Tax, amount: i64) -> ExpenseTax {
    let Some(rate) = tax.rates.choose(rng) else {
        return ExpenseTax { amount: 0, rate_id: String::new(), name: tax.name.clone(), rate: "0%".to_owned() };
    };
    let tenths = i64::from(rate.rate_tenths);
    ExpenseTax {
        amount: amount * tenths / (1_000 + tenths),
        rate_id: rate.id.clone(),
        name: rate.name.clone(),
        rate: format!("{}.{}%", tenths / 10, tenths % 10),
    }
}
