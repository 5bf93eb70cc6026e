use super::*;
use crate::state::testing::{self, draft};

async fn feed(api: &Arc<Api>, query: &str) -> Feed {
    let caller = testing::admin(api).await;
    let uri: Uri = format!("/v1/events/stream?{query}").parse().expect("a uri");
    let mut params = Params::of(&uri, &EventQuery::NAMES);
    Feed {
        tail: api.deps.store.tail(),
        keys: api.keys.changes(),
        query: EventQuery::read(&mut params, caller.sight(api)),
        caller,
        after: Sequence::START,
        state_first: false,
        told: Sequence::START,
        greeted: true,
        beat_at: Instant::now() + HEARTBEAT,
        _place: Arc::clone(&api.streams).try_acquire_owned().expect("a place"),
        _counted: api.metrics.stream_opened(),
        api: Arc::clone(api),
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_beats_with_a_comment() {
    let (api, _directory) = testing::api();
    let mut feed = feed(&api, "").await;
    let begun = Instant::now();
    assert_eq!(feed.piece().await.expect("a piece"), &b": heartbeat\n\n"[..]);
    assert_eq!(feed.piece().await.expect("a piece"), &b": heartbeat\n\n"[..]);
    assert!(begun.elapsed() >= 2 * HEARTBEAT);
}

#[tokio::test(start_paused = true)]
async fn a_filtered_stream_tells_how_far_it_came() {
    let (api, _directory) = testing::api();
    let drafts = ["R1", "R2", "R3"].map(draft);
    api.deps.store.append(drafts.into()).await.expect("appended");
    let mut feed = feed(&api, "type=card.*").await;
    assert_eq!(feed.piece().await.expect("a piece"), &b": heartbeat\nid: 3\n\n"[..]);
    assert_eq!(feed.piece().await.expect("a piece"), &b": heartbeat\n\n"[..]);
}

#[tokio::test]
async fn a_stream_ends_when_the_service_stops() {
    let (api, _directory) = testing::api();
    let mut feed = feed(&api, "").await;
    let (ended, ()) = tokio::join!(feed.piece(), async { api.stop.cancel() });
    assert_eq!(ended, None);
}

#[tokio::test]
async fn a_stream_that_has_much_to_show_ends_as_well() {
    let (api, _directory) = testing::api();
    api.deps.store.append(vec![draft("R1")]).await.expect("appended");
    let mut feed = feed(&api, "").await;
    api.stop.cancel();
    assert_eq!(feed.piece().await, None);
}

#[tokio::test]
async fn a_stream_of_changes_ends_when_retention_is_forced_past_it_and_one_of_state_goes_on() {
    let (api, _directory) = testing::api();
    let store = &api.deps.store;
    store.append((0..300).map(|n| draft(&format!("R{n}"))).collect()).await.expect("appended");
    let (mut changes, mut state) = (feed(&api, "").await, feed(&api, "").await);
    (changes.after, state.after, state.state_first) = (Sequence(1), Sequence(1), true);
    let policy = event_store::Retention {
        before: Some(jiff::Timestamp::MAX),
        max_bytes: None,
        floor: store.last_sequence(),
        force: true,
    };
    let cut = store.retain(&policy).await.expect("cut");
    assert!(cut.horizon > Sequence(1), "{cut:?}");
    assert_eq!(changes.piece().await, None);
    assert!(state.piece().await.is_some());
}
