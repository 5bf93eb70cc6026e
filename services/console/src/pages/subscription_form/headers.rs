//! Headers as they are typed: lines of `Name: value`.

use serde_json::{Map, Value};

use crate::trouble::{Trouble, Wrong};

/// What was typed, line by line. The values may be secrets: they go to the API and nowhere else.
pub(super) struct Lines<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Lines<'a> {
    pub fn read(text: &'a str) -> Self {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let pairs = lines.map(|line| line.split_once(':').unwrap_or((line, "")));
        Self(pairs.map(|(name, value)| (name.trim(), value.trim())).collect())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The names alone, for a form that comes back: sent so, it is refused for the values that lack.
    pub fn names(&self) -> String {
        self.0.iter().map(|(name, _)| format!("{name}: ")).collect::<Vec<_>>().join("\n")
    }

    /// The headers to set.
    ///
    /// # Errors
    /// Names each line without a value. The API would set an empty one, which nobody wants who came back to the form.
    pub fn set(&self) -> Result<Map<String, Value>, Trouble> {
        let bare = self.0.iter().filter(|(_, value)| value.is_empty());
        let wrong = |(name, _): &(&str, &str)| Wrong {
            field: "headers",
            label: "Headers".to_owned(),
            part: (*name).to_owned(),
            detail: "has no value; values do not come back with the form, so type it once more".to_owned(),
        };
        let wrongs: Vec<_> = bare.map(wrong).collect();
        if wrongs.is_empty() {
            Ok(self.0.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect())
        } else {
            Err(Trouble::found("A header lacks its value", wrongs))
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn headers_are_lines_of_name_and_value() {
        let lines = Lines::read("X-Team: ap\r\n\r\nAuthorization: Basic a:b");
        let set = lines.set().expect("each has a value");
        assert_eq!(Value::from(set), json!({"X-Team": "ap", "Authorization": "Basic a:b"}));
        assert_eq!(lines.names(), "X-Team: \nAuthorization: ");
    }

    #[test]
    fn a_form_that_came_back_cannot_set_empty_headers() {
        let trouble = Lines::read(&Lines::read("X-Team: ap").names()).set().expect_err("no value");
        assert!(trouble.has("headers") && trouble.at("headers").contains("X-Team"));
    }
}
