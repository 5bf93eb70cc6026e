//! Policies in the canonical form that events carry (reference sections 4.1 and 4.2). Lists are sorted by their key.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The sections of a policy's details. `null` is not an empty section: the upstream did not tell it, as it does not to a
/// credential whose role does not reach so far. What was told before then stands.
pub const POLICY_SECTIONS: [&str; 5] = ["categories", "employees", "reportFields", "tags", "tax"];

/// A policy: its entry in the policy list and its details.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    /// Sixteen hex digits, upper case.
    #[serde(rename = "policyID")]
    pub policy_id: String,
    /// Name.
    pub name: Option<String>,
    /// Owner's email.
    pub owner: Option<String>,
    /// The credential's own role on it; an open vocabulary.
    pub role: Option<String>,
    /// `team`, `corporate`, ...; an open vocabulary.
    #[serde(rename = "type")]
    pub policy_type: Option<String>,
    /// ISO 4217 currency of its reports.
    pub output_currency: Option<String>,
    /// Categories by name.
    pub categories: Option<Vec<Category>>,
    /// Report fields by name.
    pub report_fields: Option<Vec<ReportField>>,
    /// Levels of tags; a flat list of tags is one level with an empty name.
    pub tags: Option<Vec<TagLevel>>,
    /// Tax; without a name and rates when none is set up.
    pub tax: Option<Tax>,
    /// Members by email.
    pub employees: Option<Vec<Employee>>,
    /// What the upstream said beside these, kept as it was.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A category.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Category {
    /// Key.
    pub name: String,
    /// May be chosen; the upstream's silence means yes.
    pub enabled: bool,
    /// Ledger code.
    pub gl_code: Option<String>,
    /// Payroll code.
    pub payroll_code: Option<String>,
    /// Hint shown for the comment.
    pub comment_hint: Option<String>,
    /// A comment is wanted.
    pub are_comments_required: Option<bool>,
    /// Limit of one expense, in minor units.
    pub max_expense_amount: Option<i64>,
    /// What the upstream said beside these.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A report field.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReportField {
    /// Key.
    pub name: String,
    /// `formula`, `text`, `dropdown`, `date`; open.
    #[serde(rename = "type")]
    pub field_type: Option<String>,
    /// Values of a drop-down, sorted.
    pub values: Vec<String>,
    /// What the upstream said beside these.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A level of tags.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TagLevel {
    /// Key; empty for a flat list.
    pub name: String,
    /// Tags by name.
    pub tags: Vec<Tag>,
    /// What the upstream said beside these.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A tag.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Tag {
    /// Key.
    pub name: String,
    /// May be chosen; the upstream's silence means yes.
    pub enabled: bool,
    /// Ledger code.
    pub gl_code: Option<String>,
    /// What the upstream said beside these.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// The tax set up on a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Tax {
    /// Name, such as `VAT`.
    pub name: Option<String>,
    /// `rateID` of the rate used when none is chosen.
    pub default: Option<String>,
    /// Rates by `rateID`.
    pub rates: Vec<TaxRate>,
    /// What the upstream said beside these.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A tax rate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TaxRate {
    /// Key.
    #[serde(rename = "rateID")]
    pub rate_id: String,
    /// Name.
    pub name: Option<String>,
    /// Percent, as the upstream writes it.
    pub rate: Option<String>,
    /// What the upstream said beside these.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}

/// A member of a policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Employee {
    /// Key.
    pub email: String,
    /// `user`, `auditor`, `admin`; open.
    pub role: Option<String>,
    /// Who approves for this person.
    pub submits_to: Option<String>,
    /// The employer's id of the person.
    #[serde(rename = "employeeID")]
    pub employee_id: Option<String>,
    /// First custom field.
    pub custom_field1: Option<String>,
    /// Second custom field.
    pub custom_field2: Option<String>,
    /// What the upstream said beside these.
    #[serde(flatten)]
    pub other: BTreeMap<String, Value>,
}
