//! The quick start, as a new user pastes it: every block of the page, in one shell, from its first line to its last.
//!
//! Two things are other than on the page, so that the test can run beside anything else: the program is the one that was
//! built for the test, so the block that builds is left out, and the ports are free ones.

use std::{
    fs,
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::{blocks, free_port, installed, page, skip};

const PROGRAM: &str = env!("CARGO_BIN_EXE_program");
/// What the page promises after the first build. A machine that is busy with other tests is slower than a person's.
const PROMISED: Duration = Duration::from_secs(5 * 60);

/// What the page builds: the first block, and nothing else in it.
const BUILD: &str = "cargo build --locked -p expensewire\nexport PATH=\"$PWD/target/debug:$PATH\"";

/// The page as one script.
fn script(home: &Path) -> String {
    let mut all = blocks(page("quick-start"), "sh");
    assert_eq!(all.remove(0), BUILD, "the block that builds");
    assert!(all.len() >= 6, "the blocks were not found");
    let mut text = format!("set -eu\nexport PATH='{}':\"$PATH\" TMPDIR='{}'\n", home.display(), home.display());
    text.push_str(&all.join("\n"));
    for port in ["8080", "9090", "9000"] {
        let free = free_port().to_string();
        assert!(text.contains(&format!("127.0.0.1:{port}")) || port == "9000", "{port}");
        text = text.replace(port, &free);
        if port == "8080" {
            text = format!("export EXPENSEWIRE_SERVER=http://127.0.0.1:{free}\n{text}");
        }
    }
    text
}

#[test]
fn each_command_of_the_quick_start_leads_to_verified_webhooks_in_ones_own_receiver() {
    for needed in ["python3", "bash"] {
        if installed(needed).is_none() {
            return skip(&format!("the quick start: {needed} is not installed"));
        }
    }
    let home = tempfile::tempdir().expect("a folder");
    std::os::unix::fs::symlink(PROGRAM, home.path().join("expensewire")).expect("a link");
    let (out, err) = (home.path().join("out"), home.path().join("err"));
    let file = |path: &Path| fs::File::create(path).expect("a file");
    let began = Instant::now();
    // In a group of its own, so that whatever goes wrong nothing of it is left running.
    let mut shell = Command::new("bash")
        .args(["-c", &script(home.path())])
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err))
        .env_remove("EXPENSEWIRE_LOG")
        .process_group(0)
        .spawn()
        .expect("a shell");
    let status = loop {
        if let Some(status) = shell.try_wait().expect("waiting") {
            break Some(status);
        }
        if began.elapsed() > PROMISED {
            break None;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    let group = format!("-{}", shell.id());
    let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
    let told = [&out, &err].map(|path| fs::read_to_string(path).expect("text"));
    let status = status.unwrap_or_else(|| panic!("not done within {PROMISED:?}: {told:?}"));
    assert!(status.success(), "{status}: {told:?}");
    assert_eq!(told[0].matches("verified evt_").count(), 3, "{told:?}");
    assert!(told[0].contains("\"evt_test"), "the sample was not sent: {told:?}");
    assert!(told[0].contains(" 0 failed"), "the doctor finds nothing wrong: {told:?}");
}

#[test]
fn the_receiver_of_the_quick_start_has_ten_lines_as_it_says() {
    let all = blocks(page("quick-start"), "sh");
    let block = all.iter().find(|block| block.starts_with("cat > receiver.py")).expect("the receiver");
    assert_eq!(block.lines().count() - 2, 10, "{block}");
    assert!(page("quick-start").contains("\nTen lines that check"));
}
