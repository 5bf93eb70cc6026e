//! A FreeMarker source to the one line of ASCII that is sent.

/// The source holds a character that is not ASCII; write it as an escape such as `\x00E9`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not ASCII: write it as an escape")]
pub struct NotAscii(pub char);

const COMMENT_START: &str = "<#--";
const COMMENT_END: &str = "-->";

/// Keeps the first line, the marker that names the template; drops every other comment; trims each line and joins them
/// with nothing between. It does not read FreeMarker: a source keeps comment marks out of its string literals, and
/// breaks a line only where a blank means nothing.
pub fn minify(source: &str) -> Result<String, NotAscii> {
    let (marker, rest) = source.split_once('\n').unwrap_or((source, ""));
    let mut minified = marker.trim().to_owned();
    let bare = without_comments(rest);
    minified.extend(bare.lines().map(str::trim));
    match minified.chars().find(|c| !c.is_ascii()) {
        Some(c) => Err(NotAscii(c)),
        None => Ok(minified),
    }
}

fn without_comments(source: &str) -> String {
    let mut kept = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, comment)) = rest.split_once(COMMENT_START) {
        kept.push_str(before);
        rest = comment.split_once(COMMENT_END).map_or("", |(_, after)| after);
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_marker_stays_and_comments_line_breaks_and_indents_go() {
        let source = "<#-- marker -->\n<#--\n long\n-->\n<#if a>\n  x<#-- why -->y\r\n</#if>\n";
        assert_eq!(minify(source).as_deref(), Ok("<#-- marker --><#if a>xy</#if>"));
    }

    #[test]
    fn what_is_not_ascii_is_refused() {
        assert_eq!(minify("<#-- m -->\n${'é'}"), Err(NotAscii('é')));
    }
}
