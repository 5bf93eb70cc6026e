//! The pages of the documentation, run: the commands of the quick start in their order, and each receiver against
//! deliveries that it must take and others that it must refuse.

mod quick_start;
mod receivers;

use std::{
    env,
    io::{self, Write},
    net::TcpListener,
    path::{Path, PathBuf},
};

use expensewire::pages::PAGES;

/// The page of this name.
fn page(name: &str) -> &'static str {
    PAGES.iter().find(|(known, _)| *known == name).expect("a page").1
}

/// The blocks of code in `language`, in their order.
fn blocks<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
    let fence = format!("```{language}\n");
    page.split(fence.as_str()).skip(1).map(|rest| rest.split("\n```").next().expect("an end")).collect()
}

/// A port that nobody has at the moment.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port()
}

/// Where `program` is, if it is installed.
fn installed(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(program)).find(|file| is_file(file))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|told| told.is_file())
}

/// Says loudly, past the capture of the test runner, what was not tested; fails where nothing may be skipped.
fn skip(what: &str) {
    assert!(env::var_os("STRICT").is_none_or(|strict| strict != "1"), "STRICT=1, and skipped: {what}");
    writeln!(io::stderr(), "SKIP {what}").expect("standard error is open");
}
