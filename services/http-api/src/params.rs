//! Parameters of a query, read so that everything wrong with them is said at once.

use std::fmt::Display;

use http::Uri;
use url::form_urlencoded;

use crate::{
    config::{DEFAULT_LIMIT, MAX_LIMIT},
    problem::{Fault, Refusal},
};

/// Most of a caller's text that an answer repeats.
const MAX_ECHO: usize = 80;

/// The parameters of one query, taken out one by one.
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    faults: Vec<Fault>,
}

impl Params {
    /// Reads the query of `uri`; `known` are the names that may occur.
    pub fn of(uri: &Uri, known: &[&str]) -> Self {
        let query = uri.query().unwrap_or_default();
        let pairs: Vec<_> = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let unknown = pairs.iter().filter(|(name, _)| !known.contains(&name.as_str()));
        let faults = unknown.map(|(name, _)| Fault::of(cut(name), format!("unknown; known are {}", known.join(", "))));
        Self { faults: faults.collect(), pairs }
    }

    /// The parameter `name`, which may occur once. One that `read` refuses is noted and `None`.
    pub fn one<T, E: Display>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let mut values = self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value);
        let value = values.next()?;
        if values.next().is_some() {
            self.faults.push(Fault::of(name, "occurs more than once"));
            return None;
        }
        match read(value) {
            Ok(value) => Some(value),
            Err(why) => {
                self.faults.push(Fault::of(name, why));
                None
            }
        }
    }

    /// The parameter `name` as often as it occurs.
    pub fn many<T, E: Display>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, E>) -> Vec<T> {
        let mut read_ones = Vec::new();
        for (_, value) in self.pairs.iter().filter(|(key, _)| key == name) {
            match read(value) {
                Ok(value) => read_ones.push(value),
                Err(why) => self.faults.push(Fault::of(name, why)),
            }
        }
        read_ones
    }

    /// `limit`, 1 to 1000, 100 when it is not there.
    pub fn limit(&mut self) -> usize {
        let read = |text: &str| match text.parse() {
            Ok(limit @ 1..=MAX_LIMIT) => Ok(limit),
            Ok(_) | Err(_) => Err(format!("{:?} is not a number from 1 to {MAX_LIMIT}", cut(text))),
        };
        self.one("limit", read).unwrap_or(DEFAULT_LIMIT)
    }

    /// Notes that `name` is wrong.
    pub fn refuse(&mut self, name: &str, why: impl Display) {
        self.faults.push(Fault::of(name, why));
    }

    /// Everything that was wrong, if anything was.
    pub fn finish(self) -> Result<(), Refusal> {
        if self.faults.is_empty() { Ok(()) } else { Err(Refusal::Parameters(self.faults)) }
    }
}

/// `uri` with the query parameters `changes` set and everything else as it is: the next page's address.
pub(crate) fn with(uri: &Uri, changes: &[(&str, &str)]) -> String {
    let kept = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .filter(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(kept).extend_pairs(changes).finish();
    format!("{}?{query}", uri.path())
}

/// The beginning of `text`, for repeating it to its author.
pub(crate) fn cut(text: &str) -> String {
    text.chars().take(MAX_ECHO).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_with_a_query_is_said_at_once() {
        let mut params = Params::of(&Uri::from_static("/v1/x?limit=0&nope=1&a=1&a=2"), &["limit", "a"]);
        assert_eq!(params.limit(), DEFAULT_LIMIT);
        assert_eq!(params.one("a", |text| text.parse::<u64>()), None);
        let Err(Refusal::Parameters(faults)) = params.finish() else { panic!("refused") };
        let named: Vec<_> = faults.iter().filter_map(|fault| fault.parameter.as_deref()).collect();
        assert_eq!(named, ["nope", "limit", "a"]);
    }

    #[test]
    fn the_next_page_keeps_the_rest_of_the_query() {
        let uri = Uri::from_static("/v1/events?type=report.*&after=3&account=a%26b");
        assert_eq!(with(&uri, &[("after", "9")]), "/v1/events?type=report.*&account=a%26b&after=9");
    }
}
