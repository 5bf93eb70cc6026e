//! What a doctor prints, and how the command ends.

use std::{
    fmt::Write as _,
    io::{self, IsTerminal, Write},
};

use clap::ValueEnum;
use jiff::Timestamp;
use serde_json::json;

use super::check::{Check, Report, State};
use crate::{exit::Exit, output::plain};

/// The form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DoctorForm {
    /// For people.
    Text,
    /// One object.
    Json,
    /// As a plugin of Nagios, Icinga and the like.
    Nagios,
    /// For the textfile collector of Prometheus' node exporter.
    Prometheus,
}

/// Metrics that a check may measure, with their help.
const MEASURES: &[(&str, &str)] = &[
    ("free_bytes", "Bytes that the store's file system has left."),
    ("budget_left_requests", "Requests of the tightest window of the rate limit that are free."),
    ("clock_offset_seconds", "The upstream's clock minus ours."),
    ("certificate_left_seconds", "Time until a subscriber's certificate expires."),
    ("log_events", "Events of the log that were verified."),
    ("log_damaged_sequence", "The first sequence that is not what was written; absent where there is none."),
];

pub(super) fn print(report: &Report, form: DoctorForm) -> io::Result<()> {
    let mut out = io::stdout();
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let text = match form {
        DoctorForm::Text => text(report, out.is_terminal() && !no_colour),
        DoctorForm::Json => {
            let told = json!({ "status": report.worst().as_str(), "checks": report.checks() });
            format!("{told:#}\n")
        }
        DoctorForm::Nagios => nagios(report),
        DoctorForm::Prometheus => prometheus(report, Timestamp::now()),
    };
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// 6 when a check failed. The exit codes of a Nagios plugin are fixed by whoever runs it: 0, 1 for a warning, 2 for a
/// failure; anything else it shows as unknown.
pub(super) fn exit(report: &Report, form: DoctorForm) -> Exit {
    match (form, report.worst()) {
        (DoctorForm::Nagios, State::Fail) => Exit::Usage,
        (DoctorForm::Nagios, State::Warn) => Exit::Unexpected,
        (_, State::Fail) => Exit::CheckFailed,
        _ => Exit::Ok,
    }
}

fn name(check: &Check) -> String {
    let about = check.about.iter().map(|about| format!(" {}", plain(about)));
    std::iter::once(check.name.to_owned()).chain(about).collect()
}

fn text(report: &Report, colour: bool) -> String {
    let mut text = String::new();
    for check in report.checks() {
        let state = painted(check.state, colour);
        // Writing to a String does not fail.
        let _ = writeln!(text, "{state}  {}: {}", name(check), plain(&check.what));
        for (head, told) in [("why", &check.why), ("next", &check.next)] {
            if let Some(told) = told {
                let _ = writeln!(text, "         {head}: {}", plain(told));
            }
        }
    }
    let _ = writeln!(text, "{}", summary(report));
    text
}

fn painted(state: State, colour: bool) -> String {
    let code = match state {
        State::Ok => "32",
        State::Skipped => "2",
        State::Warn => "33",
        State::Fail => "31",
    };
    let padded = format!("{:<7}", state.as_str());
    if colour { format!("\u{1b}[{code}m{padded}\u{1b}[0m") } else { padded }
}

fn summary(report: &Report) -> String {
    let [ok, skipped, warn, fail] = State::ALL.map(|state| report.count(state));
    format!("{} checks: {ok} ok, {warn} warnings, {fail} failed, {skipped} skipped", report.checks().len())
}

/// One line with the performance data after it, then a line for each check that needs somebody.
fn nagios(report: &Report) -> String {
    let word = match report.worst() {
        State::Ok | State::Skipped => "OK",
        State::Warn => "WARNING",
        State::Fail => "CRITICAL",
    };
    let data = report.checks().iter().filter_map(|check| {
        let measure = check.measure?;
        let unit = match measure.name.rsplit('_').next() {
            Some("bytes") => "B",
            Some("seconds") => "s",
            _ => "",
        };
        let about = check.about.iter().map(|about| format!("{}_", plain(about))).collect::<String>();
        // A label in quotes may hold anything but quotes and '='.
        let label = format!("{about}{}", measure.name).replace(['\'', '=', '|'], "_");
        Some(format!("'{label}'={}{unit}", measure.value))
    });
    let data: Vec<String> = data.collect();
    let tail = if data.is_empty() { String::new() } else { format!(" | {}", data.join(" ")) };
    let mut text = format!("EXPENSEWIRE {word} - {}{tail}\n", summary(report));
    for check in report.checks().iter().filter(|check| matches!(check.state, State::Warn | State::Fail)) {
        let line = format!("{} {}: {}", check.state.as_str(), name(check), plain(&check.what));
        // What follows a bar would be read as data.
        let _ = writeln!(text, "{}", line.replace('|', "/"));
    }
    text
}

fn prometheus(report: &Report, now: Timestamp) -> String {
    let mut text = String::new();
    let head = |text: &mut String, name: &str, help: &str| {
        let _ = writeln!(text, "# HELP expensewire_doctor_{name} {help}\n# TYPE expensewire_doctor_{name} gauge");
    };
    head(&mut text, "check_state", "1 for the state that a check is in, 0 for the others.");
    for check in report.checks() {
        for state in State::ALL {
            let is = u8::from(check.state == state);
            let _ =
                writeln!(text, "expensewire_doctor_check_state{{{},state=\"{}\"}} {is}", labels(check), state.as_str());
        }
    }
    for (measured, help) in MEASURES {
        let found: Vec<_> = report.checks().iter().filter_map(|check| Some((check, check.measure?))).collect();
        let found: Vec<_> = found.into_iter().filter(|(_, measure)| measure.name == *measured).collect();
        if !found.is_empty() {
            head(&mut text, measured, help);
        }
        for (check, measure) in found {
            let _ = writeln!(text, "expensewire_doctor_{measured}{{{}}} {}", labels(check), measure.value);
        }
    }
    head(&mut text, "last_run_timestamp_seconds", "When the checks were made.");
    let _ = writeln!(text, "expensewire_doctor_last_run_timestamp_seconds {}", now.as_second());
    text
}

/// The text format wants each series once: no check is made twice of the same thing.
fn labels(check: &Check) -> String {
    let about = check.about.as_deref().unwrap_or_default();
    let escaped = plain(about).replace('\\', "\\\\").replace('"', "\\\"");
    format!("check=\"{}\",about=\"{escaped}\"", check.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let mut report = Report::default();
        report.add(Check::ok("space", "9 GiB").about("/data").measure("free_bytes", 9e9));
        report.add(Check::warn("clock", "95 s ahead\u{1b}[2J").about("acme").why("dates").next("NTP"));
        report.add(Check::skipped("log", "left out"));
        report
    }

    #[test]
    fn people_are_told_what_why_and_what_next() {
        let told = text(&report(), false);
        assert!(told.starts_with("ok       space /data: 9 GiB\nwarn     clock acme: 95 s ahead"), "{told}");
        assert!(told.contains("\n         why: dates\n         next: NTP\n"), "{told}");
        assert!(
            told.ends_with("3 checks: 1 ok, 1 warnings, 0 failed, 1 skipped\n") && !told.contains('\u{1b}'),
            "{told}"
        );
        assert!(text(&report(), true).contains("\u{1b}[33mwarn"), "colour where it is wanted");
    }

    #[test]
    fn nagios_reads_its_first_line_and_its_exit_code() {
        let mut report = report();
        let told = nagios(&report);
        let first = told.lines().next().unwrap();
        assert!(
            first.starts_with("EXPENSEWIRE WARNING - 3 checks") && first.ends_with("| '/data_free_bytes'=9000000000B")
        );
        assert_eq!(exit(&report, DoctorForm::Nagios) as u8, 1);
        assert_eq!(exit(&report, DoctorForm::Text), Exit::Ok, "a warning is no failure");
        report.add(Check::fail("log", "damaged | at 7"));
        assert_eq!(exit(&report, DoctorForm::Nagios) as u8, 2);
        assert_eq!(exit(&report, DoctorForm::Prometheus), Exit::CheckFailed);
        assert!(nagios(&report).contains("\nfail log: damaged / at 7\n"));
    }

    #[test]
    fn prometheus_reads_each_state_and_each_number() {
        let told = prometheus(&report(), Timestamp::UNIX_EPOCH);
        assert!(
            told.contains("expensewire_doctor_check_state{check=\"clock\",about=\"acme\",state=\"warn\"} 1\n"),
            "{told}"
        );
        assert!(
            told.contains("expensewire_doctor_check_state{check=\"clock\",about=\"acme\",state=\"ok\"} 0\n"),
            "{told}"
        );
        assert!(told.contains("expensewire_doctor_free_bytes{check=\"space\",about=\"/data\"} 9000000000\n"), "{told}");
        assert!(told.ends_with("last_run_timestamp_seconds 0\n"), "{told}");
    }
}
