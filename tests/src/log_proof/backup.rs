//! A backup as anybody can make it through the store's interface: a file of lines, gone on with where it was left.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use event_model::Sequence;
use event_store::EventStore;

use super::{
    child::{Said, say},
    story::{Story, parse_head},
};

const READ_EVENTS: usize = 200;

/// Backs the events up to `path`, and begins anew when that is done.
///
/// What retention takes while this reads are events that have a newer one of their entity, maybe at the very end of the log. So
/// a backup that has read anything below the horizon ends no earlier than the log ended then.
pub async fn again_and_again(store: EventStore, path: PathBuf) -> Result<()> {
    let part = path.with_extension("part");
    loop {
        say(Said::BackingUp)?;
        let (mut after, mut file) = go_on(&part)?;
        let mut up_to = store.last_sequence();
        while after < up_to {
            let events = store.read_after(after, READ_EVENTS).await?;
            if after < store.horizon() {
                up_to = store.last_sequence();
            }
            for event in events {
                file.write_all(&event.body)?;
                file.write_all(b"\n")?;
                after = event.head.sequence;
            }
        }
        file.sync_all()?;
        fs::rename(&part, &path)?;
        say(Said::BackedUp(after.0))?;
    }
}

/// Opens the file to go on after its last whole line.
fn go_on(part: &Path) -> Result<(Sequence, File)> {
    let mut file = File::options().create(true).read(true).append(true).open(part)?;
    let (mut whole, mut after) = (0, Sequence::START);
    let mut lines = BufReader::new(&mut file);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
        after = parse_head(&line).context("a line of the backup")?.sequence;
        whole += line.len() as u64;
        line.clear();
    }
    file.set_len(whole)?;
    Ok((after, file))
}

/// Every line of the backup at `path` is an event of `story` as it was told, and of every report its last is there.
pub fn check(path: &Path, story: &Story) -> Result<u64> {
    let (mut after, mut told, mut lines) = (0, 0, BufReader::new(File::open(path)?));
    let mut last_of = std::collections::HashMap::new();
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        let body = line.strip_suffix(b"\n").context("the last line is whole")?;
        let head = parse_head(body)?;
        let position = story.position(&head).context("an event of the story")?;
        ensure!(head.sequence.0 > after, "{} follows {after}", head.sequence);
        ensure!(story.body(position, head.sequence) == body, "{} is not as it was appended", head.sequence);
        (after, told) = (head.sequence.0, told.max(position + 1));
        last_of.insert(head.subject.id, position);
        line.clear();
    }
    ensure!(last_of.len() as u64 == story.reports(told), "reports are missing");
    ensure!(last_of.values().all(|n| story.is_last_of_its_report(*n, told)), "a report's last event is missing");
    Ok(told)
}
