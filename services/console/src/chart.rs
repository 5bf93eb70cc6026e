//! A small chart of bars, drawn here as SVG, that needs no script and is told in words as well.

use askama::{Template, filters::HtmlSafe};

use crate::samples::{Bar, Counts};

/// Size of the drawing in units of its own; a page scales it.
const WIDTH: u64 = 600;
const HEIGHT: u64 = 96;
/// The part of a bar's place that stays empty.
const GAP: u64 = 2;

/// A chart of one or two series, the second on top of the first.
#[derive(Template)]
#[template(path = "chart.svg.html")]
pub(crate) struct Chart {
    id: &'static str,
    summary: String,
    most: u64,
    from: String,
    to: String,
    columns: Vec<Column>,
}

// Rendered by a template of its own, which escapes.
impl HtmlSafe for Chart {}

struct Column {
    x: u64,
    width: u64,
    title: String,
    parts: Vec<Part>,
}

struct Part {
    class: &'static str,
    y: u64,
    height: u64,
}

/// What a chart counts.
pub(crate) struct Series {
    /// In the plural: `events`.
    pub name: &'static str,
    pub class: &'static str,
    pub of: fn(&Counts) -> u64,
}

impl Chart {
    /// The chart `id` of `series` over `bars`; `span` is the time that they take together, as words.
    pub fn of(id: &'static str, bars: &[Bar], span: &str, series: &[Series]) -> Self {
        let total = |bar: &Bar| series.iter().map(|one| (one.of)(&bar.counts)).sum::<u64>();
        let most = bars.iter().map(total).max().unwrap_or_default();
        let sums = series.iter().map(|one| {
            let sum: u64 = bars.iter().map(|bar| (one.of)(&bar.counts)).sum();
            format!("{sum} {}", one.name)
        });
        let sums: Vec<_> = sums.collect();
        let place = WIDTH / u64::try_from(bars.len().max(1)).unwrap_or(1);
        let columns = bars.iter().zip(0..).map(|(bar, index)| column(bar, index * place, place, most, series));
        let hour = |bar: Option<&Bar>| bar.map(|bar| bar.from.strftime("%H:%M").to_string()).unwrap_or_default();
        Self {
            id,
            summary: format!("{} in the last {span}", sums.join(", ")),
            most,
            from: hour(bars.first()),
            to: hour(bars.last()),
            columns: columns.collect(),
        }
    }
}

fn column(bar: &Bar, x: u64, place: u64, most: u64, series: &[Series]) -> Column {
    let mut top = HEIGHT;
    let mut parts = Vec::new();
    let mut told = Vec::new();
    for one in series {
        let count = (one.of)(&bar.counts);
        told.push(format!("{count} {}", one.name));
        // What happened at all is seen, however small beside the most.
        let height = if count == 0 { 0 } else { (count * HEIGHT / most.max(1)).max(2).min(top) };
        top -= height;
        if height > 0 {
            parts.push(Part { class: one.class, y: top, height });
        }
    }
    let title = format!("{} UTC: {}", bar.from.strftime("%Y-%m-%d %H:%M"), told.join(", "));
    Column { x, width: place.saturating_sub(GAP).max(1), title, parts }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SERIES: [Series; 2] = [
        Series { name: "delivered", class: "good", of: |counts| counts.delivered },
        Series { name: "failed", class: "bad", of: |counts| counts.failed },
    ];

    fn bar(delivered: u64, failed: u64) -> Bar {
        let from = "2026-04-02T09:00:00Z".parse().expect("a time");
        Bar { from, counts: Counts { delivered, failed, events: 0 } }
    }

    #[test]
    fn bars_are_as_high_as_their_counts_and_never_higher_than_the_chart() {
        let chart = Chart::of("c", &[bar(0, 0), bar(50, 50), bar(1, 0), bar(999, 1)], "hour", &SERIES);
        let heights: Vec<Vec<u64>> =
            chart.columns.iter().map(|one| one.parts.iter().map(|part| part.height).collect()).collect();
        assert_eq!(heights, [vec![], vec![4, 4], vec![2], vec![95, 1]]);
        assert_eq!((chart.most, chart.summary.as_str()), (1000, "1050 delivered, 51 failed in the last hour"));
        assert!(chart.columns.iter().flat_map(|one| &one.parts).all(|part| part.y + part.height <= HEIGHT));
    }

    #[test]
    fn a_chart_of_nothing_is_drawn_too() {
        let chart = Chart::of("c", &[bar(0, 0)], "hour", &SERIES);
        assert!(chart.render().expect("drawn").contains("0 delivered, 0 failed in the last hour"));
    }
}
