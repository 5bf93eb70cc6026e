use super::*;

fn probe(lines: &[&str]) -> Result<EngineReport, Unreadable> {
    let mut reader = Reader::new(Nonce::from_bits(7));
    for line in lines {
        reader.line(line.replace("NONCE", Nonce::from_bits(7).as_str()).as_bytes());
    }
    reader.finish()
}

const BEGIN: &str = r#"{"t":"begin","v":1,"nonce":"NONCE","addHeader":true,"kind":"sequence","size":1,"engine":"2.3.31","locale":"en_US","canary":"\u003C\u003E\u0026\u0027\u0022\\/ é € 😀 \u2028 \t  ."}"#;
const END: &str = r#"{"t":"end","nonce":"NONCE"}"#;

#[test]
fn a_whole_probe_tells_the_engine() {
    let report = probe(&[
        BEGIN,
        r#"{"t":"probe","name":"undefined","shown":"[]"}"#,
        r#"{"t":"probe","name":"boolean","shown":"[]"}"#,
        r#"{"t":"probe","name":"number","shown":"[1234567.5]"}"#,
        r#"{"t":"probe","name":"escaping","shown":"[&lt;&amp;]"}"#,
        r#"{"t":"probe","name":"encoding","shown":null}"#,
        r#"{"t":"keys","of":"report","names":["reportID","total"]}"#,
        r#"{"t":"kinds","of":"report","kinds":[["reportID","string "],["status","missing"],["total","number "]]}"#,
        END,
    ])
    .unwrap();
    assert_eq!((report.engine.as_str(), report.locale.as_str()), ("2.3.31", "en_US"));
    assert_eq!((report.failures, report.escaping), (FailureHandling::PrintsNothing, Escaping::Markup));
    assert_eq!((report.number.as_deref(), report.encoding.as_deref()), (Some("1234567.5"), None));
    assert!(report.charset_intact);
    assert_eq!(report.report_keys, ["reportID", "total"]);
    assert_eq!(report.kinds["report"]["total"], "number");
    assert_eq!(report.concerns, ["report.status: missing"]);
    assert!(serde_json::to_string(&report).unwrap().contains("\"failures\":\"prints_nothing\""));
}

#[test]
fn engines_are_told_apart() {
    for (undefined, boolean, wanted) in [
        ("ERROR", "ERROR", FailureHandling::Throws),
        ("ERROR", "[Yes]", FailureHandling::Throws),
        ("[]", "[]", FailureHandling::PrintsNothing),
        ("[]", "[true]", FailureHandling::ReadsAsBlank),
        ("[null]", "[true]", FailureHandling::Unknown),
    ] {
        assert_eq!(failures(Some(undefined), Some(boolean)), wanted, "{undefined} {boolean}");
    }
    assert_eq!(failures(None, None), FailureHandling::Unknown);
    assert_eq!(escaping(Some("[<&]")), Escaping::None);
    assert_eq!(escaping(Some("[x]")), Escaping::Unknown);
}

#[test]
fn half_a_probe_or_another_file_says_nothing() {
    assert_eq!(probe(&[BEGIN]), Err(Unreadable::NoEnd));
    assert_eq!(probe(&[BEGIN, r#"{"t":"end","nonce":"another"}"#]), Err(Unreadable::NoEnd));
    assert_eq!(probe(&["<html>", END]), Err(Unreadable::NotOurs));
    assert_eq!(probe(&[]), Err(Unreadable::NotOurs));
    assert_eq!(probe(&[&BEGIN.replace("NONCE", "x"), END]), Err(Unreadable::NotOurs));
}

#[test]
fn what_stands_in_the_way_is_named() {
    let report =
        probe(&[&BEGIN.replace('é', "?").replace("sequence", ""), "{\"t\":\"probe\",\"shown\":}", END]).unwrap();
    assert!(!report.charset_intact);
    assert_eq!(
        report.concerns,
        [
            "line 2 of the probe cannot be read",
            "characters are changed on the way here",
            "the model has no list of reports",
        ]
    );
}
