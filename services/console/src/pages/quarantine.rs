//! What is withheld until a person says so, and what is out of sight.

use askama::Template;
use axum::extract::Path;
use serde_json::{Value, json};

use super::{Answer, mendable, onward, page};
use crate::{
    form::Posted,
    link,
    model::account::{Account, Accounts, Released},
    session::Notice,
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "quarantine.html")]
struct Quarantine {
    shell: Shell,
    accounts: Vec<Account>,
}

impl Quarantine {
    fn is_empty(&self) -> bool {
        !self.accounts.iter().any(Account::has_withheld)
    }

    fn has_lost(&self) -> bool {
        self.accounts.iter().any(|account| !account.lost.is_empty())
    }
}

/// `GET /console/quarantine`
pub(super) async fn show(visitor: Visitor) -> Answer {
    let accounts = visitor.api().get::<Accounts>("/v1/accounts").await?.accounts;
    page(&Quarantine { shell: visitor.shell(Part::Quarantine, "Quarantine"), accounts })
}

/// `POST /console/accounts/{name}/release`
pub(super) async fn release(Path(name): Path<String>, Posted { visitor, fields }: Posted) -> Answer {
    let ceiling = fields.text("ceiling");
    let ceiling = ceiling.parse::<u64>().map_or_else(|_| Value::from(ceiling), Value::from);
    let body = json!({ "scope": fields.text("scope"), "ceiling": ceiling });
    let path = format!("/v1/accounts/{}/release", link::segment(&name));
    let notice = match mendable(visitor.api().post::<Released>(&path, &body).await)? {
        Ok(Released { removed, confirming }) => {
            let told = format!("Confirmed: {removed} are told as removed, {confirming} are read by their ids first.");
            Notice::done(told)
        }
        Err(problem) => Notice::error(problem.sentence()),
    };
    visitor.tell(notice);
    onward("/console/quarantine")
}
