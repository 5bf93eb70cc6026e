//! What is wrong with a form that comes back: at the top as a whole, and again beside each field that it is about.

use std::fmt;

use askama::{Template, filters::HtmlSafe};

use crate::failure::{Fault, Problem};

/// What is wrong; nothing while [`Self::is_some`] does not hold.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    pub title: String,
    pub detail: String,
    pub wrongs: Vec<Wrong>,
}

/// One thing that is wrong.
#[derive(Debug)]
pub(crate) struct Wrong {
    /// The id of the field; empty where it is about none of the form.
    pub field: &'static str,
    /// What the field is called.
    pub label: String,
    /// Which part of it is meant; empty for all of it.
    pub part: String,
    pub detail: String,
}

/// The fields of a form: the API's name, the id in the page, the label.
pub(crate) type Labels = [(&'static str, &'static str, &'static str)];

impl Trouble {
    /// What the API says of a form with these fields.
    pub fn of(problem: &Problem, labels: &Labels) -> Self {
        let mut wrongs: Vec<_> = problem.errors.iter().map(|fault| Wrong::of(fault, labels)).collect();
        // In the order of the form, and what is about none of its fields first.
        wrongs.sort_by_key(|wrong| labels.iter().position(|(_, field, _)| *field == wrong.field));
        // With the errors named, the detail says no more than that there are some.
        let detail = if wrongs.is_empty() { format!("{}.", problem.detail) } else { String::new() };
        Self { title: problem.title.clone(), detail, wrongs }
    }

    /// What we found ourselves.
    pub fn found(title: &str, wrongs: Vec<Wrong>) -> Self {
        Self { title: title.to_owned(), detail: String::new(), wrongs }
    }

    pub fn is_some(&self) -> bool {
        !self.title.is_empty()
    }

    /// Whether anything is wrong with `field`.
    pub fn has(&self, field: &str) -> bool {
        self.wrongs.iter().any(|wrong| wrong.field == field)
    }

    /// The attributes of the input `field`, which may have a hint beside it.
    pub fn attributes(&self, field: &'static str, has_hint: bool) -> Attributes {
        Attributes { field, is_wrong: self.has(field), has_hint }
    }

    /// What stands beside the input `field`: what is wrong with it, or nothing.
    pub fn beside<'a>(&self, field: &'a str) -> Beside<'a> {
        Beside { field, told: self.at(field) }
    }

    /// What is wrong with `field`, as sentences; empty where nothing is.
    pub fn at(&self, field: &str) -> String {
        let of_field = self.wrongs.iter().filter(|wrong| wrong.field == field);
        let told = of_field.map(|wrong| match wrong.part.as_str() {
            "" => wrong.detail.clone(),
            part => format!("{part}: {}", wrong.detail),
        });
        told.collect::<Vec<_>>().join(". ")
    }
}

/// What says to those who do not see the page that an input is wrong, and where it is told why.
pub(crate) struct Attributes {
    field: &'static str,
    is_wrong: bool,
    has_hint: bool,
}

// Names of fields of ours alone.
impl HtmlSafe for Attributes {}

impl fmt::Display for Attributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let field = self.field;
        match (self.is_wrong, self.has_hint) {
            (false, false) => Ok(()),
            (false, true) => write!(f, " aria-describedby=\"{field}-hint\""),
            (true, false) => write!(f, " aria-invalid=\"true\" aria-describedby=\"{field}-error\""),
            (true, true) => write!(f, " aria-invalid=\"true\" aria-describedby=\"{field}-error {field}-hint\""),
        }
    }
}

/// A line beside an input.
#[derive(Template)]
#[template(
    source = "{% if !told.is_empty() %}<p class=\"error\" id=\"{{ field }}-error\">{{ told }}</p>{% endif %}",
    ext = "html"
)]
pub(crate) struct Beside<'a> {
    field: &'a str,
    told: String,
}

impl HtmlSafe for Beside<'_> {}

impl Wrong {
    fn of(fault: &Fault, labels: &Labels) -> Self {
        let path = fault.field();
        let (name, rest) = path.split_once('/').unwrap_or((path, ""));
        let known = labels.iter().find(|(known, ..)| *known == name);
        let (field, label) = known.map_or(("", name), |(_, field, label)| (*field, *label));
        let part = match rest.parse::<usize>() {
            Ok(index) => format!("number {}", index + 1),
            Err(_) => rest.replace("~1", "/").replace("~0", "~"),
        };
        Self { field, label: label.to_owned(), part, detail: fault.detail.clone() }
    }

    /// What it is about: the field, and which part of it.
    pub fn place(&self) -> String {
        let words = [self.label.as_str(), &self.part];
        words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(", ")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LABELS: &Labels = &[("events", "events", "Events"), ("rate_per_s", "rate", "Deliveries a second")];

    #[test]
    fn what_is_wrong_is_told_by_the_label_of_its_field() {
        let problem: Problem = serde_json::from_value(json!({
            "type": "/problems/validation", "title": "A field is wrong", "status": 422, "detail": "see errors",
            "errors": [
                {"pointer": "/rate_per_s", "detail": "must be a number"},
                {"pointer": "/events/1", "detail": "is no glob"},
                {"pointer": "/other/a~1b", "detail": "is not a field here"},
            ],
        }))
        .expect("a problem");
        let trouble = Trouble::of(&problem, LABELS);
        assert!(trouble.is_some() && trouble.has("rate") && !trouble.has("rate_per_s"));
        assert_eq!(
            (trouble.at("events").as_str(), trouble.at("rate").as_str()),
            ("number 2: is no glob", "must be a number")
        );
        let places: Vec<_> = trouble.wrongs.iter().map(Wrong::place).collect();
        assert_eq!(places, ["other, a/b", "Events, number 2", "Deliveries a second"], "in the order of the form");
        assert_eq!((trouble.detail.as_str(), Trouble::default().is_some()), ("", false));
    }
}
