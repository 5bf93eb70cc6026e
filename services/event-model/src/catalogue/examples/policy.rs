//! A policy: seen first, made, changed in one ledger code, gone.

use serde_json::json;

use super::{LEE, POLICY_ID, POLICY_NAME, SAM, Told, text};
use crate::{
    entity::EntityKind,
    event::Event,
    event_type::EventType,
    policy::{Category, Employee, Policy, ReportField, Tag, TagLevel, Tax, TaxRate},
};

/// The ledger code of meals until it is changed.
const OLD_CODE: &str = "6400";
const NEW_CODE: &str = "6420";

/// An event about the policy.
pub(super) fn example(event_type: EventType) -> Event {
    let told = |revision, at, code| {
        Told::new(event_type, EntityKind::Policy, POLICY_ID, revision, at, &policy(POLICY_ID, POLICY_NAME, code))
    };
    match event_type {
        EventType::PolicyChanged => told(2, "2026-03-30T08:35:17Z", NEW_CODE).news().at(1020).before(json!({
            "categories[Meals].glCode": OLD_CODE,
            (format!("employees[{SAM}].role")): "admin",
        })),
        EventType::PolicyRemoved => told(3, "2026-06-01T10:00:09Z", NEW_CODE).news().at(1310),
        EventType::PolicyCreated => {
            let (id, name) = ("B2C3D4E5F6071829", "Acme EU");
            let made = policy(id, name, OLD_CODE);
            Told::new(event_type, EntityKind::Policy, id, 1, "2026-04-20T13:10:55Z", &made).news().at(1102)
        }
        // The first sight.
        _ => told(1, "2026-03-02T07:00:15Z", OLD_CODE).at(41),
    }
    .event()
}

fn policy(id: &str, name: &str, code_of_meals: &str) -> Policy {
    let sams_role = if code_of_meals == NEW_CODE { "user" } else { "admin" };
    Policy {
        policy_id: id.to_owned(),
        name: text(name),
        owner: text(LEE),
        role: text("admin"),
        policy_type: text("corporate"),
        output_currency: text("USD"),
        categories: Some(vec![category("Meals", code_of_meals), category("Travel", "6410")]),
        report_fields: Some(vec![ReportField {
            name: "Trip".to_owned(),
            field_type: text("dropdown"),
            values: vec!["Conference".to_owned(), "Customer".to_owned()],
            ..ReportField::default()
        }]),
        tags: Some(vec![level("Department", &[("Ops", "420"), ("Sales", "410")]), level("Region", &[("West", "W")])]),
        tax: Some(Tax {
            name: text("Sales tax"),
            default: text("id_TAX_EXEMPT"),
            rates: vec![TaxRate {
                rate_id: "id_TAX_EXEMPT".to_owned(),
                name: text("Exempt"),
                rate: text("0"),
                ..TaxRate::default()
            }],
            ..Tax::default()
        }),
        employees: Some(vec![employee(LEE, "admin", LEE, "E-0017"), employee(SAM, sams_role, LEE, "E-0231")]),
        ..Policy::default()
    }
}

fn category(name: &str, code: &str) -> Category {
    Category { name: name.to_owned(), enabled: true, gl_code: text(code), ..Category::default() }
}

fn level(name: &str, tags: &[(&str, &str)]) -> TagLevel {
    let tag = |(name, code): &(&str, &str)| Tag {
        name: (*name).to_owned(),
        enabled: true,
        gl_code: text(code),
        ..Tag::default()
    };
    TagLevel { name: name.to_owned(), tags: tags.iter().map(tag).collect(), ..TagLevel::default() }
}

fn employee(email: &str, role: &str, submits_to: &str, id: &str) -> Employee {
    Employee {
        email: email.to_owned(),
        role: text(role),
        submits_to: text(submits_to),
        employee_id: text(id),
        ..Employee::default()
    }
}
