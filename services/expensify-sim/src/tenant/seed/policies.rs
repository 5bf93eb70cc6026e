//! Policies: every second one has tags in levels, every third one has tax, currencies alternate.

use rand::{Rng, RngExt};

use super::super::Tenant;
use super::super::ids;
use super::super::policy::{Category, Employee, Policy, ReportField, Tag, Tags, Tax, TaxRate};
use super::words;
use crate::access::Role;

/// The policy at this position of the tenant.
pub(crate) fn policy(rng: &mut impl Rng, tenant: &Tenant, at: usize) -> Policy {
    let round = at / words::POLICIES.len();
    let suffix = if round == 0 { String::new() } else { format!(" {}", round + 1) };
    Policy {
        id: ids::new_policy_id(rng),
        name: format!("Acme {}{suffix}", words::POLICIES[at % words::POLICIES.len()]),
        owner: tenant.caller.email.clone(),
        role: Role::Admin,
        kind: if at.is_multiple_of(2) { "corporate" } else { "team" }.to_owned(),
        currency: ["USD", "EUR", "GBP"][at % 3].to_owned(),
        categories: categories(rng),
        tags: if at % 2 == 1 { levels() } else { Tags::Flat(tags(&words::DEPARTMENTS)) },
        report_fields: report_fields(),
        tax: (at % 3 == 1).then(vat),
        employees: employees(rng, tenant),
        rules: Vec::new(),
        tag_approvers: std::collections::BTreeMap::new(),
    }
}

fn categories(rng: &mut impl Rng) -> Vec<Category> {
    let category = |(name, gl_code): &(&str, &str)| Category {
        name: (*name).to_owned(),
        enabled: rng.random_bool(0.9),
        gl_code: rng.random_bool(0.8).then(|| (*gl_code).to_owned()),
        payroll_code: rng.random_bool(0.2).then(|| format!("PC{gl_code}")),
        comments_required: rng.random_bool(0.3),
        comment_hint: rng.random_bool(0.2).then(|| "who?".to_owned()),
        max_amount: rng.random_bool(0.3).then_some(75_00),
    };
    words::CATEGORIES.iter().map(category).collect()
}

fn tags(list: &[(&str, &str)]) -> Vec<Tag> {
    list.iter()
        .map(|(name, gl_code)| Tag { name: (*name).to_owned(), enabled: true, gl_code: (*gl_code).to_owned() })
        .collect()
}

fn levels() -> Tags {
    Tags::Levels(vec![("Department".to_owned(), tags(&words::DEPARTMENTS)), ("Site".to_owned(), tags(&words::SITES))])
}

fn report_fields() -> Vec<ReportField> {
    let field = |name: &str, kind: &str, values: &[&str]| ReportField {
        name: name.to_owned(),
        kind: kind.to_owned(),
        values: values.iter().map(|value| (*value).to_owned()).collect(),
    };
    vec![
        field("title", "formula", &[]),
        field("Cost Center", "dropdown", &["Ops", "Eng", "Sales"]),
        field("Reason of trip", "text", &[]),
    ]
}

fn vat() -> Tax {
    let rate = |id: &str, name: &str, rate_tenths| TaxRate { id: id.to_owned(), name: name.to_owned(), rate_tenths };
    Tax {
        name: "VAT".to_owned(),
        default: "id_TAX_OPTION_20".to_owned(),
        rates: vec![
            rate("id_TAX_OPTION_20", "Standard", 200),
            rate("id_TAX_OPTION_10", "Intermediate", 100),
            rate("id_TAX_OPTION_55", "Reduced", 55),
        ],
    }
}

/// The caller, the managers, and most of the others.
fn employees(rng: &mut impl Rng, tenant: &Tenant) -> Vec<Employee> {
    let managers: Vec<&str> = tenant.people.iter().take(3).map(|person| person.email.as_str()).collect();
    let caller = tenant.caller.email.as_str();
    let mut out = vec![Employee::new(caller, "admin", caller)];
    for (at, person) in tenant.people.iter().enumerate() {
        if at >= 4 && rng.random_bool(0.25) {
            continue;
        }
        let role = if at == 1 { "auditor" } else { "user" };
        let submits_to = if at < 3 { caller } else { managers[at % managers.len()] };
        out.push(Employee {
            employee_id: Some(person.employee_id.clone()),
            custom_field_2: rng.random_bool(0.3).then(|| "on site".to_owned()),
            ..Employee::new(&person.email, role, submits_to)
        });
    }
    out
}
