//! The doctor template before the real engine.

use expensify_client::{
    doctor::{EngineReport, Escaping, FailureHandling, Reader},
    template,
};
use expensify_sim::template::{EngineSettings, render_doctor};
use serde_json::Value;

use crate::{
    engine::{Case, Rendered, render},
    models, nonce, simulated,
};

fn read(rendered: &Rendered) -> EngineReport {
    let mut reader = Reader::new(nonce());
    rendered.bytes.split(|b| *b == b'\n').for_each(|line| reader.line(line));
    reader.finish().unwrap_or_else(|why| panic!("{}: {why}\n{}", rendered.case.name, rendered.text()))
}

fn case(name: &str, reports: &[Value], settings: &[(&'static str, &'static str)]) -> Case {
    Case::new(name, &template::doctor(&nonce()), &models::root(reports)).under(settings)
}

#[test]
fn the_simulator_writes_the_probe_as_the_engine_does() {
    let live = [("template_exception_handler", "ignore"), ("number_format", "0.######")];
    let reports = [models::ordinary(1), Vec::new(), models::odd()[7..40].to_vec(), models::ordinary(2)];
    let mut cases: Vec<Case> = reports.iter().map(|reports| case("live", reports, &live)).collect();
    cases.push(case("throwing", &reports[0], &[]));
    let Some((version, rendered)) = render(cases) else { return };
    let live = simulated(&version, "en_US");
    let throwing = EngineSettings { blanks_failures: false, groups_numbers: true, ..live.clone() };
    for (number, rendered) in rendered.iter().enumerate() {
        let (model, settings) = reports.get(number).map_or((&reports[0], &throwing), |model| (model, &live));
        let ours = render_doctor(model, nonce().as_str(), settings);
        assert_eq!(rendered.text(), ours, "{} {number}", rendered.case.name);
    }
}

#[test]
fn the_probe_tells_engines_apart() {
    use {Escaping::*, FailureHandling::*};
    let ignore = ("template_exception_handler", "ignore");
    let wanted = [
        (vec![], Throws, None, "1,234,567.5"),
        (vec![("template_exception_handler", "debug")], Throws, None, "1,234,567.5"),
        (vec![ignore], PrintsNothing, None, "1,234,567.5"),
        (vec![ignore, ("number_format", "0.######")], PrintsNothing, None, "1234567.5"),
        (vec![("classic_compatible", "true")], ReadsAsBlank, None, "1,234,567.5"),
        (vec![("output_format", "HTMLOutputFormat")], Throws, Markup, "1,234,567.5"),
        (vec![ignore, ("output_format", "XMLOutputFormat"), ("locale", "de_DE")], PrintsNothing, Markup, "1.234.567,5"),
        (vec![("locale", "ar_EG")], Throws, None, "١٬٢٣٤٬٥٦٧٫٥"),
    ];
    let reports = models::ordinary(1);
    let cases = wanted.iter().map(|(settings, ..)| case(&format!("{settings:?}"), &reports, settings)).collect();
    let Some((version, rendered)) = render(cases) else { return };
    for (rendered, (_, failures, escaping, number)) in rendered.iter().zip(wanted) {
        let report = read(rendered);
        let name = &rendered.case.name;
        assert_eq!((report.failures, report.escaping), (failures, escaping), "{name}");
        assert_eq!(report.number.as_deref(), Some(number), "{name}");
        assert_eq!(
            (report.engine.as_str(), report.locale.as_str()),
            (version.as_str(), rendered.case.locale()),
            "{name}"
        );
        assert_eq!((report.reports_kind.as_str(), report.reports_size), ("sequence", Some(1)));
        assert_eq!(report.kinds["report"]["total"], "number");
        assert_eq!(report.kinds["transactionList"]["reimbursable"], "boolean");
        assert_eq!(report.concerns, [""; 0], "{name}");
    }
}

#[test]
fn the_probe_finds_out_a_charset_and_shows_no_data() {
    let latin = Case { charset: "ISO-8859-1", ..case("latin", &models::ordinary(1), &[]) };
    let Some((_, rendered)) = render(vec![latin]) else { return };
    assert!(!read(&rendered[0]).charset_intact);
    let text = rendered[0].text();
    for value in ["Trip", "acme", "Lodging", "20400", "A1B2"] {
        assert!(!text.contains(value), "{value}\n{text}");
    }
}
