//! Entities as the log knows them now.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use event_model::{AccountName, EntityKind, Sequence, Subject};
use event_store::{StoreError, StoredEvent};
use http::Uri;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::timeout;
use url::form_urlencoded;

use super::InPath;
use crate::{
    caller::Caller,
    params::{Params, cut},
    problem::{Fault, Refusal},
    state::Api,
    view::EntityView,
};

pub(super) mod operations;

/// How long the event is waited for that a state names: the two are shown by one write, one just after the other.
const EVENT_WAIT: Duration = Duration::from_secs(1);

/// The part of an event that holds the entity.
#[derive(Deserialize)]
struct Shown<'a> {
    #[serde(borrow)]
    data: ShownData<'a>,
}

#[derive(Deserialize)]
struct ShownData<'a> {
    #[serde(borrow)]
    object: &'a RawValue,
}

/// `GET /v1/entities/{kind}/{id}?account=`
pub(super) async fn show(
    State(api): State<Arc<Api>>,
    caller: Caller,
    InPath((kind, id)): InPath<(String, String)>,
    uri: Uri,
) -> Result<Response, Refusal> {
    let mut params = Params::of(&uri, &["account"]);
    let account = params.one("account", |text| text.parse::<AccountName>());
    params.finish()?;
    let account = account.map_or_else(|| only_account(&api, &caller), Ok)?;
    let subject = Subject::new(kind_named(&kind)?, id);
    let missing = || Refusal::NotFound { what: "entity", id: cut(&subject.to_string()) };
    let state = api.deps.store.entity(&account, &subject).await?.ok_or_else(missing)?;
    let event = event_at(&api, state.sequence).await?.ok_or_else(missing)?;
    if !caller.sight(&api).shows(&event.head).await? {
        return Err(missing());
    }
    let shown: Shown<'_> = serde_json::from_slice(&event.body).map_err(|error| Refusal::Encoding(Box::new(error)))?;
    let view = EntityView {
        account: &account,
        kind: subject.kind,
        id: &subject.id,
        subject: &subject,
        revision: state.revision,
        removed: state.removed,
        sequence: state.sequence,
        object: shown.data.object,
        events: events_of(&account, &subject),
    };
    Ok(Json(view).into_response())
}

/// The event at `sequence`, which a state names: states may be a step ahead of what is shown of the log.
async fn event_at(api: &Api, sequence: Sequence) -> Result<Option<StoredEvent>, StoreError> {
    let mut tail = api.deps.store.tail();
    // Not shown in time, or never as the store was closed: then it is as if it were not there.
    let _ = timeout(EVENT_WAIT, tail.wait_for(|last| *last >= sequence)).await;
    api.deps.store.event(sequence).await
}

fn kind_named(name: &str) -> Result<EntityKind, Refusal> {
    EntityKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
        let known: Vec<_> = EntityKind::ALL.iter().map(|kind| kind.as_str()).collect();
        Refusal::Parameters(vec![Fault::of("kind", format!("must be one of {}", known.join(", ")))])
    })
}

/// The account that is meant when none is named: the only one there is.
fn only_account(api: &Api, caller: &Caller) -> Result<AccountName, Refusal> {
    match &caller.accounts(api)[..] {
        [only] => Ok(only.clone()),
        _ => Err(Refusal::Parameters(vec![Fault::of("account", "is required unless there is exactly one")])),
    }
}

fn events_of(account: &AccountName, subject: &Subject) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.append_pair("account", account.as_str()).append_pair("subject", &subject.to_string());
    format!("/v1/events?{}", query.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::testing;

    #[tokio::test]
    async fn an_event_that_is_about_to_be_shown_is_waited_for() {
        let (api, _directory) = testing::api();
        let append = api.deps.store.append(vec![testing::draft("R1")]);
        let (event, stored) = tokio::join!(event_at(&api, Sequence(1)), append);
        assert_eq!(event.expect("read").expect("shown").body, stored.expect("appended")[0].body);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_that_is_never_shown_is_waited_for_within_a_bound() {
        let (api, _directory) = testing::api();
        assert!(event_at(&api, Sequence(1)).await.expect("read").is_none());
    }
}
