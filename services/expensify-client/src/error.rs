//! How a request fails: one variant per decision that a caller makes. `Display` says what was asked, the code, and the
//! server's message, never credentials and never the source.

use std::time::Duration;

use crate::{
    gate::GateClosed,
    job::{Asked, JobKind},
};

/// The client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No TLS configuration can be made, for example because the system has no certificate authorities.
    #[error("the HTTP client cannot be set up")]
    Http(#[source] reqwest::Error),
    /// No TLS version is usable.
    #[error("TLS cannot be set up")]
    Tls(#[source] rustls::Error),
    /// The endpoint is neither http nor https.
    #[error("the endpoint's scheme is {0:?}, not http or https")]
    Scheme(String),
}

/// Whether asking again can help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The same request will fail in the same way.
    Never,
    /// It may pass, after a while.
    Later,
    /// It will pass once the rate limit allows; wait 30 s or more.
    RateLimited,
}

/// A job that was not done.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The gate is closed: nothing was sent.
    #[error("{asked}: not sent, the service is stopping")]
    GateClosed {
        /// What was not sent.
        asked: Asked,
        /// The gate's word.
        source: GateClosed,
    },
    /// No answer, or only half of one. The server may have done the job.
    #[error("{asked}: no answer{}", if *.answering { " to the end" } else { "" })]
    NoAnswer {
        /// What was asked.
        asked: Asked,
        /// The head of an answer was there.
        answering: bool,
        /// Why.
        source: reqwest::Error,
    },
    /// No answer in time. The server may have done the job, or be at it.
    #[error("{asked}: no answer within {} s", after.as_secs_f64())]
    TimedOut {
        /// What was asked.
        asked: Asked,
        /// The bound that was passed.
        after: Duration,
    },
    /// The answer is a redirect; none is followed, the job carries credentials.
    #[error("{asked}: redirected (HTTP {status}), which is not followed")]
    Redirected {
        /// What was asked.
        asked: Asked,
        /// HTTP status.
        status: u16,
    },
    /// The rate limit was passed.
    #[error("{asked}: rate limited: {message}")]
    RateLimited {
        /// What was asked.
        asked: Asked,
        /// The server's message.
        message: String,
    },
    /// The server refused the job.
    #[error("{asked}: refused{}: {message}", .code.map(|code| format!(" ({code})")).unwrap_or_default())]
    Refused {
        /// What was asked.
        asked: Asked,
        /// The `responseCode`, if there was one to read.
        code: Option<i64>,
        /// The server's message.
        message: String,
    },
    /// Something answered that does not speak the API: a proxy, a maintenance page.
    #[error("{asked}: the answer is not the API's (HTTP {status}): {excerpt}")]
    Foreign {
        /// What was asked.
        asked: Asked,
        /// HTTP status.
        status: u16,
        /// The beginning of the answer.
        excerpt: String,
    },
    /// A download is empty: the file is not ready, or holds nothing.
    #[error("{asked}: the file is empty or not ready")]
    NotReady {
        /// What was asked.
        asked: Asked,
    },
    /// The answer is larger than what is read.
    #[error("{asked}: the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// What was asked.
        asked: Asked,
        /// The bound.
        limit_bytes: u64,
    },
    /// The server says that the job is done, and what it says cannot be understood.
    #[error("{asked}: the answer cannot be understood: {reason}")]
    Unexpected {
        /// What was asked.
        asked: Asked,
        /// What is wrong with the answer.
        reason: String,
    },
}

impl ClientError {
    /// What was asked.
    pub fn asked(&self) -> &Asked {
        match self {
            Self::GateClosed { asked, .. }
            | Self::NoAnswer { asked, .. }
            | Self::TimedOut { asked, .. }
            | Self::Redirected { asked, .. }
            | Self::RateLimited { asked, .. }
            | Self::Refused { asked, .. }
            | Self::Foreign { asked, .. }
            | Self::NotReady { asked }
            | Self::TooLarge { asked, .. }
            | Self::Unexpected { asked, .. } => asked,
        }
    }

    /// The kind of job that failed.
    pub fn job(&self) -> JobKind {
        self.asked().job
    }

    /// The server's `responseCode`, if it gave one.
    pub fn code(&self) -> Option<i64> {
        match self {
            Self::Refused { code, .. } => *code,
            Self::RateLimited { .. } => Some(429),
            Self::GateClosed { .. }
            | Self::NoAnswer { .. }
            | Self::TimedOut { .. }
            | Self::Redirected { .. }
            | Self::Foreign { .. }
            | Self::NotReady { .. }
            | Self::TooLarge { .. }
            | Self::Unexpected { .. } => None,
        }
    }

    /// Whether asking again can help. A generic failure (500) and a refusal without a code may pass; other codes are
    /// about what was asked or who asks (reference section 1.6). A file that is not found may not be there yet.
    pub fn retry(&self) -> Retry {
        match self {
            Self::RateLimited { .. } => Retry::RateLimited,
            Self::NoAnswer { .. } | Self::TimedOut { .. } | Self::Foreign { .. } | Self::NotReady { .. } => {
                Retry::Later
            }
            Self::Refused { code, asked, .. } => match code {
                None | Some(500..=599) => Retry::Later,
                Some(404) if asked.job == JobKind::Download => Retry::Later,
                Some(_) => Retry::Never,
            },
            Self::GateClosed { .. } | Self::Redirected { .. } | Self::TooLarge { .. } | Self::Unexpected { .. } => {
                Retry::Never
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(job: JobKind) -> Asked {
        Asked { job, parameters: "{}".to_owned() }
    }

    fn refused(job: JobKind, code: Option<i64>) -> ClientError {
        ClientError::Refused { asked: asked(job), code, message: "no".to_owned() }
    }

    #[test]
    fn only_what_can_pass_is_asked_again() {
        for (error, retry) in [
            (refused(JobKind::PolicyList, Some(403)), Retry::Never),
            (refused(JobKind::PolicyList, Some(404)), Retry::Never),
            (refused(JobKind::Export, Some(410)), Retry::Never),
            (refused(JobKind::Export, Some(666)), Retry::Never),
            (refused(JobKind::Export, Some(500)), Retry::Later),
            (refused(JobKind::Download, Some(404)), Retry::Later),
            (refused(JobKind::Download, None), Retry::Later),
            (ClientError::NotReady { asked: asked(JobKind::Download) }, Retry::Later),
            (ClientError::Redirected { asked: asked(JobKind::Export), status: 302 }, Retry::Never),
            (ClientError::RateLimited { asked: asked(JobKind::Export), message: String::new() }, Retry::RateLimited),
        ] {
            assert_eq!(error.retry(), retry, "{error}");
        }
    }

    #[test]
    fn an_error_says_what_was_asked_the_code_and_the_message() {
        let error = refused(JobKind::Export, Some(410));
        assert_eq!(error.to_string(), "export {}: refused (410): no");
        assert_eq!(refused(JobKind::Export, None).to_string(), "export {}: refused: no");
        assert_eq!(error.code(), Some(410));
    }
}
