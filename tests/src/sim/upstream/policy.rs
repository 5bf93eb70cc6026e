//! A policy as it truly is, with its past and with the credential's role on it.

use std::{collections::BTreeMap, rc::Rc};

use event_model::{
    Policy as Shown,
    policy::{Category, Employee, Tag, TagLevel, Tax},
};
use serde_json::Value;

use super::World;
use crate::sim::clock::{Moment, Timeline};

/// What the credential may do on a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Everything: it is on the list of administered policies, and its reports are shown.
    Admin,
    /// Nothing that counts: it is listed only when all policies are asked for; its reports are not shown.
    Auditor,
    /// It is not on any list, and asking for it is refused.
    Stranger,
}

/// What a policy is at some moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub name: String,
    pub categories: BTreeMap<String, (bool, Option<String>)>,
    pub members: BTreeMap<String, String>,
    pub tags: BTreeMap<String, bool>,
    pub tax: Option<String>,
}

/// A policy and its past.
#[derive(Clone, Debug)]
pub struct Policy {
    pub id: String,
    /// `None` when it is deleted.
    pub life: Timeline<Option<Rc<Body>>>,
    pub role: Timeline<Role>,
}

impl Policy {
    /// A policy that the credential administers.
    pub fn new(id: String, at: Moment) -> Self {
        let category = |name: &str| (name.to_owned(), (true, Some(format!("gl-{name}"))));
        let body = Body {
            name: format!("Policy {id}"),
            categories: ["Meals", "Travel"].map(category).into(),
            members: [("sam@acme.example".to_owned(), "user".to_owned())].into(),
            tags: [("Ops".to_owned(), true)].into(),
            tax: None,
        };
        Self { id, life: Timeline::starting(at, Some(Rc::new(body))), role: Timeline::starting(at, Role::Admin) }
    }

    /// What it was at `moment`.
    pub fn body_at(&self, moment: Moment) -> Option<&Rc<Body>> {
        self.life.at(moment)?.as_ref()
    }

    /// Changes it at `at`. Without effect when it is deleted.
    pub fn edit(&mut self, at: Moment, change: impl FnOnce(&mut Body)) {
        let Some(body) = self.life.last() else { return };
        let mut next = (**body).clone();
        change(&mut next);
        if next != **body {
            self.life.set(at, Some(Rc::new(next)));
        }
    }

    /// Whether it is there and the credential administers it at `moment`.
    pub fn is_administered_at(&self, moment: Moment) -> bool {
        self.body_at(moment).is_some() && self.role.at(moment) == Some(&Role::Admin)
    }
}

/// The details of `policy` at `moment`, with what its entry in the list says.
pub fn show(world: &World, policy: &Policy, body: &Body, moment: Moment) -> Shown {
    let mut other = BTreeMap::new();
    if world.new_policy_field.at(moment) == Some(&true) {
        other.insert("approvalMode".to_owned(), Value::from("BASIC"));
    }
    let category = |(name, (enabled, gl_code)): (&String, &(bool, Option<String>))| Category {
        name: name.clone(),
        enabled: *enabled,
        gl_code: gl_code.clone(),
        ..Category::default()
    };
    let member = |(email, role): (&String, &String)| Employee {
        email: email.clone(),
        role: Some(role.clone()),
        submits_to: Some("lee@acme.example".to_owned()),
        ..Employee::default()
    };
    let tag = |(name, enabled): (&String, &bool)| Tag { name: name.clone(), enabled: *enabled, ..Tag::default() };
    Shown {
        policy_id: policy.id.clone(),
        name: Some(body.name.clone()),
        owner: Some("cfo@acme.example".to_owned()),
        role: Some("admin".to_owned()),
        policy_type: Some("corporate".to_owned()),
        output_currency: Some("USD".to_owned()),
        categories: Some(body.categories.iter().map(category).collect()),
        report_fields: Some(Vec::new()),
        tags: Some(vec![TagLevel { tags: body.tags.iter().map(tag).collect(), ..TagLevel::default() }]),
        tax: Some(Tax { name: body.tax.clone(), ..Tax::default() }),
        employees: Some(body.members.iter().map(member).collect()),
        other,
    }
}
