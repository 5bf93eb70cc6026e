//! The policy updater (reference §2.11): categories, tags and report fields, each optional.
//!
//! Observed quirk: for tags `merge` deletes what is not listed, exactly like `replace`.

use serde_json::{Value, json};

use super::{Call, no_policy, tag_files};
use crate::answer::{Answer, JobResult, Refusal};
use crate::fields::{self, Object};
use crate::tenant::policy::{Category, Policy, ReportField, Tag, Tags};

/// What the request asks for, found good.
#[derive(Default)]
struct Wanted {
    categories: Option<(bool, Vec<Category>)>,
    tags: Option<Tags>,
    report_fields: Option<(bool, Vec<ReportField>)>,
}

pub(super) fn run(call: &Call<'_>) -> JobResult {
    fields::note_unknown(
        call.job,
        "update policy",
        &["type", "credentials", "inputSettings", "categories", "tags", "reportFields"],
    );
    let ids = policy_ids(call)?;
    let wanted = Wanted {
        categories: part(call, "categories")?.map(|part| items(part, "categories", category)).transpose()?,
        tags: part(call, "tags")?.map(|part| tags(call, part)).transpose()?,
        report_fields: part(call, "reportFields")?.map(|part| items(part, "reportFields", report_field)).transpose()?,
    };
    let mut world = call.sim.world();
    if let Some(missing) = ids.iter().find(|id| !world.tenant.policies.contains_key(*id)) {
        return Err(no_policy(missing));
    }
    let changed: Vec<&str> =
        ["categories", "tags", "reportFields"].into_iter().filter(|key| call.job.contains_key(*key)).collect();
    for id in &ids {
        world.edit_policy(id, json!({ "parts": changed }), call.moment, |policy| apply(policy, &wanted));
    }
    Ok(Answer::done())
}

fn policy_ids(call: &Call<'_>) -> Result<Vec<String>, Refusal> {
    if let Some(list) = fields::list(call.input, "policyIDList").filter(|list| !list.is_empty()) {
        let ids: Option<Vec<String>> = list.iter().map(|id| id.as_str().map(str::to_owned)).collect();
        return ids.ok_or_else(|| Refusal::parameter("policyIDList"));
    }
    fields::filled(call.input, "policyID").map(|id| vec![id]).ok_or_else(|| Refusal::parameter("policyID"))
}

fn malformed(name: &str) -> Refusal {
    Refusal::invalid(format!("'{name}' object malformed"))
}

fn part<'a>(call: &'a Call<'_>, name: &str) -> Result<Option<&'a Object>, Refusal> {
    call.job.get(name).map(|part| part.as_object().ok_or_else(|| malformed(name))).transpose()
}

/// Whether it replaces, from `action`.
fn replaces(part: &Object, name: &str) -> Result<bool, Refusal> {
    match fields::text(part, "action").as_deref() {
        Some("merge") => Ok(false),
        Some("replace") => Ok(true),
        _ => Err(malformed(name)),
    }
}

fn items<T>(part: &Object, name: &str, read: fn(&Object) -> Option<T>) -> Result<(bool, Vec<T>), Refusal> {
    let data = fields::list(part, "data").ok_or_else(|| malformed(name))?;
    let items: Option<Vec<T>> = data.iter().map(|item| item.as_object().and_then(read)).collect();
    Ok((replaces(part, name)?, items.ok_or_else(|| malformed(name))?))
}

fn category(item: &Object) -> Option<Category> {
    Some(Category {
        name: fields::filled(item, "name")?,
        enabled: fields::flag(item, "enabled")?,
        gl_code: fields::text(item, "glCode"),
        payroll_code: fields::text(item, "payrollCode"),
        comments_required: fields::flag(item, "areCommentsRequired").unwrap_or(false),
        comment_hint: fields::text(item, "commentHint"),
        max_amount: fields::integer(item, "maxExpenseAmount"),
    })
}

fn report_field(item: &Object) -> Option<ReportField> {
    let kind = fields::text(item, "type").filter(|kind| ["text", "dropdown", "date"].contains(&kind.as_str()))?;
    let value = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Object(object) => fields::text(object, "name").or_else(|| fields::text(object, "value")),
        _ => None,
    };
    let values = fields::list(item, "values").unwrap_or_default().iter().map(value).collect::<Option<_>>()?;
    Some(ReportField { name: fields::filled(item, "name")?, kind, values })
}

fn tags(call: &Call<'_>, part: &Object) -> Result<Tags, Refusal> {
    replaces(part, "tags")?;
    if fields::text(part, "source").as_deref() == Some("file") {
        return tag_files::read(part, call.params.value("file")).ok_or_else(|| malformed("tags"));
    }
    let data = fields::list(part, "data").ok_or_else(|| malformed("tags"))?;
    let level = |item: &Value| {
        let item = item.as_object()?;
        let tags = fields::list(item, "tags")?.iter().map(tag).collect::<Option<Vec<Tag>>>()?;
        Some((fields::text(item, "name").unwrap_or_else(|| "Tag".to_owned()), tags))
    };
    let levels = data.iter().map(level).collect::<Option<Vec<_>>>().ok_or_else(|| malformed("tags"))?;
    Ok(shaped(levels))
}

fn tag(item: &Value) -> Option<Tag> {
    let item = item.as_object()?;
    Some(Tag {
        name: fields::filled(item, "name")?,
        enabled: fields::flag(item, "enabled").unwrap_or(true),
        gl_code: fields::text(item, "glCode").unwrap_or_default(),
    })
}

/// One level reads back as a flat list; in several levels `enabled` is ignored.
pub(super) fn shaped(mut levels: Vec<(String, Vec<Tag>)>) -> Tags {
    match levels.len() {
        0 => Tags::none(),
        1 => Tags::Flat(levels.remove(0).1),
        _ => {
            levels.iter_mut().flat_map(|(_, tags)| tags).for_each(|tag| tag.enabled = true);
            Tags::Levels(levels)
        }
    }
}

fn apply(policy: &mut Policy, wanted: &Wanted) {
    if let Some((replace, items)) = &wanted.categories {
        merge(&mut policy.categories, items, *replace, |category| &category.name, |_| false);
    }
    if let Some(tags) = &wanted.tags {
        policy.tags = tags.clone();
    }
    if let Some((replace, items)) = &wanted.report_fields {
        merge(&mut policy.report_fields, items, *replace, |field| &field.name, |field| field.kind == "formula");
    }
}

/// Updates by name and appends what is new; a replacement first drops what is neither listed nor kept anyway.
fn merge<T: Clone>(known: &mut Vec<T>, items: &[T], replace: bool, name: fn(&T) -> &String, keep: fn(&T) -> bool) {
    if replace {
        known.retain(|old| keep(old) || items.iter().any(|new| name(new) == name(old)));
    }
    for item in items {
        match known.iter_mut().find(|old| name(old) == name(item)) {
            Some(old) => *old = item.clone(),
            None => known.push(item.clone()),
        }
    }
}
