//! HTML entities in strings: the server may escape what it hands to a template (reference section 3.1).

/// The longest entity that is looked at, `&` and `;` included: `&#x10FFFF;`.
const ENTITY_BYTES: usize = 10;

/// `text` with the five entities of XML and numeric ones decoded, once: `&amp;lt;` becomes `&lt;`.
pub(crate) fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        match entity(after) {
            Some((c, left)) => {
                out.push(c);
                rest = left;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out + rest
}

/// The character that the entity after a `&` stands for, and what follows it.
fn entity(after: &str) -> Option<(char, &str)> {
    let end = after.bytes().take(ENTITY_BYTES).position(|b| b == b';')?;
    let (name, left) = (&after[..end], &after[end + 1..]);
    let c = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        _ => numeric(name)?,
    };
    Some((c, left))
}

fn numeric(name: &str) -> Option<char> {
    let digits = name.strip_prefix('#')?;
    let code = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    char::from_u32(code).filter(|c| *c != '\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_decoded_once_and_everything_else_is_left() {
        for (text, plain) in [
            ("Tom &amp; Jerry&#39;s &lt;b&gt; &quot;x&quot; &apos;", "Tom & Jerry's <b> \"x\" '"),
            ("&amp;lt;", "&lt;"),
            ("&#x1F600;&#8364;", "😀€"),
            (
                "a & b; AT&T &; &unknown; &#; &#xZZ; &#xD800; &#0; é&",
                "a & b; AT&T &; &unknown; &#; &#xZZ; &#xD800; &#0; é&",
            ),
            ("&é;", "&é;"),
            ("", ""),
        ] {
            assert_eq!(unescaped(text), plain);
        }
    }
}
