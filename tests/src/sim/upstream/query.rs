//! What a read shows: the filters of the upstream (reference sections 2.1 and 3.8), row by row, each at its own moment.

use std::{collections::BTreeMap, rc::Rc};

use event_model::{Card as ShownCard, Report as ShownReport};
use jiff::civil::Date;

use super::{World, card, render, report::Report};
use crate::sim::clock::{Moment, day_of};

/// Which reports are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// The later of the days of creation and submission lies in here, both ends included.
    pub days: Option<(Date, Date)>,
    /// States by the upstream's words; none: all.
    pub states: Vec<String>,
    /// Policies; none: all.
    pub policies: Vec<String>,
    /// Ids; none: all.
    pub ids: Vec<String>,
}

/// A row of an export.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: String,
    /// The entry of the report's life that it shows.
    pub version: usize,
    /// When the report was so.
    pub moment: Moment,
    pub shown: Rc<ShownReport>,
    pub digest: [u8; 16],
}

/// Renderings that are good for another time.
#[derive(Default)]
pub struct Shelf(BTreeMap<String, (usize, render::Style, Rc<ShownReport>, [u8; 16])>);

impl World {
    /// The rows that `query` shows when it is rendered from `from` to `to`, in the order of their ids.
    pub fn rows(&mut self, query: &Query, from: Moment, to: Moment) -> Vec<Row> {
        let total = self.reports.len() as u64 + 1;
        let asked = self.reports.values().zip(1..).filter_map(|(report, place)| {
            let moment = from + (to - from) * place / total;
            (self.fits(query, report, moment) && self.sees(report, moment)).then(|| (report.id.clone(), moment))
        });
        let asked: Vec<(String, Moment)> = asked.collect();
        asked.into_iter().filter_map(|(id, moment)| self.row(&id, moment)).collect()
    }

    /// How many reports `query` shows at `moment`, and how many there are.
    pub fn count(&self, query: &Query, moment: Moment) -> (u64, u64) {
        let fits = self.reports.values().filter(|report| self.fits(query, report, moment));
        (fits.count() as u64, self.reports.len() as u64)
    }

    /// The row of the report `id` as of `moment`, whether or not it may be seen; `None` when there is no such report.
    pub fn row(&mut self, id: &str, moment: Moment) -> Option<Row> {
        let report = self.reports.get(id)?;
        let version = report.life.index_at(moment)?;
        let body = report.body_at(moment)?;
        let style = render::Style::of(self, report, body, moment);
        let kept = self.shelf.0.get(id).filter(|(kept, of, ..)| *kept == version && *of == style);
        let (shown, digest) = match kept {
            Some((_, _, shown, digest)) => (Rc::clone(shown), *digest),
            None => {
                let shown = Rc::new(render::report(self, report, body, moment, &style));
                let digest = digest_of(&shown);
                self.shelf.0.insert(id.to_owned(), (version, style, Rc::clone(&shown), digest));
                (shown, digest)
            }
        };
        Some(Row { id: id.to_owned(), version, moment, shown, digest })
    }

    fn fits(&self, query: &Query, report: &Report, moment: Moment) -> bool {
        let Some(body) = report.body_at(moment) else { return false };
        let day = day_of(report.created.max(body.submitted.unwrap_or(0)), self.zone_h);
        let policy = body.policy.as_ref();
        (query.ids.is_empty() || query.ids.contains(&report.id))
            && query.days.is_none_or(|(first, last)| first <= day && day <= last)
            && (query.states.is_empty() || query.states.iter().any(|state| state == body.stage.name()))
            && (query.policies.is_empty() || policy.is_some_and(|policy| query.policies.contains(policy)))
    }

    /// The cards of `domain` at `moment`.
    pub fn cards_at(&self, domain: &str, moment: Moment) -> Vec<ShownCard> {
        let of_domain = self.cards.values().filter(|card| card.domain == domain);
        of_domain.filter_map(|card| Some(card::show(self, card, card.body_at(moment)?, moment))).collect()
    }
}

/// Sixteen bytes that are equal only for rows that say the same.
fn digest_of(shown: &ShownReport) -> [u8; 16] {
    let bytes = serde_json::to_vec(shown).expect("a report has text keys and serialises");
    let mut digest = [0; 16];
    digest.copy_from_slice(&blake3::hash(&bytes).as_bytes()[..16]);
    digest
}
