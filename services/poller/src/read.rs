//! One read of one watch: from requests to a complete observation, or to the reason why it is none.

mod policies;

use std::collections::BTreeMap;

use event_model::{Report, ReportState};
use expensify_client::{ClientError, Completeness, ReportExport, ReportFilter};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use tracing::{info, warn};

use crate::{
    AccountConfig,
    account::Account,
    error::{ReadError, chain},
    observation::{Entity, Observation},
    watch::{CARDS_COST, REPORTS_COST, Watch},
};

/// The upstream refuses a span of dates beyond a year (reference section 2.1).
const MAX_SPAN_DAYS: i64 = 365;

pub(crate) async fn read(account: &Account, watch: &Watch) -> Result<Observation, ReadError> {
    match watch {
        Watch::Reports => reports(account).await,
        Watch::Policies => policies::policies(account).await,
        Watch::Cards(domain) => cards(account, domain).await,
    }
}

/// At first contact, asks the upstream's template engine about itself. What it answers is for the log alone: it explains an
/// export that cannot be read, and decides nothing.
/// But when the account itself is refused, nothing is gained by asking for more.
async fn examine(account: &Account) -> Result<(), ReadError> {
    let name = account.name();
    match account.client.doctor().await {
        Ok(engine) => {
            let (version, locale) = (&engine.engine, &engine.locale);
            let (failures, escaping) = (&engine.failures, &engine.escaping);
            info!(account = %name, version, locale, ?failures, ?escaping, "the upstream's template engine");
            for concern in &engine.concerns {
                warn!(account = %name, concern, "the upstream's template engine may garble exports");
            }
        }
        Err(error @ ClientError::GateClosed { .. }) => return Err(error.into()),
        Err(error) if matches!(error.code(), Some(403 | 404 | 429)) => return Err(error.into()),
        Err(error) => {
            warn!(account = %name, error = %chain(&error), "the upstream's template engine told nothing of itself")
        }
    }
    Ok(())
}

async fn reports(account: &Account) -> Result<Observation, ReadError> {
    if account.is_first_contact().await? {
        examine(account).await?;
    }
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let read = account.client.reports(&export(&account.config, today)).await?;
    for notice in &read.drift {
        info!(account = %account.name(), notice, "the export is not as expected");
    }
    if let Completeness::Incomplete(reason) = read.completeness {
        return Err(ReadError::Incomplete(reason));
    }
    let entity = |report: Report| (report.report_id.clone(), Entity::Report(Box::new(report)));
    let entities: BTreeMap<_, _> = read.reports.into_iter().map(|observed| entity(observed.report)).collect();
    Ok(Observation {
        started_at: read.started_at,
        observed_at: read.rendered_by,
        entities,
        // A report leaves the window, a policy's reach or our role without being deleted: its absence proves nothing.
        present: None,
        requests: REPORTS_COST,
    })
}

/// Every report that the upstream lets us see in one export. The upstream's zone is not known, so the window reaches a day
/// further to both sides, as far as the longest span allows.
fn export(config: &AccountConfig, today: Date) -> ReportExport {
    let end = today.saturating_add(1.day());
    let wanted = today.saturating_sub((i64::from(config.history_days) + 1).days());
    let start = wanted.max(end.saturating_sub(MAX_SPAN_DAYS.days()));
    ReportExport {
        filter: ReportFilter {
            policy_ids: config.policies.clone(),
            start_date: Some(start),
            end_date: Some(end),
            ..ReportFilter::default()
        },
        // Named one by one: what an absent filter means is the upstream's to change.
        states: vec![
            ReportState::Open,
            ReportState::Submitted,
            ReportState::Approved,
            ReportState::Reimbursed,
            ReportState::Archived,
        ],
        limit: None,
    }
}

async fn cards(account: &Account, domain: &str) -> Result<Observation, ReadError> {
    let started_at = Timestamp::now();
    let cards = account.client.domain_cards(domain).await?;
    let entities: BTreeMap<_, _> =
        cards.into_iter().map(|card| (card.card_id.clone(), Entity::Card(Box::new(card)))).collect();
    let present = Some(entities.keys().cloned().collect());
    Ok(Observation { started_at, observed_at: Timestamp::now(), entities, present, requests: CARDS_COST })
}

#[cfg(test)]
mod tests;
