use super::*;
use proptest::prelude::*;
use serde_json::json;

fn nonce() -> Nonce {
    Nonce::from_bits(7)
}

/// A file as the template writes it, for reports with these ids; a line each.
fn lines(ids: &[&str]) -> Vec<String> {
    let columns = json!({ "report": rows::REPORT, "approvers": rows::APPROVER, "actionList": rows::ACTION,
        "transactionList": rows::EXPENSE });
    let canary = serde_json::to_string(rows::CANARY).unwrap();
    let mut lines = vec![format!(
        "{{\"t\":\"begin\",\"v\":1,\"nonce\":\"{}\",\"addHeader\":true,\"kind\":\"sequence\",\"size\":{},\
         \"engine\":\"2.3.31\",\"locale\":\"en_US\",\"canary\":{canary},\"columns\":{columns}}}",
        nonce(),
        ids.len()
    )];
    lines.extend(ids.iter().enumerate().map(|(i, id)| row(i, id, "Open")));
    lines.push(end(ids.len(), 0));
    lines
}

fn row(i: usize, id: &str, status: &str) -> String {
    let mut report = vec![Value::Null; rows::REPORT.len()];
    report[0] = json!(id);
    report[3] = json!(status);
    format!(
        "{{\"t\":\"row\",\"i\":{i},\"report\":{},\"approvers\":[],\"actionList\":[],\"transactionList\":[]}}",
        Value::from(report)
    )
}

fn end(rows: usize, faults: usize) -> String {
    format!("{{\"t\":\"end\",\"nonce\":\"{}\",\"rows\":{rows},\"faults\":{faults},\"done\":true}}", nonce())
}

fn file(lines: &[String]) -> String {
    lines.join("\n") + "\n"
}

fn read_text(text: &str) -> Reading {
    read(&nonce(), text.as_bytes())
}

fn ids(reading: &Reading) -> Vec<&str> {
    reading.reports.iter().map(|observed| observed.report.report_id.as_str()).collect()
}

#[track_caller]
fn incomplete(lines: &[String], wanted: Incompleteness) -> Reading {
    let reading = read_text(&file(lines));
    assert_eq!(reading.completeness, Completeness::Incomplete(wanted));
    reading
}

#[test]
fn a_whole_file_is_complete_and_an_empty_list_too() {
    let reading = read_text(&file(&lines(&["R1", "R2"])));
    assert_eq!((ids(&reading), &reading.completeness), (vec!["R1", "R2"], &Completeness::Complete));
    assert_eq!(reading.drift, [""; 0]);
    assert_eq!(read_text(&file(&lines(&[]))).completeness, Completeness::Complete);
}

#[test]
fn no_prefix_of_a_file_is_complete_but_for_its_last_line_end() {
    let text = file(&lines(&["R1", "R2", "R3"]));
    for cut in 0..text.len() - 1 {
        let reading = read(&nonce(), &text.as_bytes()[..cut]);
        assert!(matches!(reading.completeness, Completeness::Incomplete(_)), "cut at {cut}");
    }
    assert_eq!(read_text(&text[..text.len() - 1]).completeness, Completeness::Complete);
}

#[test]
fn a_file_cut_short_can_be_told_from_one_that_is_wrong() {
    let whole = lines(&["R1", "R2"]);
    incomplete(&whole[..2], Incompleteness::NoEnd);
    let half = format!("{}\n{}", whole[0], &whole[1][..20]);
    assert_eq!(read_text(&half).completeness, Completeness::Incomplete(Incompleteness::NoEnd));
    for text in ["", "<html>\n</html>", "{\"responseCode\":200}", "\n"] {
        assert_eq!(read_text(text).completeness, Completeness::Incomplete(Incompleteness::NotOurs), "{text}");
    }
}

#[test]
fn what_the_way_does_to_a_file_is_tolerated() {
    let text = file(&lines(&["R1"]));
    let plain = read_text(&text);
    for (changed, notices) in [
        (text.replace('\n', "\r\n"), 0),
        (format!("\u{feff}{text}"), 0),
        (format!("{text}\n\n"), 0),
        (text.trim().to_owned(), 0),
        (text.replace('"', "&quot;").replace("\\&quot;", "\\u0022").replace('\'', "&#39;"), 1),
    ] {
        let reading = read_text(&changed);
        assert_eq!((&reading.reports, &reading.completeness), (&plain.reports, &Completeness::Complete), "{changed}");
        assert_eq!(reading.drift.len(), notices);
    }
}

#[test]
fn a_wrong_nonce_a_spoilt_canary_and_a_foreign_beginning_spoil_all() {
    let whole = lines(&["R1"]);
    let with = |from: &str, to: &str| -> Vec<String> { whole.iter().map(|line| line.replace(from, to)).collect() };
    let other = Nonce::from_bits(8).to_string();
    for (lines, wanted) in [
        (with(nonce().as_str(), &other), Incompleteness::NonceMismatch { line: 1 }),
        (with("é", "Ã©"), Incompleteness::Canary),
        (with("  .", " ."), Incompleteness::Canary),
        (with("\"sequence\"", "\"\""), Incompleteness::NoList),
        (with("\"v\":1", "\"v\":2"), Incompleteness::NotOurs),
        (with("\"oldReportID\"", "\"total\""), Incompleteness::NotOurs),
        (whole[1..].to_vec(), Incompleteness::NotOurs),
    ] {
        assert!(incomplete(&lines, wanted).reports.is_empty());
    }
    let mut only_end = whole.clone();
    only_end[2] = only_end[2].replace(nonce().as_str(), &other);
    assert!(incomplete(&only_end, Incompleteness::NonceMismatch { line: 3 }).reports.is_empty());
    let latin1: Vec<u8> = file(&whole).chars().map(|c| u8::try_from(u32::from(c)).unwrap_or(b'?')).collect();
    assert_eq!(read(&nonce(), &latin1).completeness, Completeness::Incomplete(Incompleteness::Canary));
}

#[test]
fn a_line_that_is_no_record_spoils_completeness_and_leaves_the_other_rows() {
    for bad in ["", "FreeMarker template error (DEBUG mode)", "{\"t\":\"row\",\"i\":1,\"report\":[,]}", "null", "{}"] {
        let mut whole = lines(&["R1", "R2"]);
        whole.insert(2, bad.to_owned());
        let reading = incomplete(&whole, Incompleteness::BadLine { line: 3 });
        assert_eq!(ids(&reading), ["R1", "R2"]);
    }
    let mut after = lines(&["R1"]);
    after.push("trailing".to_owned());
    incomplete(&after, Incompleteness::BadLine { line: 4 });
}

#[test]
fn missing_doubled_and_swapped_rows_show() {
    let whole = lines(&["R1", "R2", "R3"]);
    let mut missing = whole.clone();
    missing.remove(2);
    incomplete(&missing, Incompleteness::OutOfOrder { line: 3 });
    let mut last = whole.clone();
    last.remove(3);
    incomplete(&last, Incompleteness::WrongCount { expected: 3, found: 2 });
    let mut swapped = whole.clone();
    swapped.swap(1, 2);
    incomplete(&swapped, Incompleteness::OutOfOrder { line: 2 });
    let mut doubled = whole;
    doubled.insert(1, doubled[1].clone());
    incomplete(&doubled, Incompleteness::OutOfOrder { line: 3 });
}

#[test]
fn the_engine_must_have_come_to_the_end_of_its_list() {
    let mut short = lines(&["R1"]);
    short[0] = short[0].replace("\"size\":1", "\"size\":2");
    incomplete(&short, Incompleteness::WrongCount { expected: 2, found: 1 });
    let mut broken = lines(&["R1"]);
    broken[0] = broken[0].replace("\"size\":1", "\"size\":null").replace("sequence", "collection");
    assert_eq!(read_text(&file(&broken)).completeness, Completeness::Complete);
    let miscounted = vec![broken[0].clone(), broken[1].clone(), end(2, 0)];
    incomplete(&miscounted, Incompleteness::WrongCount { expected: 2, found: 1 });
    broken[2] = broken[2].replace("\"done\":true", "\"done\":false");
    incomplete(&broken, Incompleteness::BrokenOff);
}

#[test]
fn a_fault_costs_its_report_and_completeness_only() {
    let mut faulty = lines(&["R1", "R2"]);
    faulty[1] = r#"{"t":"fault","i":0,"reportID":"R1","message":"key not to be had"}"#.to_owned();
    incomplete(&faulty, Incompleteness::WrongCount { expected: 0, found: 1 });
    faulty[3] = end(2, 1);
    let reading = incomplete(&faulty, Incompleteness::Faults { reports: 1 });
    assert_eq!(ids(&reading), ["R2"]);
    assert_eq!(reading.drift, ["line 2: R1: not rendered: key not to be had"]);

    let mut unreadable = lines(&["R1", "R2"]);
    unreadable[2] = row(1, "R2", "");
    let reading = incomplete(&unreadable, Incompleteness::Faults { reports: 1 });
    assert_eq!((ids(&reading), reading.drift[0].as_str()), (vec!["R1"], "line 3: R2: status is missing"));
}

#[test]
fn several_whole_blocks_are_taken_and_noticed() {
    let two = file(&lines(&["R1"])) + &file(&lines(&["R2"]));
    let reading = read_text(&two);
    assert_eq!((ids(&reading), &reading.completeness), (vec!["R1", "R2"], &Completeness::Complete));
    assert!(reading.drift[0].contains("second block"), "{:?}", reading.drift);
    let cut = &two[..two.len() - 30];
    assert_eq!(read_text(cut).completeness, Completeness::Incomplete(Incompleteness::NoEnd));
}

#[test]
fn a_report_that_stands_twice_is_one() {
    let same = read_text(&file(&lines(&["R1", "R1"])));
    assert_eq!((ids(&same), same.drift.len(), &same.completeness), (vec!["R1"], 0, &Completeness::Complete));
    let mut differs = lines(&["R1", "R2", "R1"]);
    differs[3] = row(2, "R1", "Approved");
    let reading = read_text(&file(&differs));
    assert_eq!(ids(&reading), ["R1", "R2"]);
    assert_eq!(reading.reports[0].report.state, event_model::ReportState::Approved);
    assert_eq!(reading.drift, ["R1 stands twice and differs; the last is taken"]);
}

#[test]
fn notices_are_bounded() {
    let many: Vec<String> = (0..100).map(|n| format!("R{n}")).collect();
    let mut whole = lines(&many.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, id) in many.iter().enumerate() {
        whole[n + 1] = row(n, id, &"?".repeat(9000));
    }
    let reading = read_text(&file(&whole));
    assert_eq!(reading.drift.len(), MAX_NOTICES);
    assert!(reading.drift.iter().all(|notice| notice.chars().count() <= NOTICE_CHARS + 1));
}

#[test]
fn a_missing_header_flag_is_noticed() {
    let mut whole = lines(&["R1"]);
    whole[0] = whole[0].replace("\"addHeader\":true", "\"addHeader\":false");
    let reading = read_text(&file(&whole));
    assert_eq!((reading.drift, reading.completeness), (vec!["addHeader is false".to_owned()], Completeness::Complete));
}

proptest! {
    /// Whatever is done to one place of a file: either the file is incomplete, or all its reports are there.
    #[test]
    fn a_damaged_file_is_incomplete_or_shows_every_report(at in 0_usize..4000, byte: u8, drop in 0_usize..40) {
        let whole = file(&lines(&["R1", "R2", "R3"])).into_bytes();
        let at = at % whole.len();
        let mut damaged = whole.clone();
        if drop == 0 {
            damaged[at] = byte;
        } else {
            damaged.drain(at..(at + drop).min(whole.len()));
        }
        let reading = read(&nonce(), &damaged);
        if reading.completeness == Completeness::Complete {
            prop_assert_eq!(reading.reports.len(), 3);
        }
    }
}
