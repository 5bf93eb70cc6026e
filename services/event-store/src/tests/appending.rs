//! What an append puts into the log, against a model.

use std::collections::HashMap;

use event_model::{EventDraft, EventId, Revision, Sequence};
use proptest::prelude::*;
use serde_json::json;

use super::support::{Place, account, all, assert_whole, draft, drafts, on_each_engine, subject};
use crate::{
    EventStore, Link, MAX_APPEND_EVENTS, StoreError,
    arrange::{packer, put_in_place},
    block::Block,
    layout,
};

on_each_engine!(
    an_event_comes_back_as_the_bytes_that_were_built_when_it_was_appended,
    a_draft_that_does_not_continue_its_entity_refuses_the_whole_append,
    what_would_not_read_back_is_refused_before_it_enters_the_log,
    sequences_go_on_after_a_log_that_was_emptied,
    appends_from_many_tasks_are_each_whole_and_together_dense,
    of_many_appends_that_continue_an_entity_at_once_one_is_taken,
);

async fn an_event_comes_back_as_the_bytes_that_were_built_when_it_was_appended(place: Place) {
    let store = place.open();
    let appended = store.append(drafts("R", 3)).await.expect("appended");
    assert_eq!(appended[2].body, serde_json::to_vec(&drafts("R", 3).remove(2).at(Sequence(3))).expect("json"));
    assert_eq!(all(&store).await, appended);
    assert_eq!(store.event(Sequence(2)).await.expect("readable").as_ref(), Some(&appended[1]));
    let id = EventId::derive(&account(), &subject("R0"), Revision(1), appended[0].head.event_type);
    assert_eq!(appended[0].head.id, id);
    drop(store);
    assert_eq!(all(&place.open()).await, appended, "after opening again");
}

async fn a_draft_that_does_not_continue_its_entity_refuses_the_whole_append(place: Place) {
    let store = place.open();
    store.append(vec![draft("R", 1, json!({})), draft("R", 2, json!({}))]).await.expect("appended");
    let good = draft("other", 1, json!({}));
    for (revision, expected) in [(2, 3), (4, 3), (0, 3)] {
        match store.append(vec![good.clone(), draft("R", revision, json!({}))]).await {
            Err(StoreError::RevisionConflict { subject: s, expected: e, found }) => {
                assert_eq!((s, e, found), (subject("R"), Revision(expected), Revision(revision)));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(store.last_sequence(), Sequence(2));
    assert_eq!(store.entity(&account(), &subject("other")).await.expect("readable"), None);
    store.append(vec![draft("R", 3, json!({}))]).await.expect("the right one is taken");
    assert_whole(&store).await;
}

async fn what_would_not_read_back_is_refused_before_it_enters_the_log(place: Place) {
    let store = place.open();
    let unfit = store.append(vec![draft("R", 1, json!({"policyID": 7}))]).await;
    assert!(matches!(unfit, Err(StoreError::Json { .. })), "{unfit:?}");
    let long = "x".repeat(layout::MAX_KEY_BYTES);
    let long = store.append(vec![draft(&long, 1, json!({}))]).await;
    assert!(matches!(long, Err(StoreError::TooLarge { .. })), "{long:?}");
    let many = store.append(vec![draft("R", 1, json!({})); MAX_APPEND_EVENTS + 1]).await;
    assert!(matches!(many, Err(StoreError::TooLarge { .. })), "{many:?}");
    let huge = json!({"note": "x".repeat(layout::MAX_RECORD_BYTES)});
    let huge = store.append(vec![draft("R", 1, huge)]).await;
    assert!(matches!(huge, Err(StoreError::TooLarge { .. })), "{huge:?}");
    assert_eq!(store.last_sequence(), Sequence::START);
    assert_eq!(store.append(Vec::new()).await.expect("nothing to do"), []);
}

async fn sequences_go_on_after_a_log_that_was_emptied(place: Place) {
    let store = place.open();
    store.append(drafts("R", 5)).await.expect("appended");
    empty(&store);
    store.close().await.expect("closed");
    drop(store);
    let store = place.open();
    assert_eq!(store.last_sequence(), Sequence(5));
    assert_eq!(store.read_after(Sequence::START, 10).await.expect("readable"), []);
    assert_eq!(store.event(Sequence(5)).await.expect("readable"), None);
    let next = store.append(vec![draft("R0", 2, json!({}))]).await.expect("the revision goes on too");
    assert_eq!(next[0].head.sequence, Sequence(6));
    assert_eq!(store.read_after(Sequence::START, 10).await.expect("readable"), next);
}

/// Removes every event and moves the horizon to the end.
fn empty(store: &EventStore) {
    let log = &store.trees().log;
    let last = store.last_sequence();
    let header = log.block_of(last).expect("readable").header;
    let mut nothing = Block::after(Sequence::START, Link::START, 0, true);
    nothing.cover(&header);
    log.set_horizon(last).expect("written");
    put_in_place(log, &nothing, &[last], &mut packer().expect("zstd")).expect("written");
}

async fn appends_from_many_tasks_are_each_whole_and_together_dense(place: Place) {
    let store = place.open();
    let tasks: Vec<_> = (0..16)
        .map(|task| {
            let store = store.clone();
            tokio::spawn(async move {
                for batch in 0..8 {
                    let drafts = drafts(&format!("{task}-{batch}-"), 1 + batch);
                    let events = store.append(drafts).await.expect("appended");
                    let (first, last) = (events[0].head.sequence.0, events[batch].head.sequence.0);
                    assert_eq!(last - first, batch as u64, "one append lies together");
                    assert!(store.last_sequence().0 >= last, "what was acknowledged can be read");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("the task");
    }
    assert_eq!(assert_whole(&store).await.len(), 16 * 36);
}

async fn of_many_appends_that_continue_an_entity_at_once_one_is_taken(place: Place) {
    let store = place.open();
    for revision in 1..=10 {
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                tokio::spawn({
                    let store = store.clone();
                    async move { store.append(vec![draft("R", revision, json!({}))]).await.is_ok() }
                })
            })
            .collect();
        let mut taken = 0;
        for task in tasks {
            taken += usize::from(task.await.expect("the task"));
        }
        assert_eq!(taken, 1);
    }
    assert_eq!(store.last_sequence(), Sequence(10));
}

#[derive(Clone, Debug)]
enum Step {
    /// Entities by number; each draft is off its right revision by the second.
    Append(Vec<(u8, u8)>),
    Reopen,
    CloseAndReopen,
}

fn step() -> impl Strategy<Value = Step> {
    let off = prop_oneof![9 => Just(0_u8), 1 => 1..3_u8];
    prop_oneof![
        6 => prop::collection::vec((0..4_u8, off), 0..6).prop_map(Step::Append),
        1 => Just(Step::Reopen),
        1 => Just(Step::CloseAndReopen),
    ]
}

/// What the log must hold: a body per event, a revision per entity.
#[derive(Default)]
struct Model {
    bodies: Vec<Vec<u8>>,
    revisions: HashMap<u8, u64>,
}

impl Model {
    /// The drafts of a step, and whether they are all right.
    fn drafts(&self, entities: &[(u8, u8)]) -> (Vec<EventDraft>, bool) {
        let mut revisions = self.revisions.clone();
        let one = |&(entity, off): &(u8, u8)| {
            let revision = revisions.entry(entity).or_default();
            *revision += 1;
            draft(&format!("R{entity}"), *revision + u64::from(off), json!({"off": off}))
        };
        (entities.iter().map(one).collect(), entities.iter().all(|(_, off)| *off == 0))
    }

    fn append(&mut self, drafts: Vec<EventDraft>, entities: &[(u8, u8)]) {
        for (draft, (entity, _)) in drafts.into_iter().zip(entities) {
            self.revisions.insert(*entity, draft.revision.0);
            let sequence = Sequence(self.bodies.len() as u64 + 1);
            self.bodies.push(serde_json::to_vec(&draft.at(sequence)).expect("json"));
        }
    }
}

async fn run(place: Place, steps: Vec<Step>) {
    let mut model = Model::default();
    let mut store = place.open();
    for step in steps {
        match step {
            Step::Append(entities) => {
                let (drafts, right) = model.drafts(&entities);
                assert_eq!(store.append(drafts.clone()).await.is_ok(), right);
                if right {
                    model.append(drafts, &entities);
                }
            }
            Step::Reopen | Step::CloseAndReopen => {
                if matches!(step, Step::CloseAndReopen) {
                    store.close().await.expect("closed");
                }
                drop(store);
                store = place.open();
            }
        }
        let bodies: Vec<_> = assert_whole(&store).await.into_iter().map(|e| e.body.to_vec()).collect();
        assert_eq!(bodies, model.bodies);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_appends_and_reopenings_leave_what_the_model_says(steps in prop::collection::vec(step(), 1..14)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("runtime");
        runtime.block_on(run(Place::memory(), steps.clone()));
        runtime.block_on(run(Place::sled(), steps));
    }
}
