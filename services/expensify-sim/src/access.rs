//! What the credential may see: its role on each policy, and its domain.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The credential's role on a policy, from what shows least to what shows most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Nothing of it but the caller's own reports: it is in no list.
    None,
    /// In the list, with this role, but not in that of policies administered. Only the caller's own reports.
    User,
    /// As [`Role::User`], with all its reports.
    Auditor,
    /// Everything.
    Admin,
}

impl Role {
    /// The upstream's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::User => "user",
            Self::Auditor => "auditor",
            Self::Admin => "admin",
        }
    }

    /// Whether reports of other people show.
    pub(crate) fn sees_others(self) -> bool {
        self >= Self::Auditor
    }
}

/// How the domain's cards answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DomainAccess {
    /// The credential administers the domain.
    #[default]
    Held,
    /// It does not: code 403.
    Refused,
    /// It does not, and the answer is an empty list.
    Empty,
}

impl DomainAccess {
    /// The control API's word.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Refused => "refused",
            Self::Empty => "empty",
        }
    }
}

/// What asking for the details of a policy answers that the credential may not see (U7 of the reference).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LostPolicy {
    /// The whole call fails with code 403.
    #[default]
    Forbidden,
    /// The whole call fails with code 404.
    NotFound,
    /// The policy is left out of the answer.
    Omitted,
}

/// Everything about access, as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Access {
    /// The role on each policy, by its id.
    pub policies: BTreeMap<String, Role>,
    /// The domain's.
    pub domain: DomainAccess,
}

/// A change of access: of one policy, or of the domain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum AccessChange {
    /// The role on a policy.
    Policy {
        /// The policy's id.
        id: String,
        /// The role from now on.
        role: Role,
    },
    /// The domain.
    Domain(DomainAccess),
}
