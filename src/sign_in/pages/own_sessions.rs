//! Where somebody is signed in, and ending that.

use askama::Template;

use super::super::own_device;
use super::own_page;
use crate::access::{Can, SignedIn, Tx};
use crate::accounts;
use crate::audit::{self, Event};
use crate::credentials::sessions::{self, Row};
use crate::db::types::SessionId;
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "sign_in/sessions.html")]
struct SessionsPage {
    shell: Shell,
    this: SessionId,
    rows: Vec<Row>,
}

/// `GET /sessions`
pub fn show(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let rows = can.read(sessions::own)?;
    Answer::page(&SessionsPage {
        shell: own_page(&can, request, &[("Sessions", "")])?,
        this: can.me().session,
        rows,
    })
}

/// `POST /sessions/{session}/end`
pub fn end(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let session: SessionId = request.param("session")?;
    let this = can.me().session;
    let device = can.write(|tx| {
        let user = tx.me().user;
        accounts::lock_of_user(tx, user)?;
        let device = own_device(tx, session)?;
        if !sessions::end_own(tx, session)? {
            return Err(Error::NotFound);
        }
        record(tx, 1)?;
        Ok(device)
    })?;
    if session == this {
        return Ok(Answer::see_other("/sign-in")
            .end_session()
            .flash("You are signed out."));
    }
    Ok(Answer::see_other("/sessions").flash(format!("The session {device} was ended.")))
}

/// `POST /sessions/end-others`
pub fn end_others(can: Can<SignedIn>, _: &Request) -> Result<Answer> {
    let ended = can.write(|tx| {
        let (user, this) = (tx.me().user, tx.me().session);
        accounts::lock_of_user(tx, user)?;
        let ended = sessions::end_all(tx, user, Some(this))?;
        let ended = i64::try_from(ended).map_err(Error::internal)?;
        if ended > 0 {
            record(tx, ended)?;
        }
        Ok(ended)
    })?;
    Ok(Answer::see_other("/sessions").flash(match ended {
        0 => "There were no other sessions.".into(),
        1 => "Your other session was ended.".into(),
        n => format!("Your {n} other sessions were ended."),
    }))
}

fn record(tx: &mut Tx<SignedIn>, count: i64) -> Result<()> {
    let (user, name) = (tx.me().user, tx.me().name.clone());
    audit::record_for_user(tx, user, &Event::SessionsEnded { name, count })
}
