use super::*;

/// `object` with the values that the event says were there before: what stood before the event.
fn undone(event: &Event) -> Value {
    let mut object = event.data.object.clone();
    for (path, before) in &event.data.previous {
        put(&mut object, path, before.clone());
    }
    object
}

/// Sets what `path` names. A keyed item that was not there is taken away, one that is not there is added.
fn put(object: &mut Value, path: &str, value: Value) {
    let (name, rest) = path.split_at(path.find(['.', '[']).unwrap_or(path.len()));
    let place = object.as_object_mut().expect("an object").entry(name).or_insert(Value::Null);
    match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((key, rest)) => put_item(place.as_array_mut().expect("a list"), key, rest, value),
        None if rest.is_empty() => *place = value,
        None => put(place, &rest[1..], value),
    }
}

fn put_item(items: &mut Vec<Value>, key: &str, rest: &str, value: Value) {
    let is_it = |item: &Value| item.as_object().expect("an item").values().any(|field| field == key);
    match (items.iter().position(is_it), rest.strip_prefix('.')) {
        (Some(index), Some(rest)) => put(&mut items[index], rest, value),
        (Some(index), None) if value.is_null() => drop(items.remove(index)),
        (Some(index), None) => items[index] = value,
        (None, None) => items.push(value),
        (None, Some(_)) => panic!("{key} is not there"),
    }
}

/// A report as far as `changed` speaks of it.
fn told(mut report: Value) -> Value {
    report.as_object_mut().expect("an object").remove("history");
    for expense in report["expenses"].as_array_mut().expect("a list") {
        expense.as_object_mut().expect("an object").remove("categoryGlCode");
    }
    report
}

#[test]
fn each_event_about_the_report_says_what_stood_before_it() {
    for revision in 2..=13 {
        let now = report::report_at(revision);
        let told_now =
            Told::new(EventType::ReportUpdated, EntityKind::Report, REPORT_ID, revision, "2026-01-01T00:00:00Z", &now)
                .before(report::before(revision));
        let before = told(undone(&told_now.event()));
        assert_eq!(before, told(value(&report::report_at(revision - 1))), "revision {revision}");
    }
}

#[test]
fn each_change_is_one_and_is_listed_in_order() {
    for event in EventType::ALL.iter().map(|event_type| example(*event_type)) {
        let paths: Vec<_> = event.data.previous.keys().cloned().collect();
        assert_eq!(event.data.changed, paths, "{}", event.event_type);
        let mut again = undone(&event);
        assert_eq!(again == event.data.object, paths.is_empty(), "{}", event.event_type);
        for path in &paths {
            put(&mut again, path, Value::from("x"));
        }
    }
}

#[test]
fn an_example_is_of_its_type_and_its_times_are_in_order() {
    for event_type in EventType::ALL.iter().copied() {
        let event = example(event_type);
        assert_eq!(event.event_type, event_type);
        assert!(super::super::kinds(event_type).contains(&event.subject.kind), "{event_type}");
        assert!(event.timestamp <= event.detection.observed_at, "{event_type}");
        assert!(event.detection.not_before.is_none_or(|before| before <= event.timestamp), "{event_type}");
        let first = event_type.is_snapshot() || event.subject.kind == EntityKind::Subscription;
        assert_eq!(event.detection.not_before.is_none(), first, "{event_type}");
    }
}

#[test]
fn no_two_examples_stand_at_one_place_of_the_log() {
    let mut events: Vec<_> = EventType::ALL.iter().map(|event_type| example(*event_type)).collect();
    events.sort_by_key(|event| event.sequence);
    for pair in events.windows(2) {
        assert!(pair[0].sequence < pair[1].sequence, "{} and {}", pair[0].event_type, pair[1].event_type);
        assert!(pair[0].detection.observed_at <= pair[1].detection.observed_at, "{}", pair[1].event_type);
    }
}
