//! What a service manager is told, on a real socket, by the real program.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "a panic of a helper is a failed test")]

use std::{
    fs,
    os::unix::net::UnixDatagram,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_expensewire");
/// For everything that must come, however busy the machine.
const DEADLINE: Duration = Duration::from_secs(60);
/// The manager's patience that the program is told.
const WATCHDOG: Duration = Duration::from_millis(600);

struct Managed {
    child: Child,
    socket: UnixDatagram,
    _directory: TempDir,
}

impl Managed {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("expensewire.toml");
        let data = directory.path().join("data");
        fs::write(&file, format!("[server]\nlisten = '127.0.0.1:0'\n[store]\npath = {data:?}\n")).unwrap();
        let path = directory.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        let child = Command::new(PROGRAM)
            .args(["serve", "--config"])
            .arg(file)
            .env("NOTIFY_SOCKET", path)
            .env("WATCHDOG_USEC", WATCHDOG.as_micros().to_string())
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, socket, _directory: directory }
    }

    /// The lines of the next message.
    fn told(&self) -> Vec<String> {
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).unwrap();
        String::from_utf8(bytes[..length].to_vec()).unwrap().lines().map(str::to_owned).collect()
    }

    /// Reads on to the message with `wanted`.
    fn told_of(&self, wanted: &str) -> Vec<String> {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let told = self.told();
            if told.iter().any(|line| line == wanted) {
                return told;
            }
            assert!(Instant::now() < deadline, "{wanted} was not told");
        }
    }

    fn signal(&self, which: &str) {
        assert!(Command::new("kill").args([which, &self.child.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Managed {
    fn drop(&mut self) {
        // It may have ended, as it should; else the test has failed already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn the_manager_is_told_when_it_is_ready_that_it_lives_and_when_it_stops() {
    let mut service = Managed::start();
    let ready = service.told_of("READY=1");
    let address = ready.iter().find_map(|line| line.strip_prefix("STATUS=serving on ")).unwrap();
    std::net::TcpStream::connect(address).unwrap();
    let (first, signs) = (Instant::now(), 6);
    for _ in 0..signs {
        service.told_of("WATCHDOG=1");
    }
    let each = first.elapsed() / signs;
    assert!(each < WATCHDOG, "a sign of life each {each:?}");
    service.signal("-TERM");
    service.told_of("STOPPING=1");
    assert_eq!(service.child.wait().unwrap().code(), Some(0));
}
