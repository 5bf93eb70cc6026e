//! Each receiver of the page "Receiving webhooks", taken out of it and run.

use std::{
    env, fs,
    io::{BufRead, BufReader},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use dispatcher::signature::{parse_secret, sign};
use jiff::Timestamp;
use reqwest::Client;

use super::{blocks, free_port, installed, page, skip};

const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHER_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const ID: &str = "evt_6xbov5pjraxgcsiektuhji63mu";
const BODY: &str = r#"{"id":"evt_6xbov5pjraxgcsiektuhji63mu","type":"report.approved","data":{"object":{"reportName":"Zoë’s \"lunch\" 🧾"}}}"#;
/// Until a receiver listens: a Go program is compiled first.
const START: Duration = Duration::from_secs(120);
/// Until what it prints is there.
const TOLD: Duration = Duration::from_secs(20);

/// The one program of the page in `language`.
fn snippet(language: &str) -> &'static str {
    let all = blocks(page("receiving"), language);
    assert_eq!(all.len(), 1, "{language}");
    all[0]
}

/// A receiver that runs, and what it prints.
struct Running {
    child: Child,
    url: String,
    lines: Receiver<String>,
    _folder: tempfile::TempDir,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Running {
    /// Runs the command that `of` makes for a folder with the program in the file `name`, and a port.
    fn start(name: &str, code: &str, of: impl FnOnce(&Path, u16) -> Command) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join(name), code).expect("a file");
        let port = free_port();
        let mut command = of(folder.path(), port);
        command.current_dir(folder.path()).env("WEBHOOK_SECRET", SECRET).env("PORT", port.to_string());
        command.env("TMPDIR", folder.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (sender, lines) = channel();
        let out = BufReader::new(child.stdout.take().expect("piped"));
        thread::spawn(move || out.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < START, "{name} does not listen");
            assert!(child.try_wait().expect("waiting").is_none(), "{name} ended");
            thread::sleep(Duration::from_millis(50));
        }
        Self { child, url: format!("http://127.0.0.1:{port}/"), lines, _folder: folder }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(TOLD).expect("a line")
    }

    /// The answer to a delivery of `body`, signed by `secret` over the true body `age_s` seconds ago.
    async fn given(&self, body: &str, secret: &str, age_s: i64) -> u16 {
        let at_s = Timestamp::now().as_second() - age_s;
        let signature = sign(&parse_secret(secret).expect("a secret"), ID, at_s, BODY.as_bytes());
        let client = Client::builder().no_proxy().build().expect("a client");
        let request = client.post(&self.url).body(body.to_owned()).header("content-type", "application/json");
        // As while a secret is rotated: one signature is of another secret.
        let signatures = format!("v1,AAAA {signature}");
        let headers =
            [("webhook-id", ID), ("webhook-timestamp", &at_s.to_string()), ("webhook-signature", &signatures)];
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.expect("an answer").status().as_u16()
    }

    /// Takes what is right, once; refuses everything else.
    fn holds(&self) {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            assert_eq!(self.given(BODY, SECRET, 0).await, 204);
            assert_eq!(self.line(), format!("event report.approved {ID}"));
            assert_eq!(self.given(BODY, SECRET, 10).await, 204, "a repeat is taken");
            let altered = BODY.replace("approved", "approveD");
            for (what, body, secret, age_s) in [
                ("another body", altered.as_str(), SECRET, 0),
                ("another secret", BODY, OTHER_SECRET, 0),
                ("ten minutes old", BODY, SECRET, 600),
                ("ten minutes ahead", BODY, SECRET, -600),
            ] {
                assert_eq!(self.given(body, secret, age_s).await, 401, "{what}");
                // The first line since: the repeat printed nothing.
                assert!(self.line().starts_with("refused"), "{what}");
            }
        });
    }
}

#[test]
fn the_receiver_in_python_takes_what_is_signed_once_and_refuses_the_rest() {
    let python = env::var("EXPENSEWIRE_INTEROP_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let has_library =
        Command::new(&python).args(["-c", "import standardwebhooks.webhooks"]).stderr(Stdio::null()).status();
    if !has_library.is_ok_and(|status| status.success()) {
        return skip("the receiver in Python: python3 or its library standardwebhooks is not installed");
    }
    Running::start("receiver.py", snippet("python"), |folder, _| {
        let mut command = Command::new(python);
        command.arg(folder.join("receiver.py"));
        command
    })
    .holds();
}

#[test]
fn the_receiver_in_node_takes_what_is_signed_once_and_refuses_the_rest() {
    let modules = env::var_os("EXPENSEWIRE_INTEROP_NODE_PATH").map(PathBuf::from);
    let node = || {
        let mut command = Command::new("node");
        command.envs(modules.iter().map(|path| ("NODE_PATH", path)));
        command
    };
    let has_library = node().args(["-e", "require('standardwebhooks')"]).stderr(Stdio::null()).status();
    if !has_library.is_ok_and(|status| status.success()) {
        return skip("the receiver in Node: node or its library standardwebhooks is not installed");
    }
    Running::start("receiver.cjs", snippet("javascript"), |folder, _| {
        let mut command = node();
        command.arg(folder.join("receiver.cjs"));
        command
    })
    .holds();
}

/// The one program of a page that is compiled with these tests: `src/bin/receiver.rs` is what the page shows.
#[test]
fn the_receiver_in_rust_takes_what_is_signed_once_and_refuses_the_rest() {
    let compiled = include_str!("../../src/bin/receiver.rs");
    let (head, code) = compiled.split_once("\n\n").expect("a head");
    assert!(head.starts_with("//! "));
    assert_eq!(code.trim_end(), snippet("rust"), "src/bin/receiver.rs is not what the page shows");
    Running::start("receiver.rs", "", |_, _| Command::new(env!("CARGO_BIN_EXE_receiver"))).holds();
}

#[test]
fn the_receiver_in_go_takes_what_is_signed_once_and_refuses_the_rest() {
    if installed("go").is_none() {
        return skip("the receiver in Go: go is not installed");
    }
    // Built first: a program under `go run` is not ended with it.
    let built = tempfile::tempdir().expect("a folder");
    let source = built.path().join("receiver.go");
    fs::write(&source, snippet("go")).expect("a file");
    let program = built.path().join("receiver");
    let mut build = Command::new("go");
    build.arg("build").arg("-o").arg(&program).arg(&source).current_dir(built.path());
    build.env("GOCACHE", built.path().join("cache")).env("GOFLAGS", "-mod=mod").env("GOPROXY", "off");
    let output = build.output().expect("go runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Running::start("receiver.go", "", |_, _| Command::new(program)).holds();
}

#[test]
fn the_receiver_in_php_takes_what_is_signed_once_and_refuses_the_rest() {
    if installed("php").is_none() {
        return skip("the receiver in PHP: php is not installed");
    }
    Running::start("receiver.php", snippet("php"), |folder, port| {
        let mut command = Command::new("php");
        // Its log of requests goes to standard error; what the program says to standard output.
        command.arg("-S").arg(format!("127.0.0.1:{port}")).arg(folder.join("receiver.php")).stderr(Stdio::null());
        command
    })
    .holds();
}
