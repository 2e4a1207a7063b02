//! The block **Pending invitations** of the Insight users page.

use diesel::prelude::*;

use super::{Invitation, Row as Full, pending};
use crate::Result;
use crate::access::{ManageMembers, Tx};
use crate::db::types::{InvitationId, MailId, Timestamp};
use crate::db::{Backend, Counted};
use crate::schema::{accounts, invitations, members, outbox, users};
use crate::web::paging::{self, COUNT_CAP, PAGE, Page, Place};
use crate::web::request::Request;

/// Name of the page parameter.
const PARAMETER: &str = "invitations";

/// One page of pending invitations, newest first; part of the members page as its field `pending`.
pub struct Section {
    pub count: String,
    /// "12 of 20 seats are used."
    pub seats: String,
    pub range: String,
    pub page: Page<Pending>,
}

/// One row.
pub struct Pending {
    pub invitation: Invitation,
    pub delivery: Delivery,
    pub expired: bool,
}

/// Where the last mail with a link is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    Queued,
    /// It could not be handed over; the server's answer and when it is tried again.
    Retrying {
        answer: String,
        next: Timestamp,
    },
    Sent,
    Failed {
        answer: String,
    },
    /// The link was passed on by other means.
    Copied,
}

impl Delivery {
    /// Class of the mark.
    pub fn class(&self) -> &'static str {
        match self {
            Delivery::Sent => "is-ok",
            Delivery::Failed { .. } => "is-warn",
            _ => "",
        }
    }

    /// What the mail server said.
    pub fn answer(&self) -> Option<&str> {
        match self {
            Delivery::Retrying { answer, .. } | Delivery::Failed { answer } => Some(answer),
            _ => None,
        }
    }

    /// When it is tried again.
    pub fn next_try(&self) -> Option<&Timestamp> {
        match self {
            Delivery::Retrying { next, .. } => Some(next),
            _ => None,
        }
    }

    pub fn icon(&self) -> &'static str {
        match self {
            Delivery::Queued | Delivery::Retrying { .. } => "clock",
            Delivery::Sent => "circle-check",
            Delivery::Failed { .. } => "alert-triangle",
            Delivery::Copied => "copy",
        }
    }

    pub fn label(&self) -> &'static str {
        match self {
            Delivery::Queued | Delivery::Retrying { .. } => "Queued",
            Delivery::Sent => "Sent",
            Delivery::Failed { .. } => "Failed",
            Delivery::Copied => "Link copied",
        }
    }
}

impl Pending {
    /// How far the person has come.
    pub fn progress(&self) -> &'static str {
        if self.invitation.password_set_at.is_some() {
            "Password set"
        } else if self.invitation.opened_at.is_some() {
            "Opened"
        } else {
            "Not opened"
        }
    }

    /// "Viewer, Technician" or "None".
    pub fn roles(&self) -> String {
        match self.invitation.grants.roles.names().as_slice() {
            [] => "None".to_owned(),
            names => names.join(", "),
        }
    }
}

type Mail = (MailId, String, Timestamp, Option<String>);

/// The page that the query string asks for.
pub fn section(tx: &mut Tx<ManageMembers>, request: &Request) -> Result<Section> {
    let (account, now) = (tx.account(), tx.now());
    let place: Option<Place<(Timestamp, InvitationId)>> = Place::read(request.query(), PARAMETER);
    let ids: Vec<(InvitationId, Timestamp)> = ids(tx, place.as_ref())?;
    let page = paging::page(
        ids,
        PAGE,
        place.as_ref(),
        |(id, at)| (*at, *id),
        |to| {
            format!(
                "{}#h-pending",
                paging::with(request.path(), request.query(), &[], PARAMETER, to)
            )
        },
    );
    let total = match (&place, &page.next) {
        // All of them are in view.
        (None, None) => i64::try_from(page.rows.len()).unwrap_or(i64::MAX),
        _ => count(tx)?,
    };
    let wanted: Vec<InvitationId> = page.rows.iter().map(|(id, _)| *id).collect();
    let full: Vec<Full> = if wanted.is_empty() {
        Vec::new()
    } else {
        pending!()
            .filter(invitations::account_id.eq(account))
            .filter(invitations::id.eq_any(wanted))
            .load(tx.conn())?
    };
    let mut full: Vec<Invitation> = full.into_iter().map(Invitation::from).collect();
    let mails: Vec<MailId> = full.iter().filter_map(|i| i.mail).collect();
    let mails: Vec<Mail> = if mails.is_empty() {
        Vec::new()
    } else {
        outbox::table
            .filter(outbox::id.eq_any(mails))
            .select((
                outbox::id,
                outbox::state,
                outbox::available_at,
                outbox::answer,
            ))
            .load(tx.conn())?
    };
    let mut rows = Vec::new();
    for (id, _) in page.rows {
        let Some(at) = full.iter().position(|i| i.id == id) else {
            continue;
        };
        let invitation = full.swap_remove(at);
        rows.push(Pending {
            delivery: delivery(&invitation, &mails),
            expired: invitation.expires_at <= now,
            invitation,
        });
    }
    let page = Page {
        rows,
        previous: page.previous,
        next: page.next,
        first: page.first,
    };
    let seats = crate::billing::seats::load(tx, account)?.sentence();
    Ok(Section {
        seats,
        count: paging::capped(total),
        range: page.range(total),
        page,
    })
}

/// How many are pending, counted up to one more than the cap; in an order, as in [`crate::users::list::count`].
fn count(tx: &mut Tx<ManageMembers>) -> Result<i64> {
    let some = invitations::table
        .filter(invitations::account_id.eq(tx.account()))
        .filter(invitations::joined_at.is_null())
        .filter(invitations::revoked_at.is_null())
        .select(invitations::id)
        .order((invitations::invited_at, invitations::id))
        .limit(COUNT_CAP + 1)
        .into_boxed::<Backend>();
    Ok(Counted(some).get_result(tx.conn())?)
}

/// Keys of up to a page and one more row, by the index alone.
fn ids(
    tx: &mut Tx<ManageMembers>,
    place: Option<&Place<(Timestamp, InvitationId)>>,
) -> Result<Vec<(InvitationId, Timestamp)>> {
    let limit = i64::try_from(PAGE + 1).unwrap_or(i64::MAX);
    let mut query = invitations::table
        .filter(invitations::account_id.eq(tx.account()))
        .filter(invitations::joined_at.is_null())
        .filter(invitations::revoked_at.is_null())
        .select((invitations::id, invitations::invited_at))
        .limit(limit)
        .into_boxed::<Backend>();
    query = match place {
        Some(Place {
            back: true,
            key: (at, id),
            ..
        }) => query
            .filter(
                invitations::invited_at
                    .gt(*at)
                    .or(invitations::invited_at.eq(*at).and(invitations::id.gt(*id))),
            )
            .order((invitations::invited_at.asc(), invitations::id.asc())),
        Some(Place { key: (at, id), .. }) => query
            .filter(
                invitations::invited_at
                    .lt(*at)
                    .or(invitations::invited_at.eq(*at).and(invitations::id.lt(*id))),
            )
            .order((invitations::invited_at.desc(), invitations::id.desc())),
        None => query.order((invitations::invited_at.desc(), invitations::id.desc())),
    };
    Ok(query.load(tx.conn())?)
}

fn delivery(invitation: &Invitation, mails: &[Mail]) -> Delivery {
    let Some(id) = invitation.mail else {
        return Delivery::Copied;
    };
    match mails.iter().find(|(mail, ..)| *mail == id) {
        Some((_, state, next, answer)) => match (state.as_str(), answer) {
            ("queued", Some(answer)) => Delivery::Retrying {
                answer: answer.clone(),
                next: *next,
            },
            ("queued", None) => Delivery::Queued,
            ("failed", answer) => Delivery::Failed {
                answer: answer.clone().unwrap_or_default(),
            },
            _ => Delivery::Sent,
        },
        // Old messages are cleared away.
        None => Delivery::Sent,
    }
}

#[cfg(test)]
mod tests {
    use askama::Template;

    use super::*;
    use crate::access::PlatformRoles;
    use crate::accounts::Grants;
    use crate::db::types::AccountId;
    use crate::web::times::{Times, Zone};

    #[derive(Template)]
    #[template(
        source = r#"{% import "macros.html" as m %}{% include "invitations/pending.html" %}"#,
        ext = "html"
    )]
    struct Block {
        times: Times,
        pending: Section,
    }

    const DAY: i64 = 86_400_000_000;

    fn invitation(id: i64) -> Invitation {
        Invitation {
            id: InvitationId(id),
            account: AccountId(1),
            account_name: "Halden Logistics".into(),
            email: format!("person{id}@halden.example"),
            name: String::new(),
            grants: Grants {
                roles: PlatformRoles {
                    viewer: true,
                    technician: true,
                    admin: false,
                },
                profile: None,
                role: None,
            },
            invited_by: None,
            inviter: "Erika Moss".into(),
            vouched: true,
            sent_at: Timestamp(0),
            expires_at: Timestamp(7 * DAY),
            opened_at: None,
            password_set_at: None,
            mail: Some(MailId(id)),
        }
    }

    fn block(rows: Vec<Pending>) -> String {
        let times = Times {
            zone: Zone::utc(),
            now: Timestamp(4 * DAY),
        };
        let page = Page {
            first: i64::from(!rows.is_empty()),
            rows,
            previous: None,
            next: None,
        };
        let pending = Section {
            count: page.rows.len().to_string(),
            range: page.range(1),
            seats: String::new(),
            page,
        };
        Block { times, pending }.render().unwrap()
    }

    #[test]
    fn the_block_stands_there_with_nobody_in_it() {
        let html = block(Vec::new());
        assert!(html.contains(r#"Pending invitations <span class="count">0</span>"#));
        assert!(html.contains("Invite Member"));
        assert!(!html.contains("<table"));
    }

    #[test]
    fn a_row_says_where_its_mail_is_and_how_far_the_person_has_come() {
        let mails: Vec<Mail> = vec![
            (MailId(1), "queued".into(), Timestamp(4 * DAY), None),
            (
                MailId(2),
                "queued".into(),
                Timestamp(4 * DAY),
                Some("451 later".into()),
            ),
            (MailId(3), "sent".into(), Timestamp(0), None),
            (
                MailId(4),
                "failed".into(),
                Timestamp(0),
                Some("550 no such user".into()),
            ),
        ];
        let row = |invitation: Invitation| Pending {
            delivery: delivery(&invitation, &mails),
            expired: false,
            invitation,
        };
        let html = block((1..=4).map(|id| row(invitation(id))).collect());
        assert_eq!(html.matches("Resend<span").count(), 4);
        assert!(html.contains("Queued, next try <time"));
        assert!(html.contains("</time>: 451 later · Not opened</span>"));
        assert!(html.contains("Failed: 550 no such user · Not opened</span>"));
        assert!(html.contains("Expires in 3 days"));
        assert_eq!(row(invitation(3)).delivery, Delivery::Sent);
        let copied = Invitation {
            mail: None,
            opened_at: Some(Timestamp(1)),
            ..invitation(5)
        };
        let html = block(vec![row(copied)]);
        assert!(html.contains("Link copied · Opened</span>"));
    }
}
