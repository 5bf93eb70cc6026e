//! What reads do not show although it is there: a server that answers without some of what it has.

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

use super::World;
use super::feeds::part;
use super::trigger::EntityKind;
use crate::error::ControlError;
use crate::tenant::ids;

/// What to hide. Of ids, count and share the first that is given counts; with none of them everything of the kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hide {
    /// Which kind.
    pub entity: EntityKind,
    /// These.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ids: Option<Vec<String>>,
    /// So many of those that show, by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// This share, 0 to 1, of those that show, by chance.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<f64>,
}

impl Hide {
    /// So many of a kind.
    pub fn count(entity: EntityKind, count: usize) -> Self {
        Self { entity, ids: None, count: Some(count), share: None }
    }

    /// Everything of a kind.
    pub fn all(entity: EntityKind) -> Self {
        Self { entity, ids: None, count: None, share: None }
    }
}

/// The hidden entities.
#[derive(Debug, Default)]
pub(crate) struct Hidden {
    pub(crate) reports: BTreeSet<u64>,
    pub(crate) policies: BTreeSet<String>,
    pub(crate) cards: BTreeSet<u64>,
}

impl Hidden {
    /// The names of what is hidden of a kind.
    pub(crate) fn names(&self, kind: EntityKind) -> Vec<String> {
        match kind {
            EntityKind::Report => self.reports.iter().map(|number| ids::report_id(*number)).collect(),
            EntityKind::Policy => self.policies.iter().cloned().collect(),
            EntityKind::Card => self.cards.iter().map(u64::to_string).collect(),
        }
    }
}

impl World {
    /// Hides entities from every read and gives the names of those that it hid now. No change of the tenant: nothing is
    /// written down. Life leaves them alone.
    ///
    /// # Errors
    /// When an id is given that is not there; nothing is hidden then.
    pub(crate) fn hide(&mut self, hide: &Hide) -> Result<Vec<String>, ControlError> {
        let mut rng = StdRng::from_rng(&mut self.rng);
        let (tenant, hidden) = (&self.tenant, &mut self.hidden);
        match hide.entity {
            EntityKind::Report => {
                let read = |id: &str| ids::report_number(id).filter(|number| tenant.reports.contains_key(number));
                let drawn = draw(&mut rng, hide, tenant.reports.keys(), &hidden.reports, read)?;
                hidden.reports.extend(&drawn);
                Ok(drawn.into_iter().map(ids::report_id).collect())
            }
            EntityKind::Policy => {
                let read = |id: &str| tenant.policies.contains_key(id).then(|| id.to_owned());
                let drawn = draw(&mut rng, hide, tenant.policies.keys(), &hidden.policies, read)?;
                hidden.policies.extend(drawn.iter().cloned());
                Ok(drawn)
            }
            EntityKind::Card => {
                let read = |id: &str| id.parse().ok().filter(|id| tenant.cards.contains_key(id));
                let drawn = draw(&mut rng, hide, tenant.cards.keys(), &hidden.cards, read)?;
                hidden.cards.extend(&drawn);
                Ok(drawn.iter().map(u64::to_string).collect())
            }
        }
    }

    /// Shows everything of a kind again, or of every kind, and says how many were hidden.
    pub(crate) fn show(&mut self, kind: Option<EntityKind>) -> usize {
        let wanted = |of: EntityKind| kind.is_none_or(|kind| kind == of);
        let mut shown = 0;
        if wanted(EntityKind::Report) {
            shown += std::mem::take(&mut self.hidden.reports).len();
        }
        if wanted(EntityKind::Policy) {
            shown += std::mem::take(&mut self.hidden.policies).len();
        }
        if wanted(EntityKind::Card) {
            shown += std::mem::take(&mut self.hidden.cards).len();
        }
        shown
    }
}

fn draw<'a, Id: Clone + Ord + 'a>(
    rng: &mut impl Rng,
    hide: &Hide,
    all: impl Iterator<Item = &'a Id>,
    hidden: &BTreeSet<Id>,
    read: impl Fn(&str) -> Option<Id>,
) -> Result<Vec<Id>, ControlError> {
    if let Some(named) = &hide.ids {
        let known = |id: &String| read(id).ok_or_else(|| ControlError::Missing(format!("entity {id}")));
        return named.iter().map(known).collect();
    }
    let shown: Vec<&Id> = all.filter(|id| !hidden.contains(id)).collect();
    let wanted = hide.count.or_else(|| hide.share.map(|share| part(shown.len(), share))).unwrap_or(shown.len());
    let mut drawn: Vec<Id> = shown.sample(rng, wanted.min(shown.len())).map(|id| (*id).clone()).collect();
    drawn.sort();
    Ok(drawn)
}
