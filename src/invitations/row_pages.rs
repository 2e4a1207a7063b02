//! What can be done with a pending invitation: **Resend**, **Copy link**, **Revoke**.

use askama::Template;

use super::{Invitation, fresh_link, pending_one, resend as send_again, revoke as end};
use crate::access::{Can, ManageMembers};
use crate::credentials::sessions::{self, Revealed};
use crate::db::types::InvitationId;
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

const LIST: &str = "/shared/insight-users";

/// The invitation of the path. A new link to an invitation that makes an administrator needs a fresh code, like the
/// invitation itself did.
fn chosen(can: &Can<ManageMembers>, request: &Request) -> Result<Invitation> {
    let id: InvitationId = request.param("invitation")?;
    let invitation = can.read(|tx| pending_one(tx, id))?;
    if invitation.grants.roles.admin {
        can.require_fresh_code(LIST)?;
    }
    Ok(invitation)
}

/// `POST …/resend`.
pub fn resend(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id = chosen(&can, request)?.id;
    let invitation = can.write(|tx| send_again(tx, id))?;
    Ok(Answer::see_other(LIST).flash(format!(
        "The invitation to {} was sent again.",
        invitation.email
    )))
}

/// `POST …/copy-link`: makes a fresh link; the page that shows it comes next.
pub fn copy_link(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id = chosen(&can, request)?.id;
    let session = request.session().ok_or(Error::SignIn)?;
    if let Some(Revealed::RecoveryCodes(_)) = can.read(sessions::revealed)? {
        // A session keeps one thing; the link would take the place of codes that nobody can show again.
        return Ok(Answer::see_other("/recovery-codes")
            .flash_warning("Save your recovery codes first, then copy the link."));
    }
    can.write(|tx| {
        let (invitation, url) = fresh_link(tx, id)?;
        let email = invitation.email;
        sessions::reveal(tx, session, &Revealed::InvitationLink { email, url })
    })?;
    Ok(Answer::see_other(format!(
        "{LIST}/invitations/{id}/copy-link"
    )))
}

#[derive(Template)]
#[template(path = "invitations/copy_link.html")]
struct CopyLinkPage {
    shell: Shell,
    invitation: Invitation,
    url: String,
}

fn shell(can: &Can<ManageMembers>, request: &Request, email: &str, last: &str) -> Result<Shell> {
    can.page(
        request,
        &[
            ("Shared", ""),
            ("Insight users", LIST),
            (email, ""),
            (last, ""),
        ],
    )
}

/// `GET …/copy-link`: shows the link once.
pub fn copied_link(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: InvitationId = request.param("invitation")?;
    let (invitation, revealed) =
        can.read(|tx| Ok((pending_one(tx, id)?, sessions::revealed(tx)?)))?;
    let url = match revealed {
        Some(Revealed::InvitationLink { email, url }) if email == invitation.email => url,
        _ => {
            return Ok(Answer::see_other(LIST).flash_warning(format!(
                "A link is shown once. Press Copy link for a fresh link to the invitation of {}.",
                invitation.email
            )));
        }
    };
    can.write(sessions::forget_revealed)?;
    Answer::page(&CopyLinkPage {
        shell: shell(&can, request, &invitation.email, "Copy link")?,
        invitation,
        url,
    })
}

#[derive(Template)]
#[template(path = "invitations/revoke.html")]
struct RevokePage {
    shell: Shell,
    invitation: Invitation,
}

/// `GET …/revoke`: what happens.
pub fn revoke(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: InvitationId = request.param("invitation")?;
    let invitation = can.read(|tx| pending_one(tx, id))?;
    Answer::page(&RevokePage {
        shell: shell(&can, request, &invitation.email, "Revoke")?,
        invitation,
    })
}

/// `POST …/revoke`.
pub fn revoke_now(can: Can<ManageMembers>, request: &Request) -> Result<Answer> {
    let id: InvitationId = request.param("invitation")?;
    let email = can.write(|tx| end(tx, id))?;
    Ok(Answer::see_other(LIST).flash(format!("The invitation to {email} was revoked.")))
}
