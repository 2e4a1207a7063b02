//! What is written to invited people and to those who invited them.

use askama::Template;
use diesel::prelude::*;

use super::Invitation;
use crate::access::{Proof, Tx};
use crate::credentials::email::Email;
use crate::credentials::tokens::Token;
use crate::mail::{self, Content, Message, Priority};
use crate::schema::{invitations, members, users};
use crate::web::times::{self, Zone};
use crate::{Error, Result};

struct Facts {
    name: String,
    company: String,
    inviter: String,
    email: String,
    expires: String,
    url: String,
    reminder: bool,
}

#[derive(Template)]
#[template(path = "mail/invitation.txt")]
struct InvitationText<'a> {
    m: &'a Facts,
}

#[derive(Template)]
#[template(path = "mail/invitation.html")]
struct InvitationHtml<'a> {
    m: &'a Facts,
}

/// Mails a link. The row shows the delivery of this message from now on.
pub(super) fn invite<P: Proof>(
    tx: &mut Tx<P>,
    invitation: &Invitation,
    token: &Token,
    reminder: bool,
) -> Result<()> {
    let facts = Facts {
        name: invitation.name.clone(),
        company: invitation.account_name.clone(),
        inviter: invitation.inviter.clone(),
        email: invitation.email.clone(),
        expires: times::date(&Zone::utc(), invitation.expires_at),
        url: super::url(tx, token),
        reminder,
    };
    let subject = if reminder {
        format!("Reminder: join {} on Insight", facts.company)
    } else {
        format!(
            "{} invites you to join {} on Insight",
            facts.inviter, facts.company
        )
    };
    let content = Content::new(
        subject,
        &InvitationText { m: &facts },
        &InvitationHtml { m: &facts },
    )?;
    let to = Email::parse(&invitation.email).map_err(Error::internal)?;
    let id = mail::send(
        tx,
        &Message {
            kind: if reminder {
                "invitation-reminder"
            } else {
                "invitation"
            },
            priority: Priority::Invitation,
            to: &to,
            account: Some(invitation.account),
            invitation: Some(invitation.id),
            announcement: None,
            content,
        },
    )?;
    diesel::update(super::row(invitation.account, invitation.id))
        .set(invitations::mail_id.eq(id))
        .execute(tx.conn())?;
    Ok(())
}

struct Joined<'a> {
    inviter: &'a str,
    name: &'a str,
    email: &'a str,
    company: &'a str,
    roles: String,
    url: String,
}

#[derive(Template)]
#[template(path = "mail/joined.txt")]
struct JoinedText<'a> {
    m: &'a Joined<'a>,
}

#[derive(Template)]
#[template(path = "mail/joined.html")]
struct JoinedHtml<'a> {
    m: &'a Joined<'a>,
}

/// Tells the inviting administrator that the person has joined.
pub(super) fn joined<P: Proof>(tx: &mut Tx<P>, invitation: &Invitation, name: &str) -> Result<()> {
    let Some(inviter) = invitation.invited_by else {
        return Ok(());
    };
    let to: String = members::table
        .inner_join(users::table)
        .filter(members::account_id.eq(invitation.account))
        .filter(members::id.eq(inviter))
        .select(users::email)
        .first(tx.conn())?;
    let facts = Joined {
        inviter: &invitation.inviter,
        name,
        email: &invitation.email,
        company: &invitation.account_name,
        roles: invitation.grants.roles.sentence(),
        url: tx.app().config.link("/shared/insight-users"),
    };
    let content = Content::new(
        format!("{name} has joined {}", facts.company),
        &JoinedText { m: &facts },
        &JoinedHtml { m: &facts },
    )?;
    mail::send(
        tx,
        &Message {
            kind: "joined",
            priority: Priority::Invitation,
            to: &Email::parse(&to).map_err(Error::internal)?,
            account: Some(invitation.account),
            invitation: None,
            announcement: None,
            content,
        },
    )?;
    Ok(())
}
