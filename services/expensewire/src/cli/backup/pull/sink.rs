//! Where a copy is written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

use event_model::Sequence;

use super::{
    super::ledger::{Entry, Header, Kind, Ledger, line},
    does_not_follow,
};
use crate::exit::{Exit, Failure};

/// A file in the making, or standard output.
pub(in crate::cli) struct Sink {
    pub kind: Kind,
    /// The position that its events follow.
    pub after: Sequence,
    pub ledger: Ledger,
    out: BufWriter<Box<dyn Write + Send>>,
    place: Option<Place>,
}

/// A file that gets its name when it is whole.
struct Place {
    part: PathBuf,
    name: PathBuf,
    file: File,
}

impl Sink {
    /// The file `name`, of which there may be a part already.
    pub fn file(name: &Path, kind: Kind, after: Sequence) -> Result<Self, Failure> {
        if name.exists() {
            return Err(Failure::new(Exit::Conflict, format!("{} is there already", name.display())));
        }
        let mut part = name.as_os_str().to_owned();
        part.push(".part");
        let part = PathBuf::from(part);
        let failed = |error| cannot(&part, &error);
        let file = OpenOptions::new().create(true).read(true).append(true).open(&part).map_err(failed)?;
        let (ledger, length) = resumed(&file, kind, after).map_err(|failure| failure.of(&part))?;
        file.set_len(length).map_err(failed)?;
        let out = file.try_clone().map_err(failed)?;
        let place = Place { part, name: name.to_owned(), file };
        Ok(Self { kind, after, ledger, out: BufWriter::new(Box::new(out)), place: Some(place) })
    }

    /// Standard output.
    pub fn stdout(after: Sequence) -> Self {
        let ledger = Ledger::after(after);
        Self { kind: Kind::Events, after, ledger, out: BufWriter::new(Box::new(io::stdout())), place: None }
    }

    pub fn header(&mut self, header: &Header) -> Result<(), Failure> {
        self.line(&serde_json::to_vec(header).map_err(io::Error::from)?)
    }

    /// Writes a line, if it follows.
    pub fn line(&mut self, text: &[u8]) -> Result<(), Failure> {
        self.ledger.take(text).map_err(does_not_follow)?;
        self.out.write_all(text)?;
        Ok(self.out.write_all(b"\n")?)
    }

    /// The log goes to `last` with this link: the lines do so too, though the last events may have been removed.
    pub fn stands_at(&mut self, last: Sequence, link: Option<String>) -> Result<(), Failure> {
        let here = self.ledger.link.map(|link| link.to_string());
        match link {
            Some(link) if last > self.ledger.at => {
                let jump = serde_json::json!({ "at": last, "link": link });
                self.line(&line("link", &jump).map_err(io::Error::from)?)
            }
            Some(link) if last == self.ledger.at && here.is_some_and(|here| here != link) => Err(Failure::new(
                Exit::CheckFailed,
                format!("the events up to {last} do not come to the link of the log"),
            )),
            _ => Ok(()),
        }
    }

    /// Writes the last line, makes everything durable and gives the file its name.
    pub fn finish(mut self, horizon: Sequence) -> Result<(), Failure> {
        let end = self.ledger.end(horizon).map_err(io::Error::from)?;
        self.line(&line("end", &end).map_err(io::Error::from)?)?;
        self.out.flush()?;
        if let Some(Place { part, name, file }) = self.place {
            let failed = |error| cannot(&part, &error);
            // Before the name: a name on disk without its bytes would pass for a backup after a power cut.
            file.sync_all().map_err(failed)?;
            fs::rename(&part, &name).map_err(failed)?;
            let folder = name.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
        }
        Ok(())
    }
}

/// Why a part cannot be gone on with.
enum Unfit {
    Read(io::Error),
    Other(String),
}

impl Unfit {
    fn of(self, part: &Path) -> Failure {
        match self {
            Self::Read(error) => cannot(part, &error),
            Self::Other(why) => {
                let what = format!("{} cannot be gone on with: {why}", part.display());
                Failure::new(Exit::Conflict, what).hint("remove it to begin anew")
            }
        }
    }
}

/// What the lines of a part come to, up to its first row, which is read anew, and how long they are.
fn resumed(file: &File, kind: Kind, after: Sequence) -> Result<(Ledger, u64), Unfit> {
    let mut reader = BufReader::new(file);
    let (mut ledger, mut length, mut text) = (Ledger::after(after), 0, Vec::new());
    loop {
        text.clear();
        let read = reader.read_until(b'\n', &mut text).map_err(Unfit::Read)?;
        // A line without an end was being written when it was cut short.
        let Some(line) = text.strip_suffix(b"\n") else { return Ok((ledger, length)) };
        let before = ledger.clone();
        match ledger.take(line) {
            Ok(Entry::Row(_) | Entry::End(_)) => return Ok((before, length)),
            Ok(Entry::Header(header)) if header.kind != kind || header.after != after => {
                return Err(Unfit::Other("it was begun by another command".to_owned()));
            }
            Ok(_) => length += read as u64,
            Err(error) => return Err(Unfit::Other(format!("{:#}", anyhow::Error::new(error)))),
        }
    }
}

fn cannot(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Unexpected, format!("cannot write {}: {error}", path.display()))
}
