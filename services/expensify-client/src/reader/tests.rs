use super::*;
use proptest::prelude::*;
use serde_json::json;

const KEY: DigestKey = DigestKey::from_bytes([7; 32]);

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
    reading.reports.iter().map(|report| report.report_id.as_str()).collect()
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
    let reading = incomplete(&only_end, Incompleteness::NonceMismatch { line: 3 });
    assert_eq!(ids(&reading), ["R1"], "it stood in a block of ours");
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
fn a_row_that_cannot_be_read_is_named_as_far_as_its_id_is_there() {
    let finished = |lines: &[String]| {
        let mut reader = RowReader::new(nonce(), DigestKey::from_bytes([0; 32]));
        for line in lines {
            match line.as_str() {
                "too long" => reader.line_too_long(br#"{"t":"row","i":1,"report":["2080715894610667",null,"#),
                line => drop(reader.line(Bytes::from(line.to_owned())).and_then(|row| reader.report(&row))),
            }
        }
        reader.finish()
    };
    let mut whole = lines(&["R1", "R2", "R3"]);
    whole[2] = "too long".to_owned();
    let read = finished(&whole);
    assert_eq!(read.completeness, Completeness::Incomplete(Incompleteness::Faults { reports: 1 }), "no row is missing");
    assert_eq!((read.unrendered, read.unnamed), (vec!["R009WqAY45L1".to_owned()], 0));

    whole[2] = row(1, "R2", "").replace("null", "");
    let read = finished(&whole);
    assert_eq!(
        (read.lost, read.unrendered.len(), read.unnamed),
        (1, 0, 0),
        "it was yielded as a row: {:?}",
        read.drift
    );
    whole[2] = r#"{"t":"fault","i":1,"reportID":null,"message":"?"}"#.to_owned();
    whole[4] = end(3, 1);
    assert_eq!(finished(&whole).unnamed, 1);
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
fn a_report_that_stands_twice_is_shown_twice() {
    let reading = read_text(&file(&lines(&["R1", "R2", "R1"])));
    assert_eq!((ids(&reading), &reading.completeness), (vec!["R1", "R2", "R1"], &Completeness::Complete));
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

/// Every row of a file, unread.
fn rows_of(text: &[u8]) -> Vec<Row> {
    let mut reader = RowReader::new(nonce(), KEY);
    let lines = text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.filter_map(|line| reader.line(Bytes::copy_from_slice(line))).collect()
}

#[test]
fn a_row_shows_its_canonical_id_and_whether_it_changed_without_being_read() {
    let rows = rows_of(file(&lines(&["R009WqAY45L1", "2080715894610667", "r009wqay45l1"])).as_bytes());
    assert_eq!(rows.iter().map(Row::report_id).collect::<Vec<_>>(), ["R009WqAY45L1", "R009WqAY45L1", "r009wqay45l1"]);
    assert_ne!(rows[0].digest(), rows[1].digest());
    assert!(!format!("{:?}", rows[0]).contains("Open"), "what a report holds is nobody's to print");

    let mut turned = lines(&["R2", "R009WqAY45L1"]);
    assert_eq!(rows_of(file(&turned).as_bytes())[1].digest(), rows[0].digest(), "its place says nothing");
    let mut other = RowReader::new(nonce(), DigestKey::from_bytes([8; 32]));
    let keyed: Vec<Row> = turned.iter().filter_map(|line| other.line(line.clone().into())).collect();
    assert_ne!(keyed[1].digest(), rows[0].digest(), "and nobody without the key can tell");
    turned[2] = row(1, "R009WqAY45L1", "open");
    assert_ne!(rows_of(file(&turned).as_bytes())[1].digest(), rows[0].digest());
}

#[test]
fn every_byte_of_a_row_is_in_its_digest() {
    let mut long = lines(&["R1"]);
    long[1] = row(0, "R1", &"Open ".repeat(400));
    let whole = rows_of(file(&long).as_bytes()).remove(0);
    let content = long[1].find("\"report\"").unwrap();
    for at in content..long[1].len() {
        let mut changed = long.clone();
        changed[1].replace_range(at..=at, if &long[1][at..=at] == "x" { "y" } else { "x" });
        assert!(rows_of(file(&changed).as_bytes()).iter().all(|row| row.digest() != whole.digest()), "byte {at}");
    }
}

#[test]
fn a_row_that_is_no_utf8_is_refused_in_every_dress() {
    let plain = file(&lines(&["R1", "R2"])).replace("\"R2\"", "\"R2\u{1}\"");
    for text in
        [plain.replace("\"i\":1,", "\"i\": 1,"), plain.replace('"', "&quot;").replace("\\&quot;", "\\u0022"), plain]
    {
        let bytes: Vec<u8> = text.bytes().map(|b| if b == 1 { 0xe9 } else { b }).collect();
        let reading = read(&nonce(), &bytes);
        assert_eq!(
            (ids(&reading), &reading.completeness),
            (vec!["R1"], &Completeness::Incomplete(Incompleteness::BadLine { line: 3 }))
        );
    }
}

#[test]
fn an_odd_id_is_read_as_json_and_means_the_same() {
    let plain = rows_of(file(&lines(&["R009WqAY45L1"])).as_bytes());
    for cell in ["2080715894610667", "\" R009WqAY45L1 \"", "\"R009WqA\\u005945L1\"", "\"R009WqA&#89;45L1\""] {
        let mut odd = lines(&["R1"]);
        odd[1] = odd[1].replace("\"R1\"", cell);
        let rows = rows_of(file(&odd).as_bytes());
        assert_eq!((rows.len(), rows[0].report_id()), (1, plain[0].report_id()), "{cell}");
        assert_eq!(ids(&read_text(&file(&odd))), ["R009WqAY45L1"]);
    }
    let mut old_only = lines(&["R1"]);
    old_only[1] = old_only[1].replace("[\"R1\",null", "[null,\"2080715894610667\"");
    assert_eq!(rows_of(file(&old_only).as_bytes())[0].report_id(), "R009WqAY45L1");
    old_only[1] = old_only[1].replace("\"2080715894610667\"", "null");
    let reading = incomplete(&old_only, Incompleteness::Faults { reports: 1 });
    assert_eq!((reading.reports.len(), reading.drift.len()), (0, 1), "no id at all");
}

#[test]
fn a_row_that_is_json_in_another_dress_is_a_row() {
    let mut dressed = lines(&["R1", "R2"]);
    dressed[1] = dressed[1].replace("\"i\":0,", "\"i\": 0, ");
    let reading = read_text(&file(&dressed));
    assert_eq!((ids(&reading), &reading.completeness), (vec!["R1", "R2"], &Completeness::Complete));
    dressed[2] = dressed[2].replace("\"i\":1,", "\"i\": 2,");
    incomplete(&dressed, Incompleteness::OutOfOrder { line: 3 });
}

#[test]
fn what_the_way_does_to_a_file_leaves_the_digests() {
    let text = file(&lines(&["R1", "2080715894610667"]));
    let digests = |text: &str| rows_of(text.as_bytes()).iter().map(Row::digest).collect::<Vec<_>>();
    let plain = digests(&text);
    assert_eq!(plain.len(), 2);
    let escaped = text.replace('"', "&quot;").replace("\\&quot;", "\\u0022").replace('\'', "&#39;");
    for changed in [text.replace('\n', "\r\n"), format!("\u{feff}{text}"), escaped] {
        assert_eq!(digests(&changed), plain, "{changed}");
    }
}

#[test]
fn no_row_is_shown_before_a_begin_record_of_ours_nor_after_what_spoils_all() {
    let whole = lines(&["R1", "R2"]);
    let text = file(&whole);
    assert_eq!(rows_of(text.as_bytes()).len(), 2);
    let other = Nonce::from_bits(8).to_string();
    for spoilt in [text.replace(nonce().as_str(), &other), text.replace("é", "e"), file(&whole[1..])] {
        assert_eq!(rows_of(spoilt.as_bytes()).len(), 0, "{spoilt}");
    }
    let mut after = whole.clone();
    after[3] = after[3].replace(nonce().as_str(), &other);
    assert_eq!(rows_of((file(&after) + &text).as_bytes()).len(), 2);
}

/// What one who reads only the rows whose digests are not known makes of a file: which reports it shows, which it reads, and
/// whether they are all.
fn read_what_is_new(known: &[Row], text: &[u8]) -> (Vec<String>, Vec<Report>, bool) {
    let mut reader = RowReader::new(nonce(), KEY);
    let (mut shown, mut new) = (Vec::new(), Vec::new());
    for line in text.split(|b| *b == b'\n') {
        let Some(row) = reader.line(Bytes::copy_from_slice(line)) else { continue };
        if known.iter().any(|k| (k.report_id(), k.digest()) == (row.report_id(), row.digest())) {
            shown.push(row.report_id().to_owned());
        } else if let Some(report) = reader.report(&row) {
            assert_eq!(report.report_id, row.report_id());
            shown.push(report.report_id.clone());
            new.push(report);
        }
    }
    (shown, new, reader.finish().completeness == Completeness::Complete)
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

    /// Reading only what is new is as strict as reading all, whatever happens to the file on its way.
    #[test]
    fn to_read_only_what_is_new_finds_the_same_reports_and_the_same_flaws(
        at in 0_usize..4000, bytes: Vec<u8>, drop in 0_usize..400, copy in 0_usize..4000,
    ) {
        let whole = file(&lines(&["R1", "2080715894610667", "R3"])).into_bytes();
        let known = rows_of(&whole);
        let mut damaged = whole.clone();
        let at = at % whole.len();
        let copied = &whole[copy % whole.len()..];
        let new = if bytes.len() % 2 == 0 { &bytes } else { &copied[..copied.len().min(500)] };
        damaged.splice(at..(at + drop).min(whole.len()), new.iter().copied());
        let all = read(&nonce(), &damaged);
        let (shown, new, complete) = read_what_is_new(&known, &damaged);
        prop_assert_eq!(complete, all.completeness == Completeness::Complete);
        prop_assert_eq!(shown, ids(&all));
        prop_assert!(new.iter().all(|report| all.reports.contains(report)));
    }
}
