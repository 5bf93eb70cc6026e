//! Every model under every setting: equal to the simulator's rendering, and read back as what it was.

use std::collections::{BTreeMap, HashMap};

use expensify_client::{Completeness, Incompleteness, reader, template};
use expensify_sim::template::render_reports;
use serde_json::Value;

use crate::{
    engine::{Case, Rendered, render},
    models, nonce, simulated,
};

/// Settings under which nothing may change. The engine's own defaults come first.
const SETTINGS: &[&[(&str, &str)]] = &[
    &[],
    &[("template_exception_handler", "rethrow")],
    &[("template_exception_handler", "ignore")],
    &[("template_exception_handler", "debug")],
    &[("template_exception_handler", "html_debug")],
    &[("classic_compatible", "true")],
    &[("classic_compatible", "true"), ("template_exception_handler", "ignore"), ("locale", "de_DE")],
    &[("locale", "de_DE")],
    &[("locale", "fr_FR")],
    &[("locale", "ar_EG")],
    &[("locale", "hi_IN")],
    &[("locale", "tr_TR")],
    &[("number_format", "0.00")],
    &[("number_format", "currency"), ("locale", "de_CH")],
    &[("number_format", "percent")],
    &[("number_format", "computer")],
    &[("boolean_format", "Yes,No")],
    &[("boolean_format", "1,0"), ("template_exception_handler", "ignore")],
    &[("date_format", "yyyy"), ("datetime_format", "iso"), ("time_zone", "Asia/Kolkata")],
    &[("output_format", "HTMLOutputFormat")],
    &[("output_format", "XHTMLOutputFormat"), ("template_exception_handler", "ignore")],
    &[("output_format", "XMLOutputFormat"), ("locale", "ar_EG")],
    &[("output_format", "PlainTextOutputFormat")],
    &[("output_format", "undefined")],
    &[("output_format", "HTMLOutputFormat"), ("auto_escaping_policy", "disable")],
    &[("whitespace_stripping", "false")],
    &[("whitespace_stripping", "false"), ("output_format", "HTMLOutputFormat"), ("number_format", "#,##0.0")],
    &[("arithmetic_engine", "conservative")],
    &[("incompatible_improvements", "2.3.31")],
    &[("incompatible_improvements", "2.3.23"), ("output_format", "HTMLOutputFormat")],
    &[("fallback_on_null_loop_variable", "false")],
    &[("output_encoding", "ISO-8859-1"), ("url_escaping_charset", "UTF-16")],
    &[("strict_syntax", "true"), ("tag_syntax", "auto_detect")],
];

/// Whether a bare number would print in another way: only then are more than a thousand rows worth their time.
fn prints_numbers_its_own_way(settings: &[(&str, &str)]) -> bool {
    settings.is_empty() || settings.iter().any(|(name, value)| *name == "number_format" || *value == "ar_EG")
}

/// A model by its name.
type Model = (&'static str, Vec<Value>);

fn all_models() -> [Model; 5] {
    [
        ("hostile", models::hostile()),
        ("odd", models::odd()),
        ("numbers", models::numbers()),
        ("empty", Vec::new()),
        ("many", models::ordinary(1200)),
    ]
}

/// Each case and the model that it renders.
fn cases(models: &[Model]) -> Vec<(Case, &Model)> {
    let template = template::reports(&nonce());
    let roots: Vec<Value> = models.iter().map(|(_, reports)| models::root(reports)).collect();
    let mut cases = Vec::new();
    for settings in SETTINGS {
        for (model, root) in models.iter().zip(&roots) {
            let case = Case::new(format!("{} under {settings:?}", model.0), &template, root).under(settings);
            // The other wrapper gives an empty object keys and takes the text "null" for a null: not for these two.
            if !matches!(model.0, "odd" | "hostile" | "many") {
                let beans = Case { beans: true, name: format!("{} as beans", case.name), ..case.clone() };
                cases.push((beans, model));
            }
            if model.0 != "many" || prints_numbers_its_own_way(settings) {
                cases.push((case, model));
            }
        }
    }
    cases
}

#[test]
fn every_rendering_equals_the_simulators_byte_for_byte() {
    let models = all_models();
    let (cases, models): (Vec<Case>, Vec<&Model>) = cases(&models).into_iter().unzip();
    let Some((version, rendered)) = render(cases) else { return };
    let mut simulations: HashMap<(&str, &str), String> = HashMap::new();
    for (rendered, (name, reports)) in rendered.iter().zip(models) {
        let case = &rendered.case;
        assert_eq!(rendered.error, None, "{}", case.name);
        let simulation = simulations
            .entry((*name, case.locale()))
            .or_insert_with(|| render_reports(reports, nonce().as_str(), &simulated(&version, case.locale())));
        equal(&rendered.text(), simulation, &case.name);
    }
}

/// Says which line differs: half a megabyte shows nobody anything.
fn equal(engine: &str, ours: &str, name: &str) {
    if engine == ours {
        return;
    }
    for (number, (engine, ours)) in engine.lines().zip(ours.lines()).enumerate() {
        assert_eq!(engine, ours, "{name}, line {}", number + 1);
    }
    panic!("{name}: one has more lines");
}

#[test]
fn what_is_rendered_reads_back_as_what_it_was() {
    let template = template::reports(&nonce());
    let hostile = models::hostile();
    let many = models::ordinary(1200);
    let cases = vec![
        Case::new("hostile", &template, &models::root(&hostile)),
        Case::new("many", &template, &models::root(&many)).under(&[("locale", "ar_EG")]),
        Case::new("odd", &template, &models::root(&models::odd())),
    ];
    let Some((_, rendered)) = render(cases) else { return };
    for (rendered, model) in rendered.iter().zip([&hostile, &many]) {
        let read = reader::read(&nonce(), &rendered.bytes);
        assert_eq!(read.completeness, Completeness::Complete, "{}: {:?}", rendered.case.name, read.drift);
        let read: BTreeMap<&str, _> = read.reports.iter().map(|o| (o.report_id.as_str(), o)).collect();
        assert_eq!(read.len(), model.len());
        for told in model {
            let observed = read[told["reportID"].as_str().unwrap()];
            let name = told["reportName"].as_str().filter(|name| !name.trim().is_empty());
            // The one hostile name with an entity in it is decoded once, as a name that the server has escaped would be.
            let name = name.map(|name| name.replace("&lt;", "<").replace("&amp;", "&"));
            assert_eq!(observed.report_name, name);
            assert_eq!(observed.total, told["total"].as_i64());
            assert_eq!(observed.expenses.len(), told["transactionList"].as_array().map_or(0, Vec::len));
            assert_eq!(observed.expenses[0].amount, Some(20_400));
            assert!(!observed.history.is_empty());
        }
    }
    let odd = reader::read(&nonce(), &rendered[2].bytes);
    assert!(matches!(odd.completeness, Completeness::Incomplete(Incompleteness::Faults { .. })), "{odd:?}");
}

#[test]
fn no_prefix_of_a_rendered_file_is_complete() {
    let model = models::root(&models::ordinary(3));
    let Some((_, rendered)) = render(vec![Case::new("small", &template::reports(&nonce()), &model)]) else { return };
    let bytes = &rendered[0].bytes;
    let complete = |bytes: &[u8]| reader::read(&nonce(), bytes).completeness == Completeness::Complete;
    assert!(complete(bytes) && complete(&bytes[..bytes.len() - 1]), "only the last line end may be lost");
    for cut in 0..bytes.len() - 1 {
        assert!(!complete(&bytes[..cut]), "cut at {cut}");
    }
}

#[test]
fn an_engine_that_writes_another_charset_is_found_out() {
    let model = models::root(&models::ordinary(2));
    let charset = |charset| Case { charset, ..Case::new(charset, &template::reports(&nonce()), &model) };
    let Some((_, rendered)) = render(["ISO-8859-1", "US-ASCII", "windows-1252"].map(charset).to_vec()) else { return };
    for Rendered { case, bytes, .. } in &rendered {
        let read = reader::read(&nonce(), bytes);
        assert_eq!(read.completeness, Completeness::Incomplete(Incompleteness::Canary), "{}", case.name);
        assert!(read.reports.is_empty());
    }
}

#[test]
fn lone_surrogates_cost_a_character_and_nothing_else() {
    let mut report = models::report(1);
    report["reportName"] = "lone ? here".into();
    let ours = render_reports(&[report.clone()], nonce().as_str(), &simulated("2.3.31", "en_US"));
    let mut case = Case::new("surrogate", &template::reports(&nonce()), &models::root(&[report]));
    case.model = case.model.replace("lone ? here", "lone \\ud800 here");
    let Some((version, rendered)) = render(vec![case]) else { return };
    equal(&rendered[0].text(), &ours.replace("\"2.3.31\"", &format!("\"{version}\"")), "surrogate");
}
