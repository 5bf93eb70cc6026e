//! Faults of the data model at every key that the template reads, under every way of the engine to handle them.

use expensify_client::{Completeness, Incompleteness, reader, reader::Reading, rows, template};
use serde_json::{Value, json};

use crate::{
    engine::{Case, render},
    models, nonce,
};

/// Every exception handler, with and without the mode that reads what is missing as blank.
const HANDLING: &[&[(&str, &str)]] = &[
    &[("template_exception_handler", "rethrow")],
    &[("template_exception_handler", "debug")],
    &[("template_exception_handler", "html_debug")],
    &[("template_exception_handler", "ignore")],
    &[("template_exception_handler", "rethrow"), ("classic_compatible", "true")],
    &[("template_exception_handler", "debug"), ("classic_compatible", "true")],
    &[("template_exception_handler", "html_debug"), ("classic_compatible", "true")],
    &[("template_exception_handler", "ignore"), ("classic_compatible", "true")],
];
/// The report that is faulty, of three.
const FAULTY: usize = 1;

/// Three reports, the second changed.
fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut reports = models::ordinary(3);
    change(&mut reports[FAULTY]);
    models::root(&reports)
}

/// Faults of one report: a key whose look-up throws, a value whose text is not to be had, a list that breaks off.
fn faulty_models() -> Vec<(String, Value)> {
    let lists = ["approvers", "actionList", "transactionList"];
    let mut models = Vec::new();
    for key in rows::REPORT.iter().chain(&lists) {
        models.push((format!("report.{key} throws"), with(|report| report["$throws"] = json!(key))));
        models.push((format!("report.{key} has no text"), with(|report| report[*key] = json!({ "$text": true }))));
    }
    for (list, columns) in lists.into_iter().zip([rows::APPROVER, rows::ACTION, rows::EXPENSE]) {
        for key in columns {
            let last = |report: &Value| report[list].as_array().map_or(0, |items| items.len() - 1);
            let throws = with(|report| {
                let last = last(report);
                report[list][last]["$throws"] = json!(key);
            });
            let no_text = with(|report| {
                let last = last(report);
                report[list][last][*key] = json!({ "$text": true });
            });
            models.push((format!("{list}.{key} throws"), throws));
            models.push((format!("{list}.{key} has no text"), no_text));
        }
        for kind in ["$list", "$stream"] {
            for breaks in [0, 1] {
                let broken = with(|report| {
                    let mut items = report[list].as_array().cloned().unwrap_or_default();
                    items.push(items[0].clone());
                    report[list] = json!({ kind: items, "$breaks": breaks });
                });
                models.push((format!("{list} breaks as {kind} at {breaks}"), broken));
            }
        }
    }
    for (key, value) in [("total", "NaN"), ("total", "Infinity"), ("total", "-Infinity"), ("stateNum", "NaN")] {
        models.push((format!("report.{key} is {value}"), with(|report| report[key] = json!({ "$number": value }))));
    }
    models.push((
        "missing keys throw".into(),
        with(|report| {
            report["$throws"] = json!("*");
            report.as_object_mut().map(|object| object.remove("policyName"));
        }),
    ));
    models
}

/// Faults of the whole model.
fn broken_models() -> Vec<(String, Value)> {
    let reports = models::ordinary(3);
    let mut models = Vec::new();
    for key in ["reports", "addHeader"] {
        let mut root = models::root(&reports);
        root["$throws"] = json!(key);
        models.push((format!("{key} throws"), root));
    }
    for kind in ["$list", "$stream"] {
        for breaks in 0..3 {
            let mut root = models::root(&[]);
            root["reports"] = json!({ kind: reports, "$breaks": breaks });
            models.push((format!("reports break as {kind} at {breaks}"), root));
        }
    }
    for (name, reports) in [("missing", json!(null)), ("a text", json!("x")), ("an object", json!({ "a": 1 }))] {
        models.push((format!("reports are {name}"), json!({ "addHeader": true, "reports": reports })));
    }
    models
}

fn cases(models: &[(String, Value)]) -> Vec<Case> {
    let template = template::reports(&nonce());
    let under = |(name, model): &(String, Value)| {
        HANDLING
            .iter()
            .map(|handling| Case::new(format!("{name} under {handling:?}"), &template, model).under(handling))
            .collect::<Vec<_>>()
    };
    models.iter().flat_map(under).collect()
}

/// The reading of the same reports without a fault.
fn sound() -> Reading {
    let file = expensify_sim::template::render_reports(
        &models::ordinary(3),
        nonce().as_str(),
        &expensify_sim::template::EngineSettings::default(),
    );
    reader::read(&nonce(), file.as_bytes())
}

#[test]
fn a_faulty_report_is_never_read_as_data_and_harms_no_other() {
    let sound = sound();
    assert_eq!((sound.reports.len(), &sound.completeness), (3, &Completeness::Complete));
    let Some((_, rendered)) = render(cases(&faulty_models())) else { return };
    assert!(rendered.len() > 800, "{} renderings", rendered.len());
    for rendered in &rendered {
        let (name, read) = (&rendered.case.name, reader::read(&nonce(), &rendered.bytes));
        assert!(matches!(read.completeness, Completeness::Incomplete(_)), "{name}:\n{}", rendered.text());
        if name.contains(" is ") {
            let told = Completeness::Incomplete(Incompleteness::Faults { reports: 1 });
            assert_eq!(read.completeness, told, "{name}: a number without digits leaves the line readable");
        }
        let faulty = &sound.reports[FAULTY].report_id;
        for observed in &read.reports {
            assert_ne!(observed.report_id, *faulty, "{name}:\n{}", rendered.text());
            assert!(sound.reports.contains(observed), "{name}: {observed:?}");
        }
        assert_eq!(read.reports.len(), 2, "{name}: the others survive\n{}", rendered.text());
    }
}

#[test]
fn a_faulty_model_is_never_complete() {
    let sound = sound();
    let Some((_, rendered)) = render(cases(&broken_models())) else { return };
    for rendered in &rendered {
        let (name, read) = (&rendered.case.name, reader::read(&nonce(), &rendered.bytes));
        assert!(matches!(read.completeness, Completeness::Incomplete(_)), "{name}:\n{}", rendered.text());
        if name.starts_with("reports are ") {
            assert_eq!(read.completeness, Completeness::Incomplete(Incompleteness::NoList), "{name}");
        }
        assert!(read.reports.iter().all(|observed| sound.reports.contains(observed)), "{name}");
    }
}

#[test]
fn what_is_only_unusual_is_read() {
    let null = with(|report| {
        report["policyName"] = json!({ "$null": true });
        report["transactionList"][0]["modifiedAmount"] = json!({ "$null": true });
    });
    let date = with(|report| report["approved"] = json!({ "$date": 1_775_174_400_000_i64 }));
    let stream = with(|report| report["transactionList"] = json!({ "$collection": report["transactionList"] }));
    let strict = with(|report| report["$throws"] = json!("*"));
    let reports = json!({ "addHeader": false, "reports": { "$collection": models::ordinary(3) } });
    let models =
        [("null objects", null), ("a date", date), ("a collection", stream), ("strict", strict), ("streamed", reports)];
    let template = template::reports(&nonce());
    let case = |(name, model): &(&str, Value)| Case::new(*name, &template, model).under(&[("time_zone", "UTC")]);
    let Some((_, rendered)) = render(models.iter().map(case).collect()) else { return };
    let sound = sound();
    for rendered in &rendered {
        let read = reader::read(&nonce(), &rendered.bytes);
        let name = rendered.case.name.as_str();
        assert_eq!(read.completeness, Completeness::Complete, "{name}: {:?}\n{}", read.drift, rendered.text());
        let mut expected = sound.reports.clone();
        let report = &mut expected[FAULTY];
        match name {
            "null objects" => report.policy_name = None,
            "a date" => report.approved = "2026-04-03 00:00:00".to_owned().try_into().ok(),
            _ => {}
        }
        assert_eq!(read.reports, expected, "{name}");
    }
}
