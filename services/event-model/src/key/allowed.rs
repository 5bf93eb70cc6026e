//! A list of what is allowed.

use std::{collections::BTreeSet, fmt::Display, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// What stands for all.
const ALL: &str = "*";

/// What is allowed of many: all, or these. On the wire a list of texts, `["*"]` for all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Allowed<T> {
    /// All that there is and will be.
    All,
    /// These; nothing when there are none.
    Only(BTreeSet<T>),
}

/// Nothing.
impl<T> Default for Allowed<T> {
    fn default() -> Self {
        Self::Only(BTreeSet::new())
    }
}

impl<T: Ord> Allowed<T> {
    /// Whether all is allowed.
    pub const fn is_all(&self) -> bool {
        matches!(self, Self::All)
    }

    /// Whether nothing is.
    pub fn is_nothing(&self) -> bool {
        matches!(self, Self::Only(these) if these.is_empty())
    }

    /// Whether `one` is.
    pub fn permits(&self, one: &T) -> bool {
        match self {
            Self::All => true,
            Self::Only(these) => these.contains(one),
        }
    }

    /// Whether everything that this allows `other` allows too.
    pub fn is_within(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::All) => true,
            (Self::All, Self::Only(_)) => false,
            (Self::Only(these), Self::Only(those)) => these.is_subset(those),
        }
    }

    /// The list that `texts` are.
    ///
    /// # Errors
    /// That of the first text that is no `T`.
    pub fn of<S: AsRef<str>>(texts: &[S]) -> Result<Self, T::Err>
    where
        T: FromStr,
    {
        match texts.iter().any(|text| text.as_ref() == ALL) {
            true => Ok(Self::All),
            false => texts.iter().map(|text| text.as_ref().parse()).collect::<Result<_, _>>().map(Self::Only),
        }
    }
}

/// A list of texts, of which `*` is one.
impl<T: JsonSchema> JsonSchema for Allowed<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        format!("Allowed_{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "type": "array", "items": { "anyOf": [{ "const": ALL }, one] } })
    }
}

impl<T: Display> Serialize for Allowed<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::All => serializer.collect_seq([ALL]),
            Self::Only(these) => serializer.collect_seq(these.iter().map(ToString::to_string)),
        }
    }
}

impl<'de, T: FromStr<Err: Display> + Ord> Deserialize<'de> for Allowed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::of(&Vec::<String>::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}
