//! The console in headless Chromium, driven by `tests/browser`: each page, each action, the keyboard, no script, a phone, the
//! dark, and what axe-core finds. Screenshots go to `target/browser`.
//!
//! It needs `node`, Chromium (`CHROMIUM` names it where it is not found) and `npm ci` in `tests/browser`; what is missing is
//! said in a line that begins with SKIP, and with `STRICT=1` fails the test.

use std::{
    env,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use tests::program::Running;

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
/// For what the demo must say, however busy the machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Names that Chromium goes by.
const BROWSERS: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "chrome"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("browser")
}

/// Says loudly, past the capture of the test runner, what was not tested; fails where nothing may be skipped.
fn skip(what: &str) {
    assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    writeln!(io::stderr(), "SKIP {what}").expect("standard error is open");
}

fn is_there(program: &str) -> bool {
    let asked = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn chromium() -> Option<String> {
    let named = env::var("CHROMIUM").ok();
    let known = BROWSERS.into_iter().map(str::to_owned);
    let found = named.into_iter().chain(known).find(|program| is_there(program))?;
    if found.contains('/') {
        return Some(found);
    }
    // playwright wants a path.
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(&found))
        .find(|path| path.exists())?
        .to_str()
        .map(str::to_owned)
}

/// The demo, and the environment that the pages are looked at with.
async fn staged() -> (Running, Vec<(&'static str, String)>) {
    let mut demo = Running::start(Path::new(PROGRAM), &["demo", "--listen", "127.0.0.1:0"]).expect("the demo starts");
    let word = |line: String| line.split_whitespace().last().expect("an address").to_owned();
    let base = word(demo.line_with("  service  ", LIMIT).await.expect("where the service is"));
    let control = word(demo.line_with("  simulator  ", LIMIT).await.expect("where the simulator is"));
    let look = demo.line_with("  look  ", LIMIT).await.expect("how to look");
    let key = look.split(['\'', ' ']).find(|word| word.starts_with("ew_")).expect("a key").to_owned();
    demo.line_with("have arrived", LIMIT).await.expect("the promised events");
    (demo, vec![("BASE", base), ("CONTROL", control), ("KEY", key)])
}

#[tokio::test]
async fn every_page_and_action_works_in_a_browser_and_for_everybody() {
    let Some(chromium) = chromium() else { return skip("the console in a browser: no Chromium") };
    if !is_there("node") {
        return skip("the console in a browser: no node");
    }
    if !folder().join("node_modules/playwright-core").exists() {
        return skip("the console in a browser: `npm ci` in tests/browser was not run");
    }
    let (_demo, environment) = staged().await;
    let target = env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../target"));
    let driven = tokio::task::spawn_blocking(move || {
        let mut node = Command::new("node");
        node.arg("run.mjs").current_dir(folder()).envs(environment).env("CHROMIUM", chromium);
        node.env("SHOTS", target.join("browser")).output().expect("node runs")
    });
    let output = driven.await.expect("no panic");
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    writeln!(io::stderr(), "{told}").expect("standard error is open");
    assert!(output.status.success(), "{told}\n{failed}");
}
