//! Whether a read shows all of its scope, and if not, why.

/// Whether a read shows all of its scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// What is not in it was not there.
    Complete,
    /// It proves nothing about absence.
    Incomplete(Incompleteness),
}

/// Why a read is incomplete.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incompleteness {
    /// The file does not begin as ours do: a page of a proxy, a template of somebody else.
    #[error("the file does not begin with our record")]
    NotOurs,
    /// The nonce is that of another job.
    #[error("line {line}: the nonce is another job's")]
    NonceMismatch {
        /// Number of the line, from 1.
        line: u64,
    },
    /// The canary came back changed: the way here changes what it carries.
    #[error("characters are changed on the way here")]
    Canary,
    /// The engine had no list of reports.
    #[error("the engine had no list of reports")]
    NoList,
    /// The file stops before its end record.
    #[error("the file stops before its end record")]
    NoEnd,
    /// A line is no record, or not one that may stand there.
    #[error("line {line} is no record that may stand there")]
    BadLine {
        /// Number of the first such line, from 1.
        line: u64,
    },
    /// A row's number does not follow the one before.
    #[error("line {line}: a row is missing or out of order")]
    OutOfOrder {
        /// Number of the first such line, from 1.
        line: u64,
    },
    /// The counts differ.
    #[error("{found} rows where {expected} should be")]
    WrongCount {
        /// Rows that were said to be there.
        expected: u64,
        /// Rows that were there.
        found: u64,
    },
    /// The engine broke off in the middle of its list.
    #[error("the engine broke off in the middle of its list")]
    BrokenOff,
    /// Reports that could not be rendered, or whose row makes no report.
    #[error("{reports} reports could not be read")]
    Faults {
        /// How many.
        reports: u64,
    },
}

impl Incompleteness {
    /// The file as a whole cannot be trusted, its rows neither.
    pub(crate) fn spoils_all(&self) -> bool {
        match self {
            Self::NotOurs | Self::NonceMismatch { .. } | Self::Canary | Self::NoList => true,
            Self::NoEnd
            | Self::BadLine { .. }
            | Self::OutOfOrder { .. }
            | Self::WrongCount { .. }
            | Self::BrokenOff
            | Self::Faults { .. } => false,
        }
    }
}
