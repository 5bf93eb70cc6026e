//! Company cards of the domain.

use jiff::Timestamp;
use rand::seq::IndexedRandom;
use rand::{Rng, RngExt};

use super::super::Tenant;
use super::super::card::{Card, Unreported};
use super::super::{dates, ids};
use super::{pick, words};

/// A card issued before `now`, with a few purchases that no report holds.
pub(crate) fn card(rng: &mut impl Rng, tenant: &Tenant, now: Timestamp) -> Card {
    let holder = tenant.people.choose(rng).unwrap_or(&tenant.caller);
    let last_four = rng.random_range(1_000..10_000_u32);
    let created = dates::earlier(now, rng.random_range(1..900 * 86_400));
    Card {
        id: rng.random_range(5_000_000..6_000_000),
        bank: pick(rng, &["vcf", "stripe", "citibank.com"]).to_owned(),
        name: format!("Visa - {last_four}"),
        number: format!("XXXXXXXXXXXX{last_four}"),
        created,
        email: holder.email.clone(),
        external_employee_id: if rng.random_bool(0.8) { holder.employee_id.clone() } else { String::new() },
        reimbursable: rng.random_bool(0.3),
        scrape_min_date: rng.random_bool(0.8).then(|| dates::day(created)),
        unreported: (0..rng.random_range(0..3)).map(|_| unreported(rng, now)).collect(),
        failing: None,
    }
}

fn unreported(rng: &mut impl Rng, now: Timestamp) -> Unreported {
    Unreported {
        id: ids::new_transaction_id(rng),
        merchant: pick(rng, &words::MERCHANTS).to_owned(),
        amount: rng.random_range(350..60_000),
        posted: dates::day(dates::earlier(now, 86_400 * rng.random_range(0..90))),
    }
}
