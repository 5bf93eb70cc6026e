use proptest::prelude::*;

use super::*;

const NOW: &str = "2026-04-02T12:00:00Z";
const STATES: [&str; 6] = ["OPEN", "SUBMITTED", "APPROVED", "REIMBURSED", "ARCHIVED", "ESCALATED"];

fn date(text: &str) -> Option<UpstreamDate> {
    UpstreamDate::parse_blank(text).expect(text)
}

/// `APPROVED 09:00:00 lee` of the day of the tests; a date may stand for the time, the actor may be missing.
fn entry(text: &str) -> HistoryEntry {
    let mut words = text.split(' ');
    let action = words.next().expect("an action").to_owned();
    let at = words.next().expect("a time");
    let at = if at.contains(':') { format!("2026-04-02 {at}") } else { at.to_owned() };
    HistoryEntry { at: date(&at), action, actor: words.next().map(str::to_owned) }
}

fn entries(texts: &[&str]) -> Vec<HistoryEntry> {
    texts.iter().map(|text| entry(text)).collect()
}

fn life(state: &str, history: &[&str]) -> Life {
    let state = ReportState::from_upstream(state);
    Life { state, history: Some(entries(history)), behind: false, dates: Dates::default() }
}

fn approved_at(time: &str, life: Life) -> Life {
    Life { dates: Dates { approved: date(&format!("2026-04-02 {time}")), ..life.dates }, ..life }
}

fn window() -> Window {
    Window {
        not_before: Some("2026-04-02T08:00:00Z".parse().expect("a time")),
        told_until: Some("2026-04-02T08:00:00Z".parse().expect("a time")),
        observed_at: NOW.parse().expect("a time"),
    }
}

/// `approved@09:00:00` as the history tells it, `approved*` when inferred, `approved` when seen.
fn told(past: &Life, now: &Life) -> String {
    let story = story(past, now, window());
    check(past, now, &story);
    let one = |told: &Told| {
        let name = told.step.event_type.as_str().trim_start_matches("report.");
        let at = told.entry.as_ref().and_then(|entry| entry.at).map(|at| at.to_string());
        let time = at.map(|at| format!("@{}", at.trim_start_matches("2026-04-02 "))).unwrap_or_default();
        format!("{name}{time}{}", if told.inferred { "*" } else { "" })
    };
    story.iter().map(one).collect::<Vec<_>>().join(" ")
}

/// What holds of every story: each step can be taken where the report stands, and the last ends in what is seen.
fn check(past: &Life, now: &Life, story: &[Told]) {
    let mut state = past.state.clone();
    for told in story {
        assert!(may_follow(&state, told.step.event_type), "{:?} at {state:?} in {story:?}", told.step.event_type);
        state = told.step.state.clone();
    }
    if !matches!(now.state, ReportState::Other(_)) || !story.is_empty() {
        assert_eq!(state, now.state, "{story:?}");
    }
    assert!(story.last().is_none_or(|last| !last.inferred), "{story:?}");
}

fn may_follow(state: &ReportState, step: EventType) -> bool {
    use ReportState::{Approved, Archived, Open, Other, Reimbursed, Submitted};
    match (state, step) {
        (Other(_), _) => true,
        (_, EventType::ReportArchived) => *state != Archived,
        (_, EventType::ReportSubmitted) => *state == Open,
        (_, EventType::ReportApproved) => *state == Submitted,
        (_, EventType::ReportReimbursed) => *state == Approved,
        (_, EventType::ReportUnapproved) => *state == Approved,
        (_, EventType::ReportReimbursementReverted) => *state == Reimbursed,
        (_, EventType::ReportReopened) => matches!(state, Submitted | Archived),
        _ => false,
    }
}

#[test]
fn what_was_approved_unapproved_and_approved_again_is_told_three_times() {
    let history =
        ["SUBMITTED 07:00:00 sam", "APPROVED 09:00:00 lee", "UNAPPROVED 09:10:00 kim", "APPROVED 09:20:00 ann"];
    let past = life("SUBMITTED", &history[..1]);
    let now = approved_at("09:20:00", life("APPROVED", &history));
    assert_eq!(told(&past, &now), "approved@09:00:00 unapproved@09:10:00 approved@09:20:00");
    let actors: Vec<_> =
        story(&past, &now, window()).into_iter().map(|told| told.entry.and_then(|e| e.actor)).collect();
    assert_eq!(actors, [Some("lee".into()), Some("kim".into()), Some("ann".into())]);

    let past = approved_at("09:00:00", life("APPROVED", &history[..2]));
    assert_eq!(told(&past, &now), "unapproved@09:10:00 approved@09:20:00", "the state is the same before and after");
    assert_eq!(told(&now, &now), "");
}

#[test]
fn every_pair_of_states_has_its_story_with_no_history_one_that_fits_and_one_that_contradicts() {
    for from in STATES {
        for to in STATES {
            let (past, now) = (life(from, &[]), life(to, &[]));
            let past = Life { history: Some(past_of(from)), ..past };
            let plain = told(&past, &now);
            let way = steps(&past.state, &now.state, Evidence::default());
            assert_eq!(names(&plain), way.iter().map(|step| step.event_type).collect::<Vec<_>>(), "{from} to {to}");

            let fitting =
                with_news(&past, &now, &way.iter().map(|step| action_of(step.event_type)).collect::<Vec<_>>());
            assert_eq!(names(&told(&past, &fitting)), names(&plain), "{from} to {to}");
            let all_told = story(&past, &fitting, window()).iter().all(|told| told.entry.is_some() && !told.inferred);
            assert!(all_told, "{from} to {to}");

            let against = with_news(&past, &now, &["CLOSED", "APPROVED", "ADDCOMMENT"]);
            assert_eq!(names(&told(&past, &against)), names(&plain), "{from} to {to}, contradicted");
            let inferred =
                |life: &Life| story(&past, life, window()).iter().map(|told| told.inferred).collect::<Vec<_>>();
            assert_eq!(inferred(&against), inferred(&now), "{from} to {to}, contradicted");
        }
    }
}

/// A history that ends in `state`.
fn past_of(state: &str) -> Vec<HistoryEntry> {
    let actions = ["", "SUBMITTED", "APPROVED", "REIMBURSED", "CLOSED", ""];
    let place = STATES.iter().position(|s| *s == state).expect("a state");
    if actions[place].is_empty() { Vec::new() } else { entries(&[&format!("{} 07:00:00", actions[place])]) }
}

fn with_news(past: &Life, now: &Life, actions: &[&str]) -> Life {
    let news = actions.iter().enumerate().map(|(n, action)| entry(&format!("{action} 09:00:{n:02} lee")));
    Life { history: Some(past.history.iter().flatten().cloned().chain(news).collect()), ..now.clone() }
}

fn names(told: &str) -> Vec<EventType> {
    let name = |word: &str| format!("report.{}", word.split(['@', '*']).next().unwrap_or_default());
    told.split_whitespace().map(|word| name(word).parse().expect("an event type")).collect()
}

fn action_of(event_type: EventType) -> &'static str {
    match event_type {
        EventType::ReportSubmitted => "SUBMITTED",
        EventType::ReportApproved => "Approved",
        EventType::ReportReimbursed => "REIMBURSEMENTQUEUED",
        EventType::ReportArchived => "CLOSED",
        EventType::ReportUnapproved => "UNAPPROVED",
        EventType::ReportReimbursementReverted => "REIMBURSEMENTACHBOUNCE",
        _ => "RETRACTED",
    }
}

#[test]
fn what_no_entry_tells_is_inferred_along_the_way() {
    let past = life("OPEN", &[]);
    let now = life("REIMBURSED", &["APPROVED 09:00:00"]);
    assert_eq!(told(&past, &now), "submitted* approved@09:00:00 reimbursed");
    let now = life("APPROVED", &["REIMBURSEMENTACHBOUNCE 09:00:00"]);
    assert_eq!(told(&past, &now), "submitted* approved* reimbursed* reimbursement_reverted@09:00:00");
    let past = life("REIMBURSED", &["REIMBURSED 07:00:00"]);
    let now = life("SUBMITTED", &["REIMBURSED 07:00:00", "REJECTED 09:00:00", "SUBMITTED 09:30:00"]);
    assert_eq!(
        told(&past, &now),
        "reimbursement_reverted* unapproved* reopened@09:00:00 submitted@09:30:00",
        "a step back says that the report stood further on"
    );
}

#[test]
fn an_approval_that_is_not_taken_back_before_a_rejection_was_not_the_final_one() {
    let past = life("SUBMITTED", &["SUBMITTED 07:00:00"]);
    let with = |state, news: &[&str]| {
        let history: Vec<&str> = ["SUBMITTED 07:00:00"].iter().chain(news).copied().collect();
        life(state, &history)
    };
    assert_eq!(told(&past, &with("SUBMITTED", &["APPROVED 09:00:00"])), "");
    assert_eq!(told(&past, &with("OPEN", &["APPROVED 09:00:00", "REJECTED 09:10:00"])), "reopened@09:10:00");
    let twice = ["APPROVED 09:00:00", "REJECTED 09:10:00", "SUBMITTED 09:20:00", "APPROVED 09:30:00"];
    assert_eq!(told(&past, &with("APPROVED", &twice)), "reopened@09:10:00 submitted@09:20:00 approved@09:30:00");
    assert_eq!(
        told(&past, &with("ARCHIVED", &["APPROVED 09:00:00", "CLOSED 09:10:00"])),
        "approved@09:00:00 archived@09:10:00"
    );
}

#[test]
fn one_false_entry_in_a_report_where_nothing_happened_is_no_story() {
    let told_already = ["SUBMITTED 05:00:00", "APPROVED 05:30:00", "REIMBURSED 06:00:00"];
    let past = life("REIMBURSED", &told_already);
    for false_entry in ["REJECTED 06:00:01", "REJECTED 09:00:00", "REIMBURSEMENTACHBOUNCE 09:00:00"] {
        let history: Vec<&str> = told_already.into_iter().chain([false_entry]).collect();
        assert_eq!(told(&past, &life("REIMBURSED", &history)), "", "{false_entry}");
    }
    let past = life("SUBMITTED", &["SUBMITTED 2026-03-01"]);
    let now = life("APPROVED", &["SUBMITTED 2026-03-01", "REJECTED 2026-03-02"]);
    assert_eq!(told(&past, &now), "approved", "the last look would have shown what was rejected a month ago");
}

#[test]
fn of_several_entries_for_one_step_the_reports_own_date_chooses_else_the_last_approval_else_the_first() {
    let past = life("SUBMITTED", &["SUBMITTED 07:00:00"]);
    let history = ["SUBMITTED 07:00:00", "APPROVED 09:00:00", "APPROVED 09:10:00", "APPROVED 09:20:00"];
    let now = life("APPROVED", &history);
    assert_eq!(told(&past, &now), "approved@09:20:00");
    assert_eq!(told(&past, &approved_at("09:10:00", now)), "approved@09:10:00");
    let past = life("APPROVED", &["APPROVED 07:00:00"]);
    let now = life("REIMBURSED", &["APPROVED 07:00:00", "REIMBURSEMENTQUEUED 09:00:00", "REIMBURSED 09:30:00"]);
    assert_eq!(told(&past, &now), "reimbursed@09:00:00");
}

#[test]
fn entries_of_one_second_or_of_days_without_times_are_read_in_the_order_that_fits() {
    let past = life("SUBMITTED", &["SUBMITTED 07:00:00"]);
    for at in ["09:00:00", "2026-04-02"] {
        let history = |actions: &[&str]| {
            let mut all = entries(&["SUBMITTED 07:00:00"]);
            all.extend(actions.iter().map(|action| entry(&format!("{action} {at}"))));
            all
        };
        let names_of = |state, actions: &[&str]| {
            let now = Life { history: Some(history(actions)), ..life(state, &[]) };
            let told = told(&past, &now);
            assert!(!told.contains('*'), "{told}");
            told.replace(&format!("@{at}"), "")
        };
        assert_eq!(names_of("APPROVED", &["APPROVED", "APPROVED", "UNAPPROVED"]), "approved unapproved approved");
        assert_eq!(names_of("APPROVED", &["APPROVED", "REJECTED", "SUBMITTED"]), "reopened submitted approved");
        let paid = ["APPROVED", "REIMBURSED", "REIMBURSEMENTDEQUEUED", "UNAPPROVED"];
        assert_eq!(names_of("SUBMITTED", &paid), "approved reimbursed reimbursement_reverted unapproved");
    }
}

#[test]
fn a_day_full_of_moments_and_one_bare_day_keeps_the_order_of_the_moments() {
    let past = life("SUBMITTED", &["SUBMITTED 07:00:00"]);
    let history = ["SUBMITTED 07:00:00", "UNAPPROVED 2026-04-02", "APPROVED 09:00:00", "APPROVED 09:20:00"];
    assert_eq!(told(&past, &life("APPROVED", &history)), "approved@09:00:00 unapproved@2026-04-02 approved@09:20:00");
}

#[test]
fn moments_are_not_turned_about_even_where_that_would_need_less() {
    let past = life("SUBMITTED", &["SUBMITTED 07:00:00"]);
    let history = ["SUBMITTED 07:00:00", "SUBMITTED 2026-04-02", "UNAPPROVED 09:00:00", "APPROVED 09:10:00"];
    assert_eq!(told(&past, &life("SUBMITTED", &history)), "");
}

#[test]
fn an_entry_at_the_date_that_the_report_carried_already_is_told() {
    let past = approved_at("09:00:00", life("ARCHIVED", &["SUBMITTED 07:00:00"]));
    let late =
        ["SUBMITTED 07:00:00", "APPROVED 09:00:00", "CLOSED 09:05:00", "REOPENED 09:30:00", "SUBMITTED 09:40:00"];
    let history = [&late[..], &["REJECTED 09:45:00", "SUBMITTED 09:50:00"]].concat();
    assert_eq!(
        told(&past, &life("SUBMITTED", &history)),
        "reopened@09:30:00 submitted@09:40:00 reopened@09:45:00 submitted@09:50:00"
    );
}

#[test]
fn what_is_told_already_is_not_told_again_when_its_entry_comes_late() {
    let past = approved_at("09:00:00", life("APPROVED", &["SUBMITTED 07:00:00"]));
    let now = approved_at("09:00:00", life("APPROVED", &["SUBMITTED 07:00:00", "APPROVED 09:00:00"]));
    assert_eq!(told(&past, &now), "");
    let history = ["SUBMITTED 07:00:00", "APPROVED 09:00:00", "UNAPPROVED 09:10:00", "APPROVED 09:20:00"];
    assert_eq!(
        told(&past, &approved_at("09:20:00", life("APPROVED", &history))),
        "unapproved@09:10:00 approved@09:20:00"
    );
    // Another entry, earlier than those in the log.
    let past = life("APPROVED", &["APPROVED 09:00:00"]);
    let now = life("APPROVED", &["REJECTED 08:30:00", "APPROVED 09:00:00"]);
    assert_eq!(told(&past, &now), "");
}

#[test]
fn a_history_that_was_behind_is_not_told_again_from_before_the_last_look() {
    // Approval and its taking back were told while the history was silent; then it speaks, and there is a new approval.
    let past = life("SUBMITTED", &[]);
    let history = ["SUBMITTED 06:00:00", "APPROVED 07:00:00", "UNAPPROVED 07:10:00", "APPROVED 09:00:00"];
    assert_eq!(told(&past, &life("APPROVED", &history)), "approved@09:00:00");
    // The same where the log's history ends where the report stands: all of it is news.
    let past = life("SUBMITTED", &history[..1]);
    assert_eq!(told(&past, &life("APPROVED", &history)), "approved@07:00:00 unapproved@07:10:00 approved@09:00:00");
}

#[test]
fn what_was_told_is_known_by_its_own_time_when_the_last_look_is_forgotten() {
    let past = life("SUBMITTED", &[]);
    let now = life("APPROVED", &["APPROVED 07:00:00", "UNAPPROVED 07:10:00", "APPROVED 09:00:00"]);
    let names = |told_until: &str| {
        let window = Window { not_before: None, told_until: told_until.parse().ok(), ..window() };
        story(&past, &now, window).iter().map(|told| told.step.event_type.as_str()).collect::<Vec<_>>()
    };
    assert_eq!(names("2026-04-02T08:00:00Z"), ["report.approved"]);
    assert_eq!(names("2026-04-02T06:00:00Z"), ["report.approved", "report.unapproved", "report.approved"]);
}

#[test]
fn a_report_that_is_back_where_it_was_tells_its_way_when_entries_agree_on_it() {
    let history = ["APPROVED 09:00:00", "UNAPPROVED 09:05:00", "REJECTED 09:10:00"];
    for past in [Life::unborn(), life("OPEN", &[])] {
        let way = "submitted* approved@09:00:00 unapproved@09:05:00 reopened@09:10:00";
        assert_eq!(told(&past, &life("OPEN", &history)), way);
        assert_eq!(told(&past, &life("OPEN", &["REJECTED 09:10:00"])), "", "one entry alone is no story");
    }
}

#[test]
fn a_contradicting_history_still_dates_and_names_the_steps_that_it_shares() {
    let past = life("SUBMITTED", &["SUBMITTED 07:00:00"]);
    let history = ["SUBMITTED 07:00:00", "CLOSED 08:00:00", "SUBMITTED 08:10:00", "APPROVED 09:00:00 lee"];
    assert_eq!(told(&past, &life("APPROVED", &history)), "approved@09:00:00");
    let story = |now: &Life| story(&past, now, window());
    assert_eq!(story(&life("APPROVED", &history))[0].entry.as_ref().and_then(|e| e.actor.clone()), Some("lee".into()));
    let by_own_date = approved_at("09:30:00", life("APPROVED", &history));
    assert_eq!(told(&past, &by_own_date), "approved", "another approval than the one that the history tells");
}

#[test]
fn an_object_of_software_that_read_no_history_is_compared_without_it() {
    let past = Life { history: None, ..life("SUBMITTED", &[]) };
    let history = ["SUBMITTED 07:00:00", "APPROVED 09:00:00", "UNAPPROVED 09:10:00", "APPROVED 09:20:00"];
    assert_eq!(told(&past, &life("APPROVED", &history)), "approved@09:20:00", "one step, dated by the last entry");
    assert_eq!(told(&past, &life("SUBMITTED", &history)), "");
}

#[test]
fn entries_without_a_date_of_the_far_future_or_with_unknown_actions_are_left() {
    let past = life("SUBMITTED", &["SUBMITTED 07:00:00"]);
    let known = ["APPROVED 09:10:00", "UNAPPROVED 09:20:00", "APPROVED 09:30:00"];
    let history = [&["SUBMITTED 07:00:00", "HOLD 09:00:00"], &known[..], &["CLOSED 2027-01-01"]].concat();
    let mut now = life("APPROVED", &history);
    now.history.get_or_insert_default().push(HistoryEntry { at: None, ..entry("REJECTED 09:00:00") });
    assert_eq!(told(&past, &now), "approved@09:10:00 unapproved@09:20:00 approved@09:30:00");
}

#[test]
fn a_history_does_not_forget_and_keeps_the_better_dates() {
    let known = entries(&["SUBMITTED 07:00:00 sam", "APPROVED 09:00:00"]);
    let poorer = entries(&["SUBMITTED 2026-04-02", "UNAPPROVED 10:00:00"]);
    let all = entries(&["SUBMITTED 07:00:00 sam", "APPROVED 09:00:00", "UNAPPROVED 10:00:00"]);
    assert_eq!(union(&known, &poorer), all);
    assert_eq!(union(&all, &known), all);
    assert_eq!(union(&[], &all), all);
    let past = Life { history: Some(known), ..life("APPROVED", &[]) };
    let now = Life { history: Some(poorer), ..life("SUBMITTED", &[]) };
    assert_eq!(told(&past, &now), "unapproved@10:00:00", "the other form of a date is no other entry");
}

fn any_entry() -> impl Strategy<Value = HistoryEntry> {
    let actions = prop::sample::select(vec![
        "SUBMITTED",
        "APPROVED",
        "approved",
        "REIMBURSED",
        "CLOSED",
        "REJECTED",
        "UNAPPROVED",
        "REIMBURSEMENTACHBOUNCE",
        "HOLD",
        "",
    ]);
    let at = prop_oneof![
        1 => Just(None),
        2 => (1..4i8).prop_map(|day| date(&format!("2026-04-0{day}"))),
        9 => (1..4i8, 0..4u8).prop_map(|(day, second)| date(&format!("2026-04-0{day} 09:00:0{second}"))),
        1 => Just(date("2099-01-01 00:00:00")),
    ];
    (at, actions, prop::option::of(prop::sample::select(vec!["lee", "kim"])))
        .prop_map(|(at, action, actor)| HistoryEntry { at, action: action.to_owned(), actor: actor.map(str::to_owned) })
}

fn any_life() -> impl Strategy<Value = Life> {
    let dates = (0..8u8, 0..3u8).prop_map(|(which, second)| {
        let on = |bit: u8| if which & bit == 0 { None } else { date(&format!("2026-04-02 09:00:0{second}")) };
        Dates { submitted: on(1), approved: on(2), reimbursed: on(4) }
    });
    let history = prop::option::weighted(0.9, prop::collection::vec(any_entry(), 0..12));
    (prop::sample::select(STATES.to_vec()), history, dates).prop_map(|(state, history, dates)| {
        let mut history = history;
        history.iter_mut().for_each(|entries| entries.sort());
        Life { state: ReportState::from_upstream(state), history, behind: false, dates }
    })
}

proptest! {
    /// Whatever the histories say: the steps can be taken one after the other, and end in what is seen.
    #[test]
    fn no_history_makes_an_impossible_story(past in any_life(), now in any_life()) {
        let now = Life { history: now.history.or(Some(Vec::new())), ..now };
        check(&past, &now, &story(&past, &now, window()));
    }

    /// What the log has taken in is not told again.
    #[test]
    fn the_same_history_again_tells_nothing(past in any_life()) {
        let history = union(past.history.as_deref().unwrap_or_default(), &[]);
        let past = Life { history: Some(history), ..past };
        prop_assert_eq!(story(&past, &past, window()), vec![]);
    }

    /// A union has everything of both, and does not grow by what it has.
    #[test]
    fn a_union_loses_nothing_and_does_not_grow_by_itself(
        mut known in prop::collection::vec(any_entry(), 0..12),
        mut observed in prop::collection::vec(any_entry(), 0..12),
    ) {
        known.sort();
        observed.sort();
        let once = union(&known, &observed);
        prop_assert!(once.len() >= known.len().max(observed.len()));
        prop_assert_eq!(union(&once, &observed).len(), once.len());
        prop_assert_eq!(union(&once, &known).len(), once.len());
    }
}
