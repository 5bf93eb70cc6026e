//! The tenant together with its journal: every change goes through here and is written down once.
//!
//! The functions compare what reads would show before and after, so a change that changes nothing leaves no record, and
//! none can be made without one. Time is an argument. What the credential may not see, and what is hidden, changes and is
//! written down all the same: the journal is about the tenant, not about who looks.

pub(crate) mod access;
pub(crate) mod burst;
pub(crate) mod cards;
pub(crate) mod edit;
pub(crate) mod feeds;
pub(crate) mod graves;
pub(crate) mod hidden;
pub(crate) mod life;
pub(crate) mod policies;
pub(crate) mod reports;
pub(crate) mod trigger;

use jiff::Timestamp;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

use crate::access::DomainAccess;
use crate::config::Quiet;
use crate::journal::{Change, Journal, Record};
use crate::tenant::Tenant;
use graves::Graves;
use hidden::Hidden;

/// Mixed into the seed for chance outside the living tenant, so that calls from outside do not move what life chooses.
const OUTSIDE_STREAM: u64 = 0x6f75_7473_6964_6500;

/// Who makes a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Life,
    Control,
    Job,
}

impl By {
    fn word(self) -> &'static str {
        match self {
            Self::Life => "life",
            Self::Control => "control",
            Self::Job => "job",
        }
    }
}

/// When a change is made, and by whom.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// On this machine's clock, for the journal.
    pub(crate) at: Timestamp,
    /// On the server's clock, for everything that the server writes.
    pub(crate) server: Timestamp,
    /// On the clock that quiet times are measured by. Life passes its planned time here, not the time at which the task
    /// happened to run, so that what it leaves alone does not depend on scheduling.
    pub(crate) since_start: Duration,
    pub(crate) by: By,
}

/// Names an entity.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Entity {
    Report(u64),
    Policy(String),
    Card(u64),
    /// Of a bank, in the tenant's domain.
    Feed {
        domain: String,
        bank: String,
    },
    Domain(String),
}

impl Entity {
    fn name(&self) -> String {
        match self {
            Self::Report(number) => format!("report/{}", crate::tenant::ids::report_id(*number)),
            Self::Policy(id) => format!("policy/{id}"),
            Self::Card(id) => format!("card/{id}"),
            Self::Feed { domain, bank } => format!("feed/{domain}:{bank}"),
            Self::Domain(domain) => format!("domain/{domain}"),
        }
    }

    fn quiet(&self, quiet: &Quiet) -> Duration {
        match self {
            Self::Report(_) => quiet.reports,
            Self::Policy(_) => quiet.policies,
            Self::Card(_) | Self::Feed { .. } | Self::Domain(_) => quiet.cards,
        }
    }
}

/// The tenant, its journal, and when each entity last changed.
pub(crate) struct World {
    pub(crate) tenant: Tenant,
    pub(crate) journal: Journal,
    pub(crate) rng: StdRng,
    pub(crate) domain_access: DomainAccess,
    pub(crate) hidden: Hidden,
    /// When an export last read the tenant.
    pub(crate) newest_read: Option<Timestamp>,
    graves: Graves,
    quiet: Quiet,
    touched: HashMap<Entity, Duration>,
}

impl World {
    /// A world at rest.
    pub(crate) fn new(tenant: Tenant, seed: u64, quiet: Quiet) -> Self {
        Self {
            tenant,
            journal: Journal::default(),
            rng: StdRng::seed_from_u64(seed ^ OUTSIDE_STREAM),
            domain_access: DomainAccess::default(),
            hidden: Hidden::default(),
            newest_read: None,
            graves: Graves::default(),
            quiet,
            touched: HashMap::new(),
        }
    }

    /// Whether an entity changed so recently that life leaves it alone.
    pub(crate) fn is_quiet(&self, entity: &Entity, since_start: Duration) -> bool {
        self.touched.get(entity).is_some_and(|at| since_start.saturating_sub(*at) < entity.quiet(&self.quiet))
    }

    /// Writes a change down. `actor` is whose deed it is in the tenant; blank for nobody's.
    fn record(&mut self, entity: Entity, change: Change, actor: &str, detail: Value, moment: Moment) -> Record {
        let mut whole = json!({ "by": moment.by.word(), "actor": actor });
        if let (Some(out), Value::Object(detail)) = (whole.as_object_mut(), detail) {
            out.extend(detail);
        }
        let record = self.journal.append(moment.at, entity.name(), change, whole);
        if change == Change::Removed {
            self.touched.remove(&entity);
        } else {
            self.touched.insert(entity, moment.since_start);
        }
        record
    }
}
