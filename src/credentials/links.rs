//! Links that are mailed or printed: first start, invitations, new passwords, set-up of access after a reset.
//!
//! Only the hash of a token is stored. Opening a link moves the token into a short cookie; only a POST consumes it,
//! with one conditional statement, so that of two parallel uses one wins. What a person has entered so far is kept
//! sealed with the link, so that a registration can be left and resumed.
//!
//! An invitation may have several live links: a reminder cannot repeat the first one, whose token nobody knows any
//! more. They open the same door: whichever token is shown, the first live link of the invitation is the one that
//! keeps what was entered, counts wrong codes and is consumed.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::keys::Purpose;
use super::tokens::{Token, TokenKind};
use super::totp::Secret;
use crate::access::{Proof, Tx};
use crate::db::types::{AccountId, InvitationId, LinkId, Timestamp, UserId};
use crate::schema::links;
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::{Error, Result};

/// The cookie that carries the token after the link was opened.
pub const COOKIE: &str = "link";

/// How long that cookie lasts; the link itself can be opened again.
const COOKIE_AGE: time::Duration = time::Duration::minutes(30);

/// Wrong codes after which a link is dead, so that nobody can guess on.
const MAX_FAILURES: i32 = 100;

/// What a link opens, and for whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// The first account of this installation.
    Setup,
    /// Registration or joining.
    Invitation(AccountId, InvitationId),
    /// A new password.
    NewPassword(UserId),
    /// Two-factor, and perhaps the password, after a reset by an administrator.
    SetUpAccess(UserId),
}

impl Subject {
    fn kind(self) -> TokenKind {
        match self {
            Subject::Setup => TokenKind::Setup,
            Subject::Invitation(..) => TokenKind::Invitation,
            Subject::NewPassword(_) => TokenKind::NewPassword,
            Subject::SetUpAccess(_) => TokenKind::SetUpAccess,
        }
    }

    fn parts(self) -> (Option<AccountId>, Option<InvitationId>, Option<UserId>) {
        match self {
            Subject::Setup => (None, None, None),
            Subject::Invitation(account, invitation) => (Some(account), Some(invitation), None),
            Subject::NewPassword(user) | Subject::SetUpAccess(user) => (None, None, Some(user)),
        }
    }

    /// How long such a link is valid (SPEC 3).
    pub fn lifetime(self) -> time::Duration {
        match self {
            Subject::Setup | Subject::Invitation(..) => time::Duration::days(7),
            Subject::NewPassword(_) => time::Duration::hours(1),
            Subject::SetUpAccess(_) => time::Duration::hours(24),
        }
    }
}

/// What has been entered so far.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Pending {
    pub company: String,
    pub name: String,
    pub email: String,
    /// Hash of the chosen password; empty until it is chosen, or when the present one stays.
    pub password: String,
    /// The TOTP secret on the page: the same one until the code is right.
    pub secret: Vec<u8>,
    /// Known to the one browser that has proved the password behind this link; empty where nothing is to be proved.
    #[serde(default)]
    pub browser: Vec<u8>,
}

impl Pending {
    /// The secret of a registration under way, once there is one.
    pub fn secret(&self) -> Option<Secret> {
        Secret::from_bytes(&self.secret)
    }
}

/// A live link.
pub struct Link {
    pub id: LinkId,
    pub subject: Subject,
    pub expires_at: Timestamp,
    pub pending: Option<Pending>,
}

/// Makes a link; every earlier one for the same subject is dead from now on.
pub fn issue<P: Proof>(tx: &mut Tx<P>, subject: Subject) -> Result<Token> {
    revoke(tx, subject)?;
    let expires_at = tx.now() + subject.lifetime();
    issue_also(tx, subject, expires_at)
}

/// Makes one more link for a subject, beside those that are out already: for a reminder.
pub fn issue_also<P: Proof>(
    tx: &mut Tx<P>,
    subject: Subject,
    expires_at: Timestamp,
) -> Result<Token> {
    let token = Token::new(subject.kind());
    let (account, invitation, user) = subject.parts();
    let now = tx.now();
    diesel::insert_into(links::table)
        .values((
            links::kind.eq(subject.kind().prefix()),
            links::token_hash.eq(token.hash().to_vec()),
            links::account_id.eq(account),
            links::invitation_id.eq(invitation),
            links::user_id.eq(user),
            links::created_at.eq(now),
            links::expires_at.eq(expires_at),
        ))
        .execute(tx.conn())?;
    Ok(token)
}

/// Ends every live link for a subject.
pub fn revoke<P: Proof>(tx: &mut Tx<P>, subject: Subject) -> Result<()> {
    let now = tx.now();
    let live = links::table
        .filter(links::kind.eq(subject.kind().prefix()))
        .filter(links::used_at.is_null())
        .filter(links::revoked_at.is_null());
    let gone = (
        links::revoked_at.eq(now),
        links::pending.eq(None::<Vec<u8>>),
    );
    match subject {
        Subject::Setup => diesel::update(live).set(gone).execute(tx.conn())?,
        Subject::Invitation(account, invitation) => diesel::update(
            live.filter(links::account_id.eq(account))
                .filter(links::invitation_id.eq(invitation)),
        )
        .set(gone)
        .execute(tx.conn())?,
        Subject::NewPassword(user) | Subject::SetUpAccess(user) => {
            diesel::update(live.filter(links::user_id.eq(user)))
                .set(gone)
                .execute(tx.conn())?
        }
    };
    Ok(())
}

type Row = (
    LinkId,
    Option<AccountId>,
    Option<InvitationId>,
    Option<UserId>,
    Timestamp,
    Option<Vec<u8>>,
);

/// The live link of a token; every dead or unknown one gives the same error.
pub fn find<P: Proof>(tx: &mut Tx<P>, kind: TokenKind, token: &Token) -> Result<Link> {
    let now = tx.now();
    let live = links::table
        .filter(links::kind.eq(kind.prefix()))
        .filter(links::used_at.is_null())
        .filter(links::revoked_at.is_null())
        .filter(links::expires_at.gt(now))
        .filter(links::failures.lt(MAX_FAILURES))
        .select((
            links::id,
            links::account_id,
            links::invitation_id,
            links::user_id,
            links::expires_at,
            links::pending,
        ));
    let mut row: Option<Row> = live
        .filter(links::token_hash.eq(token.hash().to_vec()))
        .first(tx.conn())
        .optional()?;
    if let Some((_, Some(account), Some(invitation), ..)) = row {
        // The first one even when it is dead of wrong codes: a reminder gives no further guesses.
        let first: LinkId = links::table
            .filter(links::account_id.eq(account))
            .filter(links::invitation_id.eq(invitation))
            .filter(links::used_at.is_null())
            .filter(links::revoked_at.is_null())
            .order(links::id)
            .select(links::id)
            .first(tx.conn())?;
        row = live
            .filter(links::id.eq(first))
            .first(tx.conn())
            .optional()?;
    }
    let (id, account, invitation, user, expires_at, sealed) = row.ok_or(Error::LinkNotValid)?;
    let subject = match (kind, account, invitation, user) {
        (TokenKind::Setup, ..) => Subject::Setup,
        (TokenKind::Invitation, Some(account), Some(invitation), _) => {
            Subject::Invitation(account, invitation)
        }
        (TokenKind::NewPassword, _, _, Some(user)) => Subject::NewPassword(user),
        (TokenKind::SetUpAccess, _, _, Some(user)) => Subject::SetUpAccess(user),
        _ => return Err(Error::LinkNotValid),
    };
    let pending = match sealed {
        None => None,
        Some(sealed) => {
            let plain = tx
                .app()
                .keys
                .open(Purpose::Link, &id.0.to_be_bytes(), &sealed)
                .map_err(Error::internal)?;
            Some(serde_json::from_slice(&plain).map_err(Error::internal)?)
        }
    };
    Ok(Link {
        id,
        subject,
        expires_at,
        pending,
    })
}

/// The live link whose token this browser's cookie carries.
pub fn of_request<P: Proof>(tx: &mut Tx<P>, kind: TokenKind, request: &Request) -> Result<Link> {
    let token = request
        .token_cookie(COOKIE, kind)
        .ok_or(Error::LinkNotValid)?;
    find(tx, kind, &token)
}

/// Answers `GET …/{token}`: the token goes into a cookie and out of the address bar, history and Referer.
pub fn open(request: &Request, kind: TokenKind, page: &str) -> Result<Answer> {
    let text: String = request.param("token")?;
    let token = Token::parse(kind, &text).ok_or(Error::LinkNotValid)?;
    Ok(Answer::see_other(page).set_cookie(COOKIE, token.expose(), Some(COOKIE_AGE)))
}

/// Keeps what has been entered so far.
pub fn keep<P: Proof>(tx: &mut Tx<P>, link: LinkId, pending: &Pending) -> Result<()> {
    let plain = serde_json::to_vec(pending).map_err(Error::internal)?;
    let sealed = tx
        .app()
        .keys
        .seal(Purpose::Link, &link.0.to_be_bytes(), &plain);
    diesel::update(links::table.filter(links::id.eq(link)))
        .set(links::pending.eq(sealed))
        .execute(tx.conn())?;
    Ok(())
}

/// Counts a wrong code typed behind a link. At a hundred the link is dead.
pub fn count_wrong_code<P: Proof>(tx: &mut Tx<P>, link: LinkId) -> Result<()> {
    diesel::update(links::table.filter(links::id.eq(link)))
        .set(links::failures.eq(links::failures + 1))
        .execute(tx.conn())?;
    Ok(())
}

/// Uses a link up. Exactly one transaction can.
pub fn consume<P: Proof>(tx: &mut Tx<P>, link: LinkId) -> Result<()> {
    let now = tx.now();
    let used = diesel::update(
        links::table
            .filter(links::id.eq(link))
            .filter(links::used_at.is_null())
            .filter(links::revoked_at.is_null())
            .filter(links::expires_at.gt(now)),
    )
    .set((links::used_at.eq(now), links::pending.eq(None::<Vec<u8>>)))
    .execute(tx.conn())?;
    if used == 1 {
        Ok(())
    } else {
        Err(Error::LinkNotValid)
    }
}

/// Deletes links that have expired, and with them what was entered behind those that nobody finished; called by the
/// housekeeping job.
pub fn sweep<P: Proof>(tx: &mut Tx<P>) -> Result<usize> {
    let now = tx.now();
    Ok(diesel::delete(links::table.filter(links::expires_at.lt(now))).execute(tx.conn())?)
}
