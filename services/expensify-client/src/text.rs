//! Foreign text made fit to be shown.

/// Stands for what was cut off.
const ELLIPSIS: char = '…';

/// `text` on one line, without control characters, of at most `chars` characters and a mark for what was cut off.
pub(crate) fn presentable(text: &str, chars: usize) -> String {
    let mut kept: String = text.chars().filter(|c| !hidden(*c)).take(chars + 1).collect();
    if let Some((at, _)) = kept.char_indices().nth(chars) {
        kept.truncate(at);
        kept.push(ELLIPSIS);
    }
    kept
}

/// Characters that move the cursor, end a line or turn the direction of writing.
fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_bounded_and_has_no_control_characters() {
        assert_eq!(presentable("a\u{1b}[31mb\r\n\u{202e}c", 40), "a[31mbc");
        assert_eq!(presentable("ééé", 3), "ééé");
        assert_eq!(presentable("éééé", 3), "ééé…");
        assert_eq!(presentable(&"x".repeat(10_000), 5), "xxxxx…");
    }
}
