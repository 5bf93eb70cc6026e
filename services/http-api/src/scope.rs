//! What a caller names of the world outside (accounts, policies, event types, another owner), held against what may be named.

use event_model::{EventType, KeyId, Owner, Reach, TypeGlob};
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::{
    caller::Caller,
    params::cut,
    problem::{Denied, Fault, Refusal},
    state::Api,
};

/// Refuses the body of a subscription that names what is not within `reach`, whether or not it exists. What is no name at all is
/// left to whoever reads the body.
pub(crate) fn within(body: &Map<String, Value>, reach: &Reach) -> Result<(), Refusal> {
    if reach.is_everything() {
        return Ok(());
    }
    if reach.is_nothing() {
        return Err(Denied::scope("events", "any event at all").into());
    }
    let mut faults = Vec::new();
    let mut check = |list: &str, is_outside: &dyn Fn(&str) -> Option<String>| {
        let named = body.get(list).and_then(Value::as_array).into_iter().flatten().enumerate();
        let outside = named.filter_map(|(index, name)| Some((index, is_outside(name.as_str()?)?)));
        faults.extend(outside.map(|(index, why)| Fault::at(format!("/{list}/{index}"), why)));
    };
    check("accounts", &|name| {
        let permitted = name.parse().ok().is_none_or(|account| reach.accounts.permits(&account));
        (!permitted).then(|| format!("the key may not see the account {:?}", cut(name)))
    });
    check("policies", &|name| {
        let permitted = reach.policies.permits(&name.to_owned());
        (!permitted).then(|| format!("the key may not see the policy {:?}", cut(name)))
    });
    check("events", &|glob| {
        let glob: TypeGlob = glob.parse().ok()?;
        let beyond = EventType::ALL.iter().find(|known| glob.asks_for(**known) && !reach.has_type(**known))?;
        Some(format!("asks for {beyond}, which the key may not see"))
    });
    if faults.is_empty() { Ok(()) } else { Err(Denied::fields(faults).into()) }
}

/// The owner that a change of the subscription `id` names, if it names one. Its key must be able to see whatever the
/// subscription may deliver: that stays as it is.
pub(crate) async fn new_owner(
    api: &Api,
    caller: &Caller,
    id: &str,
    wanted: Option<Value>,
) -> Result<Option<Owner>, Refusal> {
    let Some(wanted) = wanted else { return Ok(None) };
    if !caller.is_admin() {
        return Err(Denied::reserved("give a subscription another owner").into());
    }
    let wrong = |why: &str| Refusal::Fields(vec![Fault::at("/owner", why)]);
    let key: KeyId =
        wanted.as_str().and_then(|text| text.parse().ok()).ok_or_else(|| wrong("must be the id of a key"))?;
    let all = api.keys.list("").await?;
    let (_, key) = all.into_iter().find(|(_, known)| known.id == key).ok_or_else(|| wrong("there is no such key"))?;
    if key.has_expired(Timestamp::now()) {
        return Err(wrong("the key has expired"));
    }
    let stands = caller.subscription(api, id).await?;
    let reach = stands.owner.map_or_else(Reach::everything, |owner| owner.reach);
    if !reach.is_within(&key.grant.reach) {
        return Err(wrong("the key may not see everything that the subscription delivers"));
    }
    Ok(Some(Owner { key: key.id, reach, until: key.expires_at }))
}
