//! The sections of a policy's details. A section that the answer does not carry was not told, which is not empty: the server
//! leaves out what the credential may not see.

use event_model::policy::{Category, Employee, ReportField, Tag, TagLevel, Tax, TaxRate};
use serde_json::{Map, Value};

use super::others;
use crate::canonical::{
    list,
    scalar::{Unfit, flag, id, integer, text},
};

const CATEGORY_KEYS: [&str; 7] =
    ["name", "enabled", "glCode", "payrollCode", "commentHint", "areCommentsRequired", "maxExpenseAmount"];
const FIELD_KEYS: [&str; 3] = ["name", "type", "values"];
const LEVEL_KEYS: [&str; 2] = ["name", "tags"];
const TAG_KEYS: [&str; 3] = ["name", "enabled", "glCode"];
const TAX_KEYS: [&str; 3] = ["name", "default", "rates"];
const RATE_KEYS: [&str; 3] = ["rateID", "name", "rate"];
const EMPLOYEE_KEYS: [&str; 6] = ["email", "role", "submitsTo", "employeeID", "customField1", "customField2"];

/// An object whose keys are read by name; a missing one is null.
struct Fields<'a>(&'a Map<String, Value>);

impl Fields<'_> {
    fn at(&self, key: &str) -> &Value {
        self.0.get(key).unwrap_or(&Value::Null)
    }

    fn text(&self, key: &str) -> Result<Option<String>, Unfit> {
        text(key, self.at(key))
    }

    /// A key of a list; blank is a key too.
    fn key(&self, key: &str) -> Result<String, Unfit> {
        Ok(self.text(key)?.unwrap_or_default())
    }

    /// The upstream's silence means yes.
    fn enabled(&self) -> Result<bool, Unfit> {
        Ok(flag("enabled", self.at("enabled"))?.unwrap_or(true))
    }
}

/// The objects of a section; missing is none.
fn objects<'a>(section: &'static str, value: &'a Value) -> Result<Vec<Fields<'a>>, Unfit> {
    let wanted = "a list of objects";
    let unfit = || Unfit { column: section.to_owned(), wanted };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items.iter().map(|item| item.as_object().map(Fields).ok_or_else(unfit)).collect(),
        Value::Object(empty) if empty.is_empty() => Ok(Vec::new()),
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => Err(unfit()),
    }
}

/// Reads each object of a section, and sorts by key; of two with one key the last stays.
fn section<T: PartialEq>(
    name: &'static str,
    value: &Value,
    read: impl Fn(&Fields<'_>) -> Result<T, Unfit>,
    key: impl Fn(&T) -> String,
) -> Result<Vec<T>, Unfit> {
    let items = objects(name, value)?.iter().map(read).collect::<Result<_, _>>()?;
    let (items, twice) = list::by_key(items, key);
    if !twice.is_empty() {
        tracing::warn!(section = name, count = twice.len(), "a policy holds keys twice; the last of each is taken");
    }
    Ok(items)
}

pub(super) fn categories(value: &Value) -> Result<Vec<Category>, Unfit> {
    let read = |fields: &Fields<'_>| {
        Ok(Category {
            name: fields.key("name")?,
            enabled: fields.enabled()?,
            gl_code: fields.text("glCode")?,
            payroll_code: fields.text("payrollCode")?,
            comment_hint: fields.text("commentHint")?,
            are_comments_required: flag("areCommentsRequired", fields.at("areCommentsRequired"))?,
            max_expense_amount: integer("maxExpenseAmount", fields.at("maxExpenseAmount"))?,
            other: others(fields.0, &CATEGORY_KEYS),
        })
    };
    section("categories", value, read, |category| category.name.clone())
}

pub(super) fn report_fields(value: &Value) -> Result<Vec<ReportField>, Unfit> {
    let read = |fields: &Fields<'_>| {
        Ok(ReportField {
            name: fields.key("name")?,
            field_type: fields.text("type")?,
            values: field_values(fields.at("values"))?,
            other: others(fields.0, &FIELD_KEYS),
        })
    };
    section("reportFields", value, read, |field| field.name.clone())
}

/// Texts, or objects that name theirs `name` or `value` (the updater's form), sorted.
fn field_values(value: &Value) -> Result<Vec<String>, Unfit> {
    let Some(items) = value.as_array() else {
        return if value.is_null() { Ok(Vec::new()) } else { Err(Unfit { column: "values".into(), wanted: "a list" }) };
    };
    let read = items.iter().map(|item| match item {
        Value::Object(object) => text("values", object.get("name").or(object.get("value")).unwrap_or(&Value::Null)),
        plain => text("values", plain),
    });
    let mut values: Vec<String> = read.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    values.sort();
    values.dedup();
    Ok(values)
}

/// Levels, or a flat list, which is one level without a name. An element with a `tags` key is a level.
pub(super) fn tags(value: &Value) -> Result<Vec<TagLevel>, Unfit> {
    let (levels, flat): (Vec<_>, Vec<_>) =
        objects("tags", value)?.into_iter().partition(|fields| fields.0.contains_key("tags"));
    let mut read: Vec<TagLevel> = levels.iter().map(level).collect::<Result<_, _>>()?;
    if !flat.is_empty() {
        let items = flat.iter().map(tag).collect::<Result<_, _>>()?;
        let (tags, _) = list::by_key(items, |tag: &Tag| tag.name.clone());
        read.push(TagLevel { tags, ..TagLevel::default() });
    }
    let (levels, _) = list::by_key(read, |level| level.name.clone());
    Ok(levels)
}

fn level(fields: &Fields<'_>) -> Result<TagLevel, Unfit> {
    let tags = section("tags", fields.at("tags"), tag, |tag| tag.name.clone())?;
    Ok(TagLevel { name: fields.key("name")?, tags, other: others(fields.0, &LEVEL_KEYS) })
}

fn tag(fields: &Fields<'_>) -> Result<Tag, Unfit> {
    Ok(Tag {
        name: fields.key("name")?,
        enabled: fields.enabled()?,
        gl_code: fields.text("glCode")?,
        other: others(fields.0, &TAG_KEYS),
    })
}

/// An empty object says that none is set up.
pub(super) fn tax(value: &Value) -> Result<Tax, Unfit> {
    let object = match value {
        Value::Object(object) => object,
        Value::Array(items) if items.is_empty() => return Ok(Tax::default()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err(Unfit { column: "tax".into(), wanted: "an object" });
        }
    };
    let fields = Fields(object);
    let rate = |fields: &Fields<'_>| {
        Ok(TaxRate {
            rate_id: id("rateID", fields.at("rateID"))?.unwrap_or_default(),
            name: fields.text("name")?,
            rate: fields.text("rate")?,
            other: others(fields.0, &RATE_KEYS),
        })
    };
    Ok(Tax {
        name: fields.text("name")?,
        default: fields.text("default")?,
        rates: section("rates", fields.at("rates"), rate, |rate| rate.rate_id.clone())?,
        other: others(object, &TAX_KEYS),
    })
}

pub(super) fn employees(value: &Value) -> Result<Vec<Employee>, Unfit> {
    let read = |fields: &Fields<'_>| {
        Ok(Employee {
            email: fields.key("email")?,
            role: fields.text("role")?,
            submits_to: fields.text("submitsTo")?,
            employee_id: id("employeeID", fields.at("employeeID"))?,
            custom_field1: fields.text("customField1")?,
            custom_field2: fields.text("customField2")?,
            other: others(fields.0, &EMPLOYEE_KEYS),
        })
    };
    section("employees", value, read, |employee| employee.email.clone())
}
