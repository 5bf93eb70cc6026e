//! The newest events of a filter. The API reads the log forwards; a page shows it backwards, so the last pieces of the log
//! are read one by one, each larger than the one after it, until there is enough or a bound is met.

use super::Filter;
use crate::{
    api::Caller,
    config::EVENTS_SHOWN,
    failure::Failure,
    model::event::{Page, Row},
};

/// The pieces that are looked through, the last one first. Together what the API looks at for one page of its own.
const PIECES: [u64; 6] = [100, 400, 1500, 2000, 3000, 3000];

/// Pages of an entity's history that are read to come to its end.
const MAX_PAGES: usize = 10;

/// What was found, newest first.
pub(in crate::pages) struct Found {
    pub rows: Vec<Row>,
    /// The end of the log.
    pub last: u64,
    /// Where the next older page ends; none when there is nothing older.
    pub older: Option<u64>,
    /// The log was looked through down to here.
    pub searched_to: u64,
}

/// The newest events of `filter` before the sequence `before`, or of all.
pub(in crate::pages) async fn found(api: &Caller<'_>, filter: &Filter, before: Option<u64>) -> Result<Found, Failure> {
    let last = api.get::<Page>("/v1/events?limit=1").await?.last;
    let end = before.map_or(last, |before| before.saturating_sub(1)).min(last);
    let (mut rows, searched_to) = match filter.subject.as_str() {
        "" => backwards(api, filter, end).await?,
        // Of one entity the API goes by its history, however far that is spread.
        _ => (between(api, filter, 0, end).await?.rows, 0),
    };
    let more = rows.len() > EVENTS_SHOWN;
    rows.drain(..rows.len().saturating_sub(EVENTS_SHOWN));
    rows.reverse();
    let oldest = rows.last().map(|row| row.sequence).filter(|_| more);
    let older = oldest.or_else(|| (searched_to > 0).then_some(searched_to + 1));
    Ok(Found { rows, last, older, searched_to })
}

/// What is found going back from `end`, oldest first, and after which sequence nothing was left out; 0 for the beginning of
/// what there is.
async fn backwards(api: &Caller<'_>, filter: &Filter, end: u64) -> Result<(Vec<Row>, u64), Failure> {
    let (mut rows, mut to) = (Vec::new(), end);
    for piece in PIECES {
        if to == 0 || rows.len() > EVENTS_SHOWN {
            break;
        }
        let from = to.saturating_sub(piece);
        let mut found = between(api, filter, from, to).await?;
        found.rows.append(&mut rows);
        rows = found.rows;
        to = if found.is_all { 0 } else { from };
    }
    Ok((rows, to))
}

struct Piece {
    rows: Vec<Row>,
    /// Retention has cut what comes before.
    is_all: bool,
}

/// What is found after `from` up to `to`, oldest first.
async fn between(api: &Caller<'_>, filter: &Filter, from: u64, to: u64) -> Result<Piece, Failure> {
    let mut piece = Piece { rows: Vec::new(), is_all: from == 0 };
    let mut at = from;
    for _ in 0..MAX_PAGES {
        if at >= to {
            break;
        }
        let page = match api.get::<Page>(&filter.asked(at)).await {
            Ok(page) => page,
            Err(Failure::Problem(problem)) if problem.earliest.is_some_and(|earliest| earliest > at) => {
                piece.is_all = true;
                at = problem.earliest.unwrap_or(to);
                continue;
            }
            Err(failure) => return Err(failure),
        };
        piece.rows.extend(page.events.into_iter().filter(|row| row.sequence <= to));
        if page.next <= at {
            break;
        }
        at = page.next;
    }
    Ok(piece)
}
