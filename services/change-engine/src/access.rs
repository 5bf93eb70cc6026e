//! What an account's credential sees, and what it has lost sight of.
//!
//! A scope is lost when the upstream refuses it, when the credential's role does not reach it any more, or when so much of it
//! went missing at once that this is the likelier cause. Nothing in a lost scope is removed; what is known of it stands. One
//! event is told for each change of the set: not for more entities going missing in a scope that is lost already.

use event_model::{Access, AccountName, EntityKind, EventDraft, EventType, LostScope, Subject};

use crate::diff::{Known, Seen, one_draft};

/// The access of `account` as the log has it; all in sight when the log says nothing.
pub fn access_of(account: &AccountName, known: Option<&Known>) -> Access {
    let told = known.and_then(|known| serde_json::from_value::<Access>(known.object.clone()).ok());
    told.unwrap_or_else(|| Access { account: account.clone(), lost: Vec::new() })
}

/// Whether `scope` is lost.
pub fn is_lost(access: &Access, scope: &str) -> bool {
    access.lost.iter().any(|lost| lost.scope == scope)
}

/// A scope went out of sight. Whether it was in sight: of one that is lost already the first report stands.
pub fn lose(access: &mut Access, lost: LostScope) -> bool {
    match access.lost.binary_search_by(|known| known.scope.cmp(&lost.scope)) {
        Ok(_) => false,
        Err(place) => {
            access.lost.insert(place, lost);
            true
        }
    }
}

/// A scope is in sight again. Whether it was lost.
pub fn regain(access: &mut Access, scope: &str) -> bool {
    let before = access.lost.len();
    access.lost.retain(|lost| lost.scope != scope);
    access.lost.len() != before
}

/// The event that tells the change from `known` to `access`, if the set of lost scopes is another.
pub fn access_draft(seen: &Seen<'_>, known: Option<&Known>, access: &Access) -> Option<EventDraft> {
    let before = access_of(&access.account, known);
    let scopes = |access: &Access| access.lost.iter().map(|lost| lost.scope.clone()).collect::<Vec<_>>();
    if scopes(&before) == scopes(access) {
        return None;
    }
    let subject = Subject::new(EntityKind::Account, access.account.as_str());
    Some(one_draft(seen, subject, known, EventType::AccountAccessChanged, access))
}

#[cfg(test)]
mod tests {
    use event_model::{LossReason, Revision};
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::paths::Paths;

    fn lost(scope: &str, missing: u64) -> LostScope {
        let since = Timestamp::UNIX_EPOCH;
        LostScope { scope: scope.into(), reason: LossReason::Role, since, missing: Some(missing), of: None }
    }

    #[test]
    fn each_change_of_the_set_is_one_event_and_nothing_else_is() {
        let account: AccountName = "acme".parse().expect("a name");
        let paths = Paths::default();
        let observed_at = "2026-04-02T09:14:21Z".parse().expect("a time");
        let seen =
            Seen { account: &account, observed_at, not_before: None, told_until: None, baselined: true, paths: &paths };
        let mut known: Option<Known> = None;
        let mut told = Vec::new();
        let mut access = access_of(&account, None);
        let mut step = |access: &Access| {
            if let Some(draft) = access_draft(&seen, known.as_ref(), access) {
                assert_eq!(draft.subject.to_string(), "account/acme");
                let lost: Vec<String> = access.lost.iter().map(|lost| lost.scope.clone()).collect();
                told.push((draft.revision.0, lost.join(" "), draft.data.changed.join(" ")));
                known = Some(Known { revision: draft.revision, removed: false, object: draft.data.object });
            }
        };
        step(&access);
        assert!(lose(&mut access, lost("policy/B", 3)) && lose(&mut access, lost("cards:acme.example", 1)));
        step(&access);
        step(&access);
        assert!(!lose(&mut access, lost("policy/B", 30)), "lost already");
        step(&access);
        assert!(is_lost(&access, "policy/B") && !is_lost(&access, "policy/A"));
        assert!(regain(&mut access, "policy/B") && !regain(&mut access, "policy/B"));
        step(&access);
        assert!(regain(&mut access, "cards:acme.example"));
        step(&access);
        let told: Vec<(u64, &str, &str)> = told.iter().map(|(n, a, b)| (*n, a.as_str(), b.as_str())).collect();
        assert_eq!(told, [(1, "cards:acme.example policy/B", ""), (2, "cards:acme.example", "lost"), (3, "", "lost")]);
    }

    #[test]
    fn the_log_remembers_what_is_lost() {
        let account: AccountName = "acme".parse().expect("a name");
        let access = Access { account: account.clone(), lost: vec![lost("reports", 7)] };
        let known = Known { revision: Revision(1), removed: false, object: json!(access) };
        assert_eq!(access_of(&account, Some(&known)), access);
    }
}
