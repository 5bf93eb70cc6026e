//! One account: what is read of it, how often, and with which budget.

use askama::Template;
use axum::extract::Path;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

use super::{Answer, mendable, onward, page};
use crate::{
    form::Posted,
    link,
    model::account::Account,
    session::Notice,
    shell::{Part, Shell},
    visitor::Visitor,
};

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    shell: Shell,
    account: Account,
}

/// `GET /console/accounts/{name}`
pub(super) async fn show(visitor: Visitor, Path(name): Path<String>) -> Answer {
    let account = visitor.api().get::<Account>(&format!("/v1/accounts/{}", link::segment(&name))).await?;
    page(&AccountPage { shell: visitor.shell(Part::System, format!("Account {}", account.name)), account })
}

/// `POST /console/accounts/{name}/refresh`: everything, or one report.
pub(super) async fn refresh(Path(name): Path<String>, Posted { visitor, fields }: Posted) -> Answer {
    let mut body = Map::new();
    let report = fields.text("report");
    if !report.is_empty() {
        body.insert("report".to_owned(), report.into());
    }
    let path = format!("/v1/accounts/{}/refresh", link::segment(&name));
    let notice = match mendable(visitor.api().post::<IgnoredAny>(&path, &Value::Object(body)).await)? {
        Ok(IgnoredAny) => Notice::done("It is read as soon as the budget allows."),
        Err(problem) => Notice::error(problem.sentence()),
    };
    visitor.tell(notice);
    onward(&format!("/console/accounts/{}", link::segment(&name)))
}
