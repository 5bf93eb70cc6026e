//! What the handlers, the life task and the handle share.
//!
//! Each part has a lock of its own and no function holds two, so there is no order to keep. A lock that a panic left
//! behind is taken anyway: all parts are consistent between statements that cannot panic half way.

use jiff::Timestamp;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::access::AccessChange;
use crate::config::SimConfig;
use crate::error::ControlError;
use crate::exports::Exports;
use crate::faults::{FaultKind, FaultState, Faults};
use crate::files::Files;
use crate::journal::Record;
use crate::limits::Windows;
use crate::settings::Settings;
use crate::stats::Stats;
use crate::tenant::dates;
use crate::tenant::model;
use crate::tenant::seed::{self, Sizes};
use crate::tenant::{ids, report::Report};
use crate::world::burst::Burst;
use crate::world::trigger::Trigger;
use crate::world::{By, Moment, World};

/// The fastest life that makes sense to ask for: a change each millisecond.
const MAX_CHANGES_PER_MINUTE: f64 = 60_000.0;

/// The simulator's parts.
pub(crate) struct Sim {
    pub(crate) config: SimConfig,
    pub(crate) shutdown: CancellationToken,
    pub(crate) pace: watch::Sender<f64>,
    pub(crate) started: Instant,
    world: Mutex<World>,
    windows: Mutex<Windows>,
    faults: Mutex<FaultState>,
    files: Mutex<Files>,
    exports: Mutex<Exports>,
    settings: Mutex<Settings>,
    stats: Mutex<Stats>,
}

/// A report in the control API's list.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ReportLine {
    /// The new spelling of its id.
    pub id: String,
    /// `OPEN`, `SUBMITTED`, `APPROVED`, `REIMBURSED` or `ARCHIVED`; or a strange status, as it was given.
    pub state: String,
}

impl Sim {
    /// Seeds the tenant.
    pub(crate) fn new(config: SimConfig, now: Timestamp, started: Instant) -> Result<Self, ControlError> {
        let pace = checked_pace(config.changes_per_minute)?;
        config.faults.check()?;
        config.settings.check()?;
        let sizes = Sizes {
            reports: config.reports,
            policies: config.policies,
            cards: config.cards,
            old_reports: config.old_reports,
            case_twins: config.case_twins,
        };
        let tenant = seed::tenant(config.seed, sizes, &config.domain, on_server(now, &config.settings));
        Ok(Self {
            world: Mutex::new(World::new(tenant, config.seed, config.quiet)),
            windows: Mutex::new(Windows::new(config.limits)),
            faults: Mutex::new(FaultState::new(config.faults.clone(), config.seed)),
            files: Mutex::new(Files::default()),
            exports: Mutex::new(Exports::default()),
            settings: Mutex::new(config.settings),
            stats: Mutex::new(Stats::default()),
            pace: watch::Sender::new(pace),
            shutdown: CancellationToken::new(),
            started,
            config,
        })
    }

    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        lock(&self.world)
    }

    pub(crate) fn windows(&self) -> MutexGuard<'_, Windows> {
        lock(&self.windows)
    }

    pub(crate) fn fault_state(&self) -> MutexGuard<'_, FaultState> {
        lock(&self.faults)
    }

    pub(crate) fn files(&self) -> MutexGuard<'_, Files> {
        lock(&self.files)
    }

    pub(crate) fn exports(&self) -> MutexGuard<'_, Exports> {
        lock(&self.exports)
    }

    /// The settings as they stand.
    pub(crate) fn settings(&self) -> Settings {
        *lock(&self.settings)
    }

    /// The running counters, to be counted up. For reading, [`Sim::snapshot`].
    pub(crate) fn counters(&self) -> MutexGuard<'_, Stats> {
        lock(&self.stats)
    }

    /// Whether a fault strikes now.
    pub(crate) fn strikes(&self, kind: FaultKind) -> bool {
        self.fault_state().strikes(kind)
    }

    /// Now, as a change made by `by` sees it.
    pub(crate) fn moment(&self, by: By) -> Moment {
        let at = Timestamp::now();
        Moment { at, server: self.server_clock(at), since_start: self.started.elapsed(), by }
    }

    /// This moment on the server's clock.
    pub(crate) fn server_clock(&self, at: Timestamp) -> Timestamp {
        on_server(at, &self.settings())
    }

    /// The counters with the sizes of everything.
    pub(crate) fn snapshot(&self) -> Stats {
        let mut stats = self.counters().clone();
        stats.files_kept = count(self.files().count());
        stats.faults_struck = self.fault_state().struck().into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        stats.changes_per_minute = *self.pace.borrow();
        let world = self.world();
        stats.last_change = world.journal.last();
        stats.policies = count(world.tenant.policies.len());
        stats.cards = count(world.tenant.cards.len());
        for report in world.tenant.reports.values() {
            *stats.reports.entry(report.state_word().to_owned()).or_default() += 1;
        }
        stats
    }

    pub(crate) fn trigger(&self, trigger: &Trigger) -> Result<Record, ControlError> {
        let moment = self.moment(By::Control);
        self.world().trigger(trigger, moment)
    }

    pub(crate) fn burst(&self, burst: &Burst) -> Result<Vec<Record>, ControlError> {
        let moment = self.moment(By::Control);
        self.world().burst(burst, moment)
    }

    pub(crate) fn change_access(&self, change: &AccessChange) -> Result<Record, ControlError> {
        let moment = self.moment(By::Control);
        self.world().change_access(change, moment)
    }

    pub(crate) fn set_settings(&self, settings: Settings) -> Result<(), ControlError> {
        settings.check()?;
        *lock(&self.settings) = settings;
        Ok(())
    }

    pub(crate) fn set_pace(&self, changes_per_minute: f64) -> Result<(), ControlError> {
        self.pace.send_replace(checked_pace(changes_per_minute)?);
        Ok(())
    }

    pub(crate) fn set_faults(&self, faults: Faults) -> Result<(), ControlError> {
        faults.check()?;
        self.fault_state().replace(faults);
        Ok(())
    }

    pub(crate) fn reports(&self) -> Vec<ReportLine> {
        let line = |report: &Arc<Report>| ReportLine { id: report.id(), state: report.state_word().to_owned() };
        self.world().tenant.reports.values().map(line).collect()
    }

    pub(crate) fn report(&self, id: &str) -> Option<serde_json::Value> {
        let number = ids::report_number(id)?;
        self.world().tenant.reports.get(&number).map(|report| model::report(report))
    }
}

fn on_server(at: Timestamp, settings: &Settings) -> Timestamp {
    dates::earlier(at, settings.clock_skew_s.saturating_neg())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn checked_pace(changes_per_minute: f64) -> Result<f64, ControlError> {
    if (0.0..=MAX_CHANGES_PER_MINUTE).contains(&changes_per_minute) {
        return Ok(changes_per_minute);
    }
    Err(ControlError::Invalid(format!("changes_per_minute must lie between 0 and {MAX_CHANGES_PER_MINUTE}")))
}
