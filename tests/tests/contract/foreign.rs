//! Programs that are not ours.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write},
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// What a script says by when its library is not there.
const NOT_THERE: i32 = 77;

pub fn python() -> Command {
    Command::new(env::var_os("EXPENSEWIRE_INTEROP_PYTHON").unwrap_or_else(|| "python3".into()))
}

pub fn node() -> Command {
    let mut node = Command::new("node");
    if let Some(path) = env::var_os("EXPENSEWIRE_INTEROP_NODE_PATH") {
        node.env("NODE_PATH", path);
    }
    node
}

/// A program that a Python package installs, beside the Python.
pub fn of_python(name: &str) -> Command {
    let python = env::var_os("EXPENSEWIRE_INTEROP_PYTHON").map(PathBuf::from);
    Command::new(python.and_then(|python| Some(python.parent()?.join(name))).unwrap_or_else(|| name.into()))
}

/// A program that a Node package installs.
pub fn of_node(name: &str) -> Command {
    let modules = env::var_os("EXPENSEWIRE_INTEROP_NODE_PATH").map(PathBuf::from);
    Command::new(modules.map_or_else(|| name.into(), |modules| modules.join(".bin").join(name)))
}

pub fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("interop").join(name)
}

/// What `program` says to `input`; `None`, and a SKIP, where it or its library is not there.
pub fn said(what: &str, program: &mut Command, input: &str) -> Option<Output> {
    let spawned = program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Ok(mut child) = spawned else {
        skip(&format!("{what}: there is no {}", name(program.get_program())));
        return None;
    };
    // One that is not there may not read to the end.
    let _ = child.stdin.take().expect("piped").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("its output");
    if output.status.code() == Some(NOT_THERE) {
        skip(&format!("{what}: the library is not installed"));
        return None;
    }
    Some(output)
}

/// The same of one that must succeed: its standard output.
pub fn said_well(what: &str, program: &mut Command, input: &str) -> Option<String> {
    let output = said(what, program, input)?;
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{what}: {out}{err}");
    Some(out.into_owned())
}

fn name(program: &OsStr) -> String {
    program.to_string_lossy().into_owned()
}

/// A line of the table.
pub fn line(who: &str, what: &str) {
    writeln!(io::stderr(), "interop  {who:<34} {what}").expect("standard error is open");
}

/// Says loudly, past the capture of the test runner, what was not tested; fails where nothing may be skipped.
pub fn skip(what: &str) {
    assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    writeln!(io::stderr(), "SKIP {what}").expect("standard error is open");
}
