//! One read of one watch: from requests to what it means for the log, or to the reason why it proved nothing.

mod examine;
mod policies;
mod reports;

use expensify_client::{ClientError, JobKind};
use jiff::{SignedDuration, Timestamp};

use crate::{
    error::ReadError,
    gate,
    scribe::{Asked, CardsSeen, Ingested, Watch},
    shift::Shift,
};

/// A read that showed its scope whole.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) ingested: Ingested,
    /// What its events carry.
    pub(crate) observed_at: Timestamp,
    pub(crate) requests: u32,
    /// Time that its requests took, without the waits for the budget.
    pub(crate) took: SignedDuration,
    pub(crate) bytes: u64,
}

/// Reads what was `asked`.
pub(crate) async fn read(shift: &Shift, watch: &Watch, asked: Asked) -> Result<Read, ReadError> {
    let started_at = Timestamp::now();
    let read = match asked {
        Asked::Reports(asked) => reports::reports(shift, asked).await,
        Asked::Policies => policies::policies(shift).await,
        Asked::PoliciesById(ids) => policies::confirm(shift, ids).await,
        Asked::Cards(domain) => cards(shift, domain).await,
    };
    if let Err(ReadError::Client(error)) = &read {
        note_failure(shift, watch, error, started_at).await?;
    }
    read
}

async fn cards(shift: &Shift, domain: String) -> Result<Read, ReadError> {
    let started_at = Timestamp::now();
    let cards = shift.account.client.domain_cards(&domain).await?;
    let observed_at = Timestamp::now();
    let seen = CardsSeen { domain, started_at, observed_at, cards };
    let ingested = shift.scribe().await.cards(seen).await?;
    Ok(Read { ingested, observed_at, requests: 1, took: gate::time_of_requests(), bytes: 0 })
}

/// A scope that is refused may be lost, an export that takes too long or weighs too much is too large.
async fn note_failure(
    shift: &Shift,
    watch: &Watch,
    error: &ClientError,
    started_at: Timestamp,
) -> Result<(), ReadError> {
    let now = Timestamp::now();
    match error {
        ClientError::TimedOut { .. } | ClientError::TooLarge { .. }
            if matches!(error.job(), JobKind::Export | JobKind::Download) =>
        {
            shift.scribe().await.timed_out(watch, now).await?;
        }
        // A file that is not found is not the scope.
        _ if error.job() != JobKind::Download && matches!(error.code(), Some(403 | 404)) => {
            shift.scribe().await.refused(watch, started_at, now).await?;
        }
        _ => {}
    }
    Ok(())
}
