//! The same content in another form: list order, blank against missing, the two tag shapes, number or string, both id
//! spellings, both date forms, HTML-escaped text.

use expensify_sim::{Edit, Faults, Line, SimConfig};

use crate::world::{ALWAYS, World, company, edit, lines};

/// Every form that says nothing, one by one and all together.
fn forms() -> Vec<Faults> {
    let none = Faults::default;
    vec![
        Faults { shuffled_lists: ALWAYS, shuffled_history: ALWAYS, reordered_rows: ALWAYS, ..none() },
        Faults { blank_missing: ALWAYS, ..none() },
        Faults { tags_levelled: ALWAYS, ..none() },
        Faults { tags_flat: ALWAYS, ..none() },
        Faults { numbers_as_text: ALWAYS, ..none() },
        Faults { old_ids: ALWAYS, ..none() },
        Faults { dates_as_days: ALWAYS, ..none() },
        Faults { html_escaped: ALWAYS, ..none() },
        all_at_once(),
    ]
}

fn all_at_once() -> Faults {
    Faults {
        shuffled_lists: ALWAYS,
        shuffled_history: ALWAYS,
        reordered_rows: ALWAYS,
        blank_missing: ALWAYS,
        tags_levelled: ALWAYS,
        numbers_as_text: ALWAYS,
        old_ids: ALWAYS,
        dates_as_days: ALWAYS,
        html_escaped: ALWAYS,
        ..Faults::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_form_of_the_same_content_says_nothing_and_hides_no_change() {
    let mut world = World::start(company()).await;
    let report = world.reports_in("OPEN").remove(0);
    let line = |merchant: &str| Line { merchant: Some(merchant.into()), ..Line::default() };
    world.change(&edit(&report, Edit::Title("R&D <Q1> \"out\" 'in' é€".into())));
    world.change(&edit(&report, Edit::AddExpense(line("Fish & <Chips>"))));
    world.read_all().await;
    let mark = world.mark();
    for form in forms() {
        world.faults(form.clone());
        world.read_all().await;
        assert_eq!(lines(&world.since(mark).await), [""; 0], "{form:?}");
    }
    world.faults(Faults { dates_as_moments: ALWAYS, ..Faults::default() });
    world.read_all().await;
    let sharper = world.since(mark).await;
    assert!(sharper.iter().all(|event| event.event_type.is_snapshot()), "a day that becomes a moment is no change");
    world.faults(all_at_once());
    world.read_all().await;
    assert_eq!(world.since(mark).await.len(), sharper.len(), "nor one that becomes a day again");
    let mark = world.mark();
    world.change(&edit(&report, Edit::Title("R&D <Q2>".into())));
    world.assert_told(mark, &[format!("report.updated report/{report} reportName")], "in every odd form").await;
    assert_eq!(world.since(mark).await[0].data.object["reportName"], "R&D <Q2>");
    world.faults(Faults::default());
    world.read_all().await;
    assert_eq!(world.since(mark).await.len(), 1, "nor when the form is the usual one again");
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_sight_in_an_odd_form_is_no_other_content() {
    let mut world = World::start(SimConfig { faults: all_at_once(), ..company() }).await;
    let mark = world.mark();
    world.faults(Faults::default());
    world.read_all().await;
    let told = world.since(mark).await;
    assert!(told.iter().all(|event| event.event_type.is_snapshot()), "dates are sharper now: {:?}", lines(&told));
    let mark = world.mark();
    world.faults(all_at_once());
    world.read_all().await;
    assert_eq!(lines(&world.since(mark).await), [""; 0], "and are not forgotten");
    world.stopped().await;
}
