//! What the doctor template tells about the server's engine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{rows, template::Nonce};

/// Lines of a probe at most; ours writes a dozen.
const MAX_LINES: u64 = 200;

/// What the engine does with an interpolation that fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FailureHandling {
    /// It throws; the reports template catches that per report.
    Throws,
    /// It prints nothing and goes on.
    PrintsNothing,
    /// It reads what is missing as blank (`classic_compatible`).
    ReadsAsBlank,
    /// Something that this version does not know.
    Unknown,
}

/// How the engine escapes what it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Escaping {
    /// Not at all.
    None,
    /// For HTML or XML; the reports template survives that.
    Markup,
    /// In a way that this version does not know.
    Unknown,
}

/// The server's engine as one probe showed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineReport {
    /// FreeMarker's version.
    pub engine: String,
    /// Its locale.
    pub locale: String,
    /// What it does with what fails.
    pub failures: FailureHandling,
    /// How it escapes.
    pub escaping: Escaping,
    /// How it prints 1234567.5.
    pub number: Option<String>,
    /// The output encoding that it was told, if any.
    pub encoding: Option<String>,
    /// Characters beyond ASCII arrive as they were sent.
    pub charset_intact: bool,
    /// The model's `addHeader`, as JSON.
    pub add_header: String,
    /// `sequence`, `collection`, or empty when there was no list of reports.
    pub reports_kind: String,
    /// How many reports the export of at most one held.
    pub reports_size: Option<u64>,
    /// The keys that the first report has, as far as the engine can list them.
    pub report_keys: Vec<String>,
    /// For `report`, `approvers`, `actionList`, `transactionList`: each key and the kinds of its value.
    pub kinds: BTreeMap<String, BTreeMap<String, String>>,
    /// What stands in the way of reading reports; empty when nothing does.
    pub concerns: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Begin {
    #[serde(rename = "t")]
    _t: String,
    #[serde(rename = "v")]
    _v: u32,
    nonce: String,
    add_header: Value,
    kind: String,
    size: Option<u64>,
    engine: Option<String>,
    locale: Option<String>,
    canary: String,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "t", rename_all = "lowercase")]
enum Finding {
    Probe { name: String, shown: Option<String> },
    Keys { names: Vec<String> },
    Kinds { of: String, kinds: Vec<(String, String)> },
    End { nonce: String },
}

/// Why a probe's file says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Its first record is not ours.
    #[error("the probe's file does not begin with our record")]
    NotOurs,
    /// It stops before its end record.
    #[error("the probe's file stops before its end record")]
    NoEnd,
}

/// Reads a probe's file. Lines of findings that cannot be read are named as concerns: the probe is there to find out.
#[derive(Debug)]
pub struct Reader {
    nonce: Nonce,
    lines: u64,
    begin: Option<Begin>,
    ended: bool,
    probes: BTreeMap<String, Option<String>>,
    report_keys: Vec<String>,
    kinds: BTreeMap<String, BTreeMap<String, String>>,
    concerns: Vec<String>,
}

impl Reader {
    /// For the file of the job with this nonce.
    pub fn new(nonce: Nonce) -> Self {
        Self {
            nonce,
            lines: 0,
            begin: None,
            ended: false,
            probes: BTreeMap::new(),
            report_keys: Vec::new(),
            kinds: BTreeMap::new(),
            concerns: Vec::new(),
        }
    }

    /// Takes the next line.
    pub fn line(&mut self, line: &[u8]) {
        self.lines += 1;
        let text = String::from_utf8_lossy(line);
        let text = text.trim_start_matches('\u{feff}');
        if self.lines == 1 {
            self.begin = serde_json::from_str::<Begin>(text).ok().filter(|begin| begin.nonce == self.nonce.as_str());
        } else if self.lines <= MAX_LINES && self.begin.is_some() && !text.is_empty() {
            self.finding(text);
        }
    }

    fn finding(&mut self, text: &str) {
        match serde_json::from_str::<Finding>(text) {
            Ok(Finding::Probe { name, shown }) => {
                self.probes.insert(name, shown);
            }
            Ok(Finding::Keys { names }) => self.report_keys = names,
            Ok(Finding::Kinds { of, kinds }) => {
                let kinds = kinds.into_iter().map(|(key, kind)| (key, kind.trim().to_owned()));
                self.kinds.insert(of, kinds.collect());
            }
            Ok(Finding::End { nonce }) => self.ended = nonce == self.nonce.as_str(),
            Err(_) => self.concerns.push(format!("line {} of the probe cannot be read", self.lines)),
        }
    }

    /// The file has ended.
    pub fn finish(mut self) -> Result<EngineReport, Unreadable> {
        let begin = self.begin.take().ok_or(Unreadable::NotOurs)?;
        if !self.ended {
            return Err(Unreadable::NoEnd);
        }
        let failures = failures(self.shown("undefined"), self.shown("boolean"));
        let escaping = escaping(self.shown("escaping"));
        let number = self.shown("number").map(|shown| shown.trim_matches(['[', ']']).to_owned());
        let encoding = self.shown("encoding").map(str::to_owned);
        let charset_intact = begin.canary == rows::CANARY;
        let mut concerns = std::mem::take(&mut self.concerns);
        concerns.extend(self.missing_keys());
        if !charset_intact {
            concerns.push("characters are changed on the way here".to_owned());
        }
        if begin.kind.is_empty() {
            concerns.push("the model has no list of reports".to_owned());
        }
        Ok(EngineReport {
            engine: begin.engine.unwrap_or_default(),
            locale: begin.locale.unwrap_or_default(),
            failures,
            escaping,
            number,
            encoding,
            charset_intact,
            add_header: begin.add_header.to_string(),
            reports_kind: begin.kind,
            reports_size: begin.size,
            report_keys: self.report_keys,
            kinds: self.kinds,
            concerns,
        })
    }

    fn shown(&self, probe: &str) -> Option<&str> {
        self.probes.get(probe)?.as_deref()
    }

    /// Keys without which a report or an expense cannot be read.
    fn missing_keys(&self) -> Vec<String> {
        let needed = [("report", "reportID"), ("report", "status"), ("transactionList", "transactionID")];
        let told = needed.into_iter().filter_map(|(of, key)| Some((of, key, self.kinds.get(of)?.get(key)?)));
        let wrong = told.filter(|(_, _, kind)| matches!(kind.as_str(), "missing" | "ERROR"));
        wrong.map(|(of, key, kind)| format!("{of}.{key}: {kind}")).collect()
    }
}

/// What an undefined name and a bare boolean print, between brackets.
fn failures(undefined: Option<&str>, boolean: Option<&str>) -> FailureHandling {
    match (undefined, boolean) {
        (Some("ERROR"), _) => FailureHandling::Throws,
        (Some("[]"), Some("[true]")) => FailureHandling::ReadsAsBlank,
        (Some("[]"), Some("[]")) => FailureHandling::PrintsNothing,
        _ => FailureHandling::Unknown,
    }
}

/// What `[<&]` prints.
fn escaping(shown: Option<&str>) -> Escaping {
    match shown {
        Some("[<&]") => Escaping::None,
        Some("[&lt;&amp;]") => Escaping::Markup,
        _ => Escaping::Unknown,
    }
}

#[cfg(test)]
mod tests;
