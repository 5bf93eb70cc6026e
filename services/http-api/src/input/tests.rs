use std::sync::LazyLock;

use event_model::{EventType, Reach, SubscriptionId, subscription::Status};
use serde_json::json;

use super::*;
use crate::{headers::HIDDEN, problem::Refusal};

fn sealer() -> &'static Sealer {
    static SEALER: LazyLock<Sealer> = LazyLock::new(|| Sealer::new([7; 32]));
    &SEALER
}

fn known(accounts: &[AccountName]) -> Known<'_> {
    Known { sealer: sealer(), accounts, last: Sequence(40) }
}

/// The value that `subscription` keeps of a header.
fn opened(subscription: &Subscription, name: &str) -> String {
    let place = Subscription::header_place(&subscription.id, name);
    let value = sealer().open(&place, &subscription.sealed_headers[name]).expect("opened");
    String::from_utf8(value.to_vec()).expect("text")
}

fn acme() -> Vec<AccountName> {
    vec!["acme".parse().expect("a name")]
}

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object") };
    map
}

/// The pointers that creating by `body` refuses, with what it says of each.
fn refused(body: Value) -> Vec<(String, String)> {
    let (_, faults) = creation(object(body), &known(&acme()));
    match faults.finish() {
        Err(Refusal::Fields(faults)) => {
            faults.into_iter().map(|fault| (fault.pointer.expect("a pointer"), fault.detail)).collect()
        }
        Ok(()) => Vec::new(),
        Err(other) => panic!("{other:?}"),
    }
}

fn subscription() -> Subscription {
    let now = "2026-04-02T09:14:00Z".parse().expect("a time");
    let id = SubscriptionId::from_unique("a").expect("an id");
    let sealed = |name: &str, value: &str| {
        let sealed = sealer().seal(&Subscription::header_place(&id, name), value.as_bytes());
        (name.to_owned(), sealed.expect("sealed"))
    };
    Subscription {
        sealed_headers: [sealed("x-a", "1"), sealed("x-b", "2")].into(),
        id,
        url: "https://example.com/hook".parse().expect("a url"),
        filter: EventFilter { events: vec!["*".parse().expect("a glob")], ..EventFilter::default() },
        format: Format::Standard,
        ordering: Ordering::Strict,
        rate_per_s: Some(5),
        description: Some("ledger".to_owned()),
        status: Status::Active,
        start_after: Sequence::START,
        sealed_secrets: Vec::new(),
        retiring_secrets: Vec::new(),
        ed25519_keys: Vec::new(),
        challenge: false,
        owner: None,
        created_at: now,
        updated_at: now,
    }
}

#[test]
fn what_is_not_said_has_the_documented_default() {
    let body = object(json!({"url": "https://example.com/hook", "events": ["report.*"], "accounts": null}));
    let (made, faults) = creation(body, &known(&acme()));
    let id = SubscriptionId::from_unique("a").expect("an id");
    let now = "2026-04-02T09:14:00Z".parse().expect("a time");
    let owner = Owner { key: "key_1".parse().expect("an id"), reach: Reach::everything(), until: None };
    let made = made.complete(faults, id, sealer(), &Secret::drawn(), owner, now).expect("made");
    assert_eq!((made.start_after, &made.status), (Sequence(40), &Status::Active));
    assert_eq!((made.format, made.ordering, made.rate_per_s), (Format::Standard, Ordering::Entity, None));
    assert!(made.filter.accounts.is_empty() && made.filter.policies.is_empty() && made.sealed_headers.is_empty());
    assert!(made.filter.events[0].matches(EventType::ReportApproved));
}

#[test]
fn every_wrong_field_is_named_at_once_by_its_pointer() {
    let faults = refused(json!({
        "url": "ftp://example.com", "events": ["report.*", "reprot.approved", 7], "accounts": ["acme", "acmo"],
        "policies": [""], "from": 41, "format": "cloudevents", "ordering": "sideways", "rate_per_s": 0,
        "headers": {"Webhook-Id": "x", "x bad": "y", "x-nul": "a\nb"}, "description": "d".repeat(501), "colour": 1,
    }));
    let pointers: Vec<_> = faults.iter().map(|(pointer, _)| pointer.as_str()).collect();
    assert_eq!(
        pointers,
        [
            "/url",
            "/events/1",
            "/events/2",
            "/accounts/1",
            "/policies/0",
            "/from",
            "/format",
            "/ordering",
            "/rate_per_s",
            "/headers/Webhook-Id",
            "/headers/x bad",
            "/headers/x-nul",
            "/description",
            "/colour",
        ]
    );
    let said = |pointer| &faults.iter().find(|(at, _)| at == pointer).expect("there").1;
    assert!(said("/events/1").contains("did you mean \"report.approved\"?"), "{}", said("/events/1"));
    assert!(said("/format").contains("cloudevents-binary"));
    assert!(said("/from").contains("ends at 40"));
    assert!(said("/accounts/1").contains("configured are acme"));
}

#[test]
fn a_body_without_the_required_fields_is_told_which() {
    let pointers: Vec<_> = refused(json!({"url": null})).into_iter().map(|(pointer, _)| pointer).collect();
    assert_eq!(pointers, ["/url", "/events"]);
    assert_eq!(refused(json!({"url": "https://a.example", "events": []}))[0].0, "/events");
}

#[test]
fn a_url_with_credentials_is_refused_since_urls_are_shown() {
    let body = json!({"url": "https://me:secret@example.com", "events": ["*"]});
    let [(pointer, said)] = &refused(body)[..] else { panic!("one fault") };
    assert_eq!(pointer, "/url");
    assert!(!said.contains("secret"));
}

#[test]
fn lists_and_headers_are_bounded() {
    let many: BTreeMap<String, &str> = (0..21).map(|n| (format!("x-{n}"), "v")).collect();
    let faults = refused(json!({"url": "https://a.example", "events": vec!["*"; 65], "headers": many}));
    assert_eq!(faults.iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>(), ["/events", "/headers"]);
    let large = json!({"url": "https://a.example", "events": ["*"], "headers": {"x-large": "v".repeat(5000)}});
    assert_eq!(refused(large)[0].0, "/headers");
}

#[test]
fn a_change_touches_what_it_names_and_null_is_the_default_again() {
    let mut subscription = subscription();
    let body = json!({
        "events": ["card.*"], "rate_per_s": null, "ordering": null, "description": null,
        "headers": {"x-a": null, "X-C": "3"},
    });
    let (change, faults) = change(object(body), &subscription, &known(&acme()));
    faults.finish().expect("nothing wrong");
    let change = change.sealed(sealer(), &subscription.id).expect("sealed");
    change.apply(&mut subscription);
    assert_eq!(subscription.url.as_str(), "https://example.com/hook");
    assert_eq!(subscription.filter.events, ["card.*".parse().expect("a glob")]);
    assert_eq!((subscription.rate_per_s, subscription.ordering), (None, Ordering::Entity));
    assert_eq!(subscription.description, None);
    assert_eq!(subscription.sealed_headers.keys().collect::<Vec<_>>(), ["x-b", "x-c"]);
    assert_eq!((opened(&subscription, "x-b"), opened(&subscription, "x-c")), ("2".to_owned(), "3".to_owned()));
}

#[test]
fn a_change_of_what_is_fixed_or_has_no_default_is_refused() {
    let body = json!({"url": null, "from": "beginning", "format": "standard", "headers": {"x-a": HIDDEN}});
    let (_, faults) = change(object(body), &subscription(), &known(&acme()));
    let Err(Refusal::Fields(faults)) = faults.finish() else { panic!("refused") };
    let pointers: Vec<_> = faults.iter().filter_map(|fault| fault.pointer.as_deref()).collect();
    assert_eq!(pointers, ["/headers/x-a", "/url", "/from", "/format"]);
}

#[test]
fn headers_that_together_with_those_that_stand_are_too_many_are_refused() {
    let more: BTreeMap<String, &str> = (0..19).map(|n| (format!("x-{n}"), "v")).collect();
    let (_, faults) = change(object(json!({"headers": more})), &subscription(), &known(&acme()));
    assert!(faults.finish().is_err());
    let mut large = subscription();
    let merged = |bytes: usize, onto: &Subscription| {
        let (change, faults) =
            change(object(json!({"headers": {"x-large": "v".repeat(bytes)}})), onto, &known(&acme()));
        faults.finish().map(|()| change.sealed(sealer(), &onto.id).expect("sealed"))
    };
    // The names and values of x-a and x-b have 8 bytes.
    merged(4096 - 8 - 7, &large).expect("it just fits").apply(&mut large);
    let (_, faults) = change(object(json!({"headers": {"x": ""}})), &large, &known(&acme()));
    assert!(faults.finish().is_err(), "what is sealed counts by its length in the clear");
    assert!(merged(4096 - 8 - 6, &subscription()).is_err());
}

#[test]
fn a_url_is_refused_with_what_it_would_have_to_be() {
    let said = |url: &str| {
        let faults = refused(json!({"url": url, "events": ["*"]}));
        faults.into_iter().map(|(_, said)| said).collect::<Vec<_>>().join("; ")
    };
    let scheme = said("ftp://example.com");
    assert!(scheme.contains("https") && scheme.contains("or an http one where"), "{scheme}");
    assert_eq!(
        (said("http://a.example/hook"), said("https://a.example/?a#")),
        (String::new(), said("https://a.example/#x"))
    );
    assert!(said("https://a.example/#x").contains("fragment"));
}

#[test]
fn values_of_headers_do_not_show_in_debug_output() {
    let body = json!({"url": "https://a.example", "events": ["*"], "headers": {"x-token": "hush"}});
    let (made, _) = creation(object(body), &known(&acme()));
    let shown = format!("{made:?}");
    assert!(shown.contains("x-token") && !shown.contains("hush"), "{shown}");
}
