//! What Expensify answers.

use bytes::Bytes;
use event_model::UpstreamDate;
use expensify_client::{
    DigestKey, JobKind,
    classify::classify,
    lines::LineSplitter,
    reader::{self, RowReader},
    report_id,
    template::Nonce,
};

use super::chosen;

const JOBS: [JobKind; 6] = [
    JobKind::Export,
    JobKind::Download,
    JobKind::PolicyList,
    JobKind::Policy,
    JobKind::DomainCardList,
    JobKind::Reconciliation,
];
const STATUSES: [u16; 6] = [200, 204, 302, 400, 429, 500];

/// An answer to any job, with any status.
pub fn answers(data: &[u8]) {
    let (choice, body) = chosen(data);
    let answer = classify(JOBS[choice % JOBS.len()], STATUSES[choice / JOBS.len() % STATUSES.len()], body);
    let _ = answer.outcome();
}

/// A file that our template rendered, or something else. Where it is cut into pieces makes no difference.
pub fn export(data: &[u8]) {
    // The corpus has files of this nonce.
    let nonce = || Nonce::from_bits(7);
    let (piece, file) = chosen(data);
    let whole = lines(file, file.len().max(1));
    let cut = lines(file, piece.max(1));
    assert_eq!(whole, cut, "the lines depend on how the file is cut");
    let mut rows = RowReader::new(nonce(), DigestKey::from_bytes([7; 32]));
    let mut reports = 0;
    for line in whole {
        if let Some(row) = rows.line(line) {
            let _ = row.digest();
            reports += usize::from(rows.report(&row).is_some());
        }
    }
    let cut_short = rows.is_cut_short();
    let read = rows.finish();
    let at_once = reader::read(&nonce(), file);
    assert!(at_once.reports.len() <= file.len() && reports <= file.len());
    let _ = (cut_short, read.completeness, at_once.completeness);
}

fn lines(file: &[u8], piece: usize) -> Vec<Bytes> {
    let (mut splitter, mut found) = (LineSplitter::default(), Vec::new());
    for piece in file.chunks(piece) {
        splitter.push(Bytes::copy_from_slice(piece));
        while let Ok(Some(line)) = splitter.line() {
            found.push(line);
        }
    }
    found.extend(splitter.rest());
    found
}

/// A date, or an id, as the upstream writes them: what was read reads the same again.
pub fn dates(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(Some(date)) = UpstreamDate::parse_blank(text) {
        let _ = (date.day(), date.moment());
        let again = UpstreamDate::parse_blank(&date.to_string()).expect("what it writes it reads");
        assert_eq!(again, Some(date));
    }
    let id = report_id(text);
    assert_eq!(report_id(&id), id, "an id in canonical spelling stays");
}
