//! The documentation as HTML.
//!
//! The pages are the program's own Markdown. Still nothing of them goes through as HTML: what they hold of it is shown as text.

use pulldown_cmark::{Alignment, CowStr, Event, Options, Parser, Tag, TagEnd, html::push_html};

/// Pages of documentation: each page's name and its Markdown, which begins with its title.
pub type Docs = &'static [(&'static str, &'static str)];

/// Where the pages are.
pub(crate) const ADDRESS: &str = "/console/docs";

/// The title of the page `text`, and what comes after it.
pub(crate) fn title(text: &'static str) -> (&'static str, &'static str) {
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    match first.strip_prefix("# ") {
        Some(title) => (title.trim(), rest),
        None => ("", text),
    }
}

/// `text` as HTML. Links among the pages lead to the pages here; what they say of other files of the repository is no link.
pub(crate) fn html(text: &str) -> String {
    let mut left_out = 0_u32;
    let events = Parser::new_ext(text, Options::ENABLE_TABLES).filter_map(|event| match event {
        Event::Html(html) | Event::InlineHtml(html) => Some(Event::Text(html)),
        // Its style would be inline.
        Event::Start(Tag::Table(columns)) => Some(Event::Start(Tag::Table(vec![Alignment::None; columns.len()]))),
        Event::Start(Tag::Link { link_type, dest_url, title, id }) => match address(&dest_url) {
            Some(dest_url) => Some(Event::Start(Tag::Link { link_type, dest_url, title, id })),
            None => {
                left_out += 1;
                None
            }
        },
        Event::End(TagEnd::Link) if left_out > 0 => {
            left_out -= 1;
            None
        }
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        event => Some(event),
    });
    let mut written = String::new();
    push_html(&mut written, events);
    // Text is escaped, so these are tags. Whoever has no mouse scrolls by the keyboard.
    written
        .replace("<pre>", "<pre tabindex=\"0\">")
        .replace(
            "<table>",
            "<div class=\"scroll\" role=\"region\" aria-label=\"Table\" tabindex=\"0\"><table class=\"rows\">",
        )
        .replace("</table>", "</table></div>")
}

/// Where a link of a page leads from here.
fn address<'a>(written: &str) -> Option<CowStr<'a>> {
    if written.starts_with("https://") || written.starts_with('#') {
        return Some(written.to_owned().into());
    }
    let (file, place) = written.split_once('#').map_or((written, ""), |(file, place)| (file, place));
    let name = file.strip_suffix(".md").filter(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'))?;
    let place = if place.is_empty() { String::new() } else { format!("#{place}") };
    Some(format!("{ADDRESS}/{name}{place}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_among_the_pages_stay_here_and_files_elsewhere_are_no_links() {
        assert_eq!(html("[a](replay.md#b)").trim(), "<p><a href=\"/console/docs/replay#b\">a</a></p>");
        assert_eq!(
            html("[a](../../../ops/README.md) [b](https://x.example/)").trim(),
            "<p>a <a href=\"https://x.example/\">b</a></p>"
        );
        assert_eq!(html("[a](javascript:alert) [b](//x.md)").trim(), "<p>a b</p>");
    }

    #[test]
    fn nothing_goes_through_as_code_or_style() {
        let html = html(
            "<script>x</script>\n\n| a |\n|:-:|\n| <b onclick=x> |\n\n![i](https://x.example/i.png)\n\n```sh\n<pre>\n```\n",
        );
        for never in ["<script", "<b ", "style=", "<img", "<pre>"] {
            assert!(!html.contains(never), "{never}: {html}");
        }
        assert!(html.contains("&lt;script&gt;") && html.contains("&lt;pre&gt;"), "{html}");
    }

    #[test]
    fn the_title_is_what_a_page_begins_with() {
        assert_eq!(title("# Quick start\n\nText"), ("Quick start", "\nText"));
        assert_eq!(title("Text"), ("", "Text"));
    }
}
