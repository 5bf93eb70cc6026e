//! `replay` as a person watches it: on a pseudo-terminal, which `script` of util-linux makes.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Child, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::Instant,
};

use serde_json::{Value, json};

use crate::{
    DEADLINE,
    server::{self, Answer, Server},
    skip,
};

/// A replay of nine events of which so many are delivered.
fn replay(delivered: u64) -> Vec<u8> {
    let state = if delivered < 9 { "running" } else { "done" };
    let pending = u64::from(delivered < 9);
    let replay = json!({
        "id": "rpl_1", "state": state, "count": 9, "delivered": delivered, "failed": 0, "pending": pending,
    });
    server::json(&replay.to_string())
}

/// A program on a terminal of its own, what it shows there, and its standard output in a file.
struct OnTerminal {
    child: Child,
    shown: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    /// `None` where there is no `script` that has the options of util-linux.
    fn start(server: &Server, args: &str, out: &Path) -> Option<Self> {
        let version = Command::new("script").arg("--version").output().ok()?;
        if !String::from_utf8_lossy(&version.stdout).contains("util-linux") {
            return None;
        }
        let line = format!("exec \"$PROGRAM\" {args} -o json > \"$OUT\"");
        let mut child = Command::new("script")
            .args(["--quiet", "--return", "--command", &line, "/dev/null"])
            .env("PROGRAM", env!("CARGO_BIN_EXE_expensewire"))
            .env("OUT", out)
            .env("SHELL", "/bin/sh")
            .env("EXPENSEWIRE_SERVER", format!("http://{}", server.address))
            .env("EXPENSEWIRE_KEY", "ew_test_key")
            .env("NO_PROXY", "*")
            .env_remove("EXPENSEWIRE_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (show, shown) = mpsc::channel();
        let mut terminal = child.stdout.take().unwrap();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = terminal.read(&mut piece) {
                if show.send(piece[..length].to_vec()).is_err() {
                    return;
                }
            }
        });
        Some(Self { child, shown, seen: String::new() })
    }

    /// Waits until `text` was shown.
    fn wait_for(&mut self, text: &str) {
        let began = Instant::now();
        while !self.seen.contains(text) {
            let piece = self.shown.recv_timeout(DEADLINE.saturating_sub(began.elapsed()));
            let piece = piece.unwrap_or_else(|_| panic!("{text:?} was not shown: {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&piece));
        }
    }

    /// Presses keys.
    fn press(&mut self, keys: &[u8]) {
        let stdin = self.child.stdin.as_mut().unwrap();
        stdin.write_all(keys).unwrap();
        stdin.flush().unwrap();
    }

    /// The exit code, and everything that was shown.
    fn ended(mut self) -> (i32, String) {
        let code = self.child.wait().unwrap().code().unwrap_or(-1);
        let rest: Vec<u8> = self.shown.iter().flatten().collect();
        (code, self.seen + &String::from_utf8_lossy(&rest))
    }
}

const NO_TERMINAL: &str = "replay on a terminal: there is no `script` of util-linux";
const STARTED: &str = "replay --subscription sub_1 --from 0";

#[test]
fn progress_on_a_terminal_is_one_line_that_changes_and_no_part_of_the_output() {
    let answer: Answer = Box::new(|_, before| replay(before as u64 * 3));
    let (server, out) = (Server::start(answer), tempfile::NamedTempFile::new().unwrap());
    let Some(terminal) = OnTerminal::start(&server, STARTED, out.path()) else { return skip(NO_TERMINAL) };
    let (code, shown) = terminal.ended();
    assert_eq!(code, 0, "{shown:?}");
    let line = |delivered: u64, state: &str, waiting: u64| {
        format!("rpl_1 {state}: {delivered} of 9 delivered, {waiting} waiting, 0 given up")
    };
    let lines: Vec<&str> = shown.trim_end().split('\r').map(str::trim_end).filter(|line| !line.is_empty()).collect();
    assert_eq!(
        lines,
        [line(0, "running", 1), line(3, "running", 1), line(6, "running", 1), line(9, "done", 0)],
        "{shown:?}"
    );
    assert_eq!(shown.matches('\n').count(), 1, "one line, left standing at the end: {shown:?}");
    let printed: Value = serde_json::from_str(&fs::read_to_string(out.path()).unwrap()).unwrap();
    assert_eq!((&printed["state"], &printed["delivered"]), (&json!("done"), &json!(9)));
}

#[test]
fn ctrl_c_ends_the_watching_says_that_the_replay_goes_on_and_cancels_nothing() {
    // It never comes to its end.
    let answer: Answer = Box::new(|_, before| replay((before as u64).min(5)));
    let (server, out) = (Server::start(answer), tempfile::NamedTempFile::new().unwrap());
    let Some(mut terminal) = OnTerminal::start(&server, STARTED, out.path()) else { return skip(NO_TERMINAL) };
    terminal.wait_for("2 of 9 delivered");
    terminal.press(b"\x03");
    let (code, shown) = terminal.ended();
    assert_eq!(code, 130, "{shown:?}");
    let last = shown.lines().last().unwrap_or_default().trim_end();
    assert_eq!(
        last, "rpl_1 goes on without this command; `expensewire replay cancel sub_1 rpl_1` ends it",
        "{shown:?}"
    );
    // What was shown stands above it, and nothing is on standard output that a script might take for the end.
    let above: Vec<&str> = shown.lines().map(str::trim_end).collect();
    assert!(above.len() == 2 && above[0].contains("of 9 delivered"), "{shown:?}");
    assert_eq!(fs::read_to_string(out.path()).unwrap(), "");
    let asked = server.requests();
    assert!(asked[0].line.starts_with("POST /v1/subscriptions/sub_1/replay "), "{}", asked[0].line);
    assert!(asked[1..].iter().all(|request| request.line.starts_with("GET ")), "{asked:?}");
}
