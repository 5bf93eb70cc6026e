//! A policy: categories, tags in either of their two shapes, report fields, tax, employees, expense rules.

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

use crate::access::Role;

/// A category.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Category {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) gl_code: Option<String>,
    pub(crate) payroll_code: Option<String>,
    pub(crate) comments_required: bool,
    pub(crate) comment_hint: Option<String>,
    pub(crate) max_amount: Option<i64>,
}

/// A tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tag {
    pub(crate) name: String,
    pub(crate) enabled: bool,
    pub(crate) gl_code: String,
}

/// Tags come in two shapes, and both were observed live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Tags {
    /// One list.
    Flat(Vec<Tag>),
    /// Named levels.
    Levels(Vec<(String, Vec<Tag>)>),
}

impl Tags {
    /// What a policy without tags answers.
    pub(crate) fn none() -> Self {
        Self::Levels(vec![("Tags".to_owned(), Vec::new())])
    }
}

/// A report field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportField {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) values: Vec<String>,
}

/// A tax rate, in tenths of a percent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TaxRate {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) rate_tenths: u32,
}

/// The tax of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tax {
    pub(crate) name: String,
    pub(crate) default: String,
    pub(crate) rates: Vec<TaxRate>,
}

/// A member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Employee {
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) submits_to: String,
    pub(crate) employee_id: Option<String>,
    pub(crate) custom_field_1: Option<String>,
    pub(crate) custom_field_2: Option<String>,
}

impl Employee {
    /// A member of whom no more is known.
    pub(crate) fn new(email: &str, role: &str, submits_to: &str) -> Self {
        Self {
            email: email.to_owned(),
            role: role.to_owned(),
            submits_to: submits_to.to_owned(),
            employee_id: None,
            custom_field_1: None,
            custom_field_2: None,
        }
    }
}

/// What an expense rule does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RuleActions {
    pub(crate) tag: Option<String>,
    pub(crate) default_billable: Option<bool>,
}

/// An expense rule. No job reads rules back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rule {
    pub(crate) id: i64,
    pub(crate) employee: String,
    pub(crate) actions: RuleActions,
}

/// One policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Policy {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) owner: String,
    /// The credential's.
    pub(crate) role: Role,
    pub(crate) kind: String,
    pub(crate) currency: String,
    pub(crate) categories: Vec<Category>,
    pub(crate) tags: Tags,
    pub(crate) report_fields: Vec<ReportField>,
    pub(crate) tax: Option<Tax>,
    pub(crate) employees: Vec<Employee>,
    pub(crate) rules: Vec<Rule>,
    /// Approvers by tag. No job reads them back.
    pub(crate) tag_approvers: BTreeMap<String, String>,
}

impl Policy {
    /// The member with this address.
    pub(crate) fn employee(&self, email: &str) -> Option<&Employee> {
        self.employees.iter().find(|employee| employee.email == email)
    }

    /// Its line in `policyList`, with the role of whoever asks.
    pub(crate) fn summary(&self, role: &str) -> Value {
        json!({
            "id": self.id, "name": self.name, "owner": self.owner, "role": role,
            "type": self.kind, "outputCurrency": self.currency,
        })
    }

    /// One section of `policyInfo`, by its name.
    pub(crate) fn section(&self, name: &str) -> Option<Value> {
        match name {
            "categories" => Some(self.categories.iter().map(category).collect()),
            "reportFields" => Some(self.report_fields.iter().map(report_field).collect()),
            "tags" => Some(tags(&self.tags)),
            "tax" => Some(self.tax.as_ref().map_or_else(|| json!({}), tax)),
            "employees" => Some(self.employees.iter().map(employee).collect()),
            _ => None,
        }
    }

    /// Everything that any read shows of it. Two policies with equal views cannot be told apart from outside.
    pub(crate) fn view(&self) -> Value {
        let mut whole = self.summary(self.role.word());
        for name in SECTIONS {
            whole[name] = self.section(name).unwrap_or_default();
        }
        whole
    }
}

/// The sections of `policyInfo`.
pub(crate) const SECTIONS: [&str; 5] = ["categories", "reportFields", "tags", "tax", "employees"];

fn category(category: &Category) -> Value {
    let mut out = Map::new();
    out.insert("name".into(), json!(category.name));
    out.insert("enabled".into(), json!(category.enabled));
    out.insert("areCommentsRequired".into(), json!(category.comments_required));
    insert_some(&mut out, "glCode", category.gl_code.as_ref());
    insert_some(&mut out, "payrollCode", category.payroll_code.as_ref());
    insert_some(&mut out, "commentHint", category.comment_hint.as_ref());
    insert_some(&mut out, "maxExpenseAmount", category.max_amount.as_ref());
    Value::Object(out)
}

fn report_field(field: &ReportField) -> Value {
    json!({ "name": field.name, "type": field.kind, "values": field.values })
}

fn tags(tags: &Tags) -> Value {
    let list = |tags: &[Tag]| -> Value {
        tags.iter().map(|tag| json!({ "name": tag.name, "enabled": tag.enabled, "glCode": tag.gl_code })).collect()
    };
    match tags {
        Tags::Flat(tags) => list(tags),
        Tags::Levels(levels) => levels.iter().map(|(name, tags)| json!({ "name": name, "tags": list(tags) })).collect(),
    }
}

fn tax(tax: &Tax) -> Value {
    let rates: Value = tax
        .rates
        .iter()
        .map(|rate| json!({ "name": rate.name, "rate": percent(rate.rate_tenths), "rateID": rate.id }))
        .collect();
    json!({ "name": tax.name, "default": tax.default, "rates": rates })
}

/// A whole percent as an integer, else with its one decimal.
fn percent(tenths: u32) -> Value {
    if tenths.is_multiple_of(10) { json!(tenths / 10) } else { json!(f64::from(tenths) / 10.0) }
}

fn employee(employee: &Employee) -> Value {
    let mut out = Map::new();
    out.insert("email".into(), json!(employee.email));
    out.insert("role".into(), json!(employee.role));
    out.insert("submitsTo".into(), json!(employee.submits_to));
    insert_some(&mut out, "employeeID", employee.employee_id.as_ref());
    insert_some(&mut out, "customField1", employee.custom_field_1.as_ref());
    insert_some(&mut out, "customField2", employee.custom_field_2.as_ref());
    Value::Object(out)
}

fn insert_some<T: serde::Serialize>(out: &mut Map<String, Value>, key: &str, value: Option<&T>) {
    if let Some(value) = value {
        out.insert(key.to_owned(), json!(value));
    }
}
