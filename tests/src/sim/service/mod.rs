//! One process of the service: the real engine, scribe and store in a shell of the simulation's own, which stands where the
//! poller's and the dispatcher's shells stand and does their writes in their order.

pub mod courier;
pub mod flight;
pub mod gate;

use std::collections::{BTreeMap, BTreeSet};

use change_engine::plan::{self, Ended, Plan};
use event_model::{AccountName, EventFilter};
use event_store::{EventStore, MemoryDisk, StoreError};
use jiff::{SignedDuration, Timestamp};
use poller::{Scribe, ScribeConfig, Wanted, Watch};

use self::{
    courier::{Courier, Post},
    flight::Flight,
    gate::Gate,
};
use super::{reference::rest::HISTORY_DAYS, upstream::DOMAINS};

/// The account's name.
pub fn account() -> AccountName {
    "acme".parse().expect("an account's name")
}

/// A process.
pub struct Service {
    pub store: EventStore,
    pub scribe: Scribe,
    pub gate: Gate,
    pub courier: Courier,
    pub plan: Plan<String>,
    pub watches: BTreeMap<String, Watch>,
    /// Reads under way.
    pub flights: BTreeMap<u64, Flight>,
    /// Deliveries under way.
    pub posts: BTreeMap<u64, Post>,
    /// Names of everything that is under way, by a count.
    next: u64,
}

impl Service {
    /// Starts on what the last process left on `disk`.
    pub async fn start(disk: &MemoryDisk, filter: EventFilter, now: Timestamp) -> Result<Self, StoreError> {
        let store = EventStore::open_memory(disk)?;
        let config = ScribeConfig {
            account: account(),
            domains: DOMAINS.map(str::to_owned).to_vec(),
            policies: Vec::new(),
            history_days: HISTORY_DAYS,
        };
        let scribe = Scribe::open(&store, config).await?;
        let gate = Gate::open(&store, now).await?;
        let courier = Courier::open(&store, filter).await?;
        let plan = Plan::new(plan::pace(gate.limits()));
        Ok(Self {
            store,
            scribe,
            gate,
            courier,
            plan,
            watches: BTreeMap::new(),
            flights: BTreeMap::new(),
            posts: BTreeMap::new(),
            next: 0,
        })
    }

    /// A new name for something under way.
    pub fn fresh(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Brings the plan to what the scribe wants watched now.
    pub fn plan_anew(&mut self, now: Timestamp) {
        let wanted = self.scribe.wanted(now);
        let names: BTreeSet<String> = wanted.iter().map(|wanted| wanted.watch.name()).collect();
        let stays = |name: &String, watch: &Watch| names.contains(name) || matches!(watch, Watch::Report(_));
        let gone = self.watches.iter().filter(|(name, watch)| !stays(name, watch)).map(|(name, _)| name.clone());
        for name in gone.collect::<Vec<_>>() {
            self.plan.remove(&name);
            if !self.is_read(&name) {
                self.watches.remove(&name);
            }
        }
        wanted.into_iter().for_each(|wanted| self.put(wanted));
        self.plan.set_pace(plan::pace(self.gate.limits()));
    }

    fn put(&mut self, Wanted { watch, spec, once }: Wanted) {
        let (name, cost) = (watch.name(), spec.cost);
        let is_once = is_once(&watch);
        // Asked for again while it is read: what that read leaves is asked for when it has ended.
        let due = once.filter(|_| !is_once || !self.is_read(&name));
        if !is_once {
            self.plan.put(name.clone(), spec);
        }
        if let Some(due) = due {
            self.plan.hurry(name.clone(), cost, due);
        }
        self.watches.insert(name, watch);
    }

    fn is_read(&self, key: &str) -> bool {
        self.flights.values().any(|flight| flight.key == key)
    }

    /// Somebody asks for one report, now.
    pub fn refresh(&mut self, report: &str, now: Timestamp) {
        let watch = Watch::Report(report.to_owned());
        self.plan.hurry(watch.name(), 2, now);
        self.watches.insert(watch.name(), watch);
    }

    /// The read of `key` is over.
    pub fn ended(&mut self, key: &String, ended: Ended, now: Timestamp, chance: f64) {
        self.plan.ended(key, ended, now, chance);
        if let (Some(rate), Some(watch)) = (self.plan.rate(key).cloned(), self.watches.get(key)) {
            self.scribe.learned(watch, rate);
        }
        if !self.plan.contains(key) {
            self.watches.remove(key);
        }
    }

    /// The server's clock minus ours, as its answers tell.
    pub fn set_clock_offset_ms(&mut self, offset_ms: i64) {
        self.scribe.set_clock_offset(SignedDuration::from_millis(offset_ms));
    }
}

/// Whether it is read once, when there is cause.
fn is_once(watch: &Watch) -> bool {
    matches!(watch, Watch::FollowUp | Watch::PolicyConfirmation | Watch::Report(_))
}
