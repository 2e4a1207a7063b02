//! The one error type: what the visitor is told, and nothing more. Causes go to the log once, with the request id
//! that the page shows.

use std::time::Duration;

/// Everything fallible in the library returns this.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What the visitor is told. `web::errors` turns it into a page; section 2 of the security page is its table.
#[derive(Debug)]
pub enum Error {
    /// 404: does not exist, or may not be seen. The two are never told apart.
    NotFound,
    /// 404 with the one text for every dead link: unknown, used, expired, revoked.
    LinkNotValid,
    /// 303 to the sign-in page.
    SignIn,
    /// 303 to the code page: the password was given, the code was not.
    Code,
    /// 303 away from the sign-in pages: the visitor is signed in already.
    SignedInAlready,
    /// 303 to the step-up page, and back to `next` afterwards.
    StepUp { next: String },
    /// 403: the section that was asked for, and who opens it.
    Forbidden {
        section: &'static str,
        who: &'static str,
    },
    /// 403: the account is read-only because an invoice is not paid.
    ReadOnly,
    /// 403: the request did not come from one of our own pages.
    CrossSite,
    /// 400: the request cannot be understood.
    BadRequest(&'static str),
    /// 413: larger than this page accepts.
    TooLarge,
    /// 415: a kind of body that this page does not read.
    WrongType,
    /// 421: asked for under a name that is not ours.
    WrongHost,
    /// 405.
    WrongMethod,
    /// 408: the body took too long to arrive.
    TooSlow,
    /// 429.
    Limited { retry_after: Duration },
    /// 422: not allowed as things stand; the sentence says why and what to do. Forms show it on their own page.
    Refused(String),
    /// 503: a pool, the database or the password hasher is at its limit.
    Busy(String),
    /// 500: our fault.
    Internal(String),
}

impl Error {
    /// A refusal with its sentence.
    pub fn refused(sentence: impl Into<String>) -> Error {
        Error::Refused(sentence.into())
    }

    /// A dependency that is at its limit or away.
    pub fn busy(cause: impl std::fmt::Display) -> Error {
        Error::Busy(cause.to_string())
    }

    /// Something that must not happen.
    pub fn internal(cause: impl std::fmt::Display) -> Error {
        Error::Internal(cause.to_string())
    }

    pub(crate) fn migration(cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
        Error::Internal(format!("migrations: {cause}"))
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Error::Refused(sentence) => f.write_str(sentence),
            Error::Busy(cause) | Error::Internal(cause) => f.write_str(cause),
            other => write!(f, "{other:?}"),
        }
    }
}

impl std::error::Error for Error {}

impl From<diesel::result::Error> for Error {
    /// A missing row is not a 404 here: code that means 404 says so with `.optional()?.ok_or(Error::NotFound)`.
    fn from(e: diesel::result::Error) -> Error {
        use diesel::result::{DatabaseErrorKind as Kind, Error as Db};
        match &e {
            Db::DatabaseError(
                Kind::SerializationFailure | Kind::ClosedConnection | Kind::UnableToSendCommand,
                _,
            ) => Error::busy(&e),
            // Deadlocks, lock and statement time-outs have no kind of their own.
            Db::DatabaseError(Kind::Unknown, info)
                if ["deadlock", "lock timeout", "statement timeout", "locked"]
                    .iter()
                    .any(|word| info.message().contains(word)) =>
            {
                Error::busy(&e)
            }
            _ => Error::internal(&e),
        }
    }
}
