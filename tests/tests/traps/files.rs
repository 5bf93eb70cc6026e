//! Exports that are truncated, empty, duplicated, reordered, a page of HTML or an error.

use expensify_sim::{Change, Edit, Faults, SimConfig, Trigger};

use crate::world::{ALWAYS, World, company, edit, line, lines, names};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_not_whole_says_what_it_shows_and_nothing_of_what_it_lacks() {
    let mut world = World::start(company()).await;
    let all: Vec<String> = world.sim.reports().into_iter().map(|report| report.id).collect();
    let (first, last) = (&all[0], &all[all.len() - 1]);
    let gone = world.reports_in("OPEN").into_iter().find(|id| ![first, last].contains(&id)).unwrap();
    let gone_lines = world.sim.report(&gone).unwrap()["transactionList"].as_array().unwrap().len();
    let mark = world.mark();

    world.faults(Faults { truncated_download: ALWAYS, ..Faults::default() });
    world.change(&Trigger::report(Change::Removed, &gone));
    for id in [first, last] {
        world.change(&edit(id, Edit::Title("Another".into())));
    }
    world.fails("reports", 2).await;
    assert_eq!(
        lines(&world.since(mark).await),
        [format!("report.updated report/{first} reportName")],
        "its first rows"
    );
    assert!(!world.notices("stands twice"), "the row at which it breaks off is no second one when it comes again");
    let of_last = format!("report.updated report/{last} reportName");
    let faults = [
        Faults { empty_download: ALWAYS, ..Faults::default() },
        Faults { html_page: ALWAYS, ..Faults::default() },
        Faults { http_502: ALWAYS, ..Faults::default() },
        Faults { error_instead_of_file_name: ALWAYS, ..Faults::default() },
        Faults { file_not_found: ALWAYS, ..Faults::default() },
        Faults { latin1: ALWAYS, ..Faults::default() },
        Faults { debug_text: ALWAYS, ..Faults::default() },
    ];
    for fault in faults {
        world.faults(fault.clone());
        world.fails("reports", 2).await;
        let told = lines(&world.since(mark).await).split_off(1);
        assert!(told.iter().all(|line| *line == of_last), "{fault:?}: {told:?}");
    }

    world.faults(Faults::default());
    let events = world.told(mark, 3 + gone_lines as u64).await;
    world.read_all().await;
    assert_eq!(world.since(mark).await.len(), events.len(), "and nothing more");
    assert_eq!(line(&events[1]), of_last);
    assert_eq!(line(&events[2]), format!("report.removed report/{gone}"));
    assert!(events[3..].iter().all(|event| event.event_type.as_str() == "expense.removed"));
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_come_twice_or_in_another_order_or_in_other_dress_say_nothing() {
    let mut world = World::start(company()).await;
    let report = world.sim.reports()[0].id.clone();
    world.change(&edit(&report, Edit::Title("R&D <Q1> \"out\" 'in'".into())));
    world.read_all().await;
    let mark = world.mark();
    let dress = [
        Faults { duplicate_rows: ALWAYS, ..Faults::default() },
        Faults { reordered_rows: ALWAYS, ..Faults::default() },
        Faults { duplicate_rows: ALWAYS, reordered_rows: ALWAYS, two_blocks: ALWAYS, ..Faults::default() },
        Faults { no_header: ALWAYS, ..Faults::default() },
        Faults { crlf: ALWAYS, bom: ALWAYS, ..Faults::default() },
        Faults { trimmed: ALWAYS, html_escaped: ALWAYS, ..Faults::default() },
    ];
    for fault in dress {
        world.faults(fault.clone());
        world.read_all().await;
        assert_eq!(lines(&world.since(mark).await), [""; 0], "{fault:?}");
    }
    assert!(world.notices("second block") && world.notices("addHeader is false"), "but a person is told");
    let title = Edit::Title("R&amp;D".into());
    world.change(&edit(&report, title));
    world
        .assert_told(mark, &[format!("report.updated report/{report} reportName")], "a change is one in any dress")
        .await;
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_one_file_shows_in_two_ways_is_not_told_by_it() {
    let mut world = World::start(company()).await;
    let mark = world.mark();
    world.faults(Faults { differing_rows: ALWAYS, ..Faults::default() });
    let twice = |status: &event_model::status::AccountStatus| {
        status.notices.iter().any(|notice| notice.message.contains("stands twice in one file and differs"))
    };
    world.until("notice", twice).await;
    world.faults(Faults::default());
    world.read_all().await;
    assert_eq!(lines(&world.since(mark).await), [""; 0]);
    world.stopped().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_that_never_renders_keeps_no_other_from_being_believed() {
    let faults = Faults { blank_value: ALWAYS, ..Faults::default() };
    let mut world = World::start(SimConfig { faults, ..company() }).await;
    let all: Vec<String> = world.sim.reports().into_iter().map(|report| report.id).collect();
    let told = names(&world.since(event_model::Sequence::START).await);
    assert_eq!(
        told.iter().filter(|name| name.starts_with("report.snapshot")).count(),
        all.len() - 1,
        "the first sight ends"
    );
    assert!(world.notices(&format!("{}: its row is no record", all[0])), "{:?}", world.status().notices);
    let mark = world.mark();
    let gone = world.reports_in("OPEN").into_iter().find(|id| *id != all[0]).unwrap();
    world.change(&Trigger::report(Change::Removed, &gone));
    let told = world.told(mark, 1).await;
    assert_eq!(line(&told[0]), format!("report.removed report/{gone}"), "what is missing is missed");
    world.faults(Faults::default());
    let mark = world.mark();
    world.assert_told(mark, &[format!("report.snapshot report/{}", all[0])], "and it is not new when it is seen").await;
    world.stopped().await;
}
