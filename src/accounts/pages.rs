//! The start page, and switching between accounts.

use askama::Template;

use crate::access::{Can, Environment, PlatformRoles, SignedIn};
use crate::db::types::AccountId;
use crate::members::{self, Member};
use crate::web::answer::Answer;
use crate::web::request::Request;
use crate::web::shell::{MenuEntry, Shell};
use crate::{Error, Result};

/// Administrators named on the start page.
const NAMED: usize = 5;

/// `GET /`: to where this person's work is.
pub fn home(can: Can<SignedIn>, _: &Request) -> Result<Answer> {
    let me = can.me();
    Ok(if me.roles.admin {
        Answer::see_other(members::PATH)
    } else {
        Answer::see_other(format!("/{}", me.environment.slug()))
    })
}

#[derive(Template)]
#[template(path = "accounts/start.html")]
struct Start {
    shell: Shell,
    name: String,
    account: String,
    roles: PlatformRoles,
    /// What this person may open, from the menu.
    opens: Vec<MenuEntry>,
    administrators: Vec<Member>,
    more_administrators: bool,
}

/// `GET /{environment}`
pub fn start(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let environment: Environment = request.param("environment")?;
    let me = can.me();
    let mut administrators = can.read(|tx| members::administrators(tx, NAMED + 1))?;
    let more_administrators = administrators.len() > NAMED;
    administrators.truncate(NAMED);
    let mut shell = can.page(request, &[(environment.label(), ""), ("Start", "")])?;
    // The environment is named at the end of the title anyway.
    shell.title = "Start".into();
    let opens = shell
        .frame
        .iter()
        .flat_map(|frame| &frame.menu)
        .flat_map(|group| &group.entries)
        .filter(|entry| !entry.current)
        .cloned()
        .collect();
    Answer::page(&Start {
        shell,
        name: me.name.clone(),
        account: me.account_name.clone(),
        roles: me.roles,
        opens,
        administrators,
        more_administrators,
    })
}

#[derive(Template)]
#[template(path = "accounts/index.html")]
struct Accounts {
    shell: Shell,
    rows: Vec<super::Own>,
    current: AccountId,
}

/// `GET /accounts`
pub fn index(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let rows = can.read(super::own)?;
    Answer::page(&Accounts {
        shell: can.page(request, &[("Accounts", "")])?,
        rows,
        current: can.me().account,
    })
}

/// `POST /accounts/switch`
pub fn switch(can: Can<SignedIn>, request: &Request) -> Result<Answer> {
    let account: AccountId = request
        .form()
        .one("account")?
        .parse()
        .map_err(|()| Error::NotFound)?;
    if account == can.me().account {
        return Ok(Answer::see_other("/"));
    }
    let (name, token) = can.write(|tx| super::enter(tx, account))?;
    Ok(Answer::see_other("/")
        .start_session(token)
        .flash(format!("You are now in {name}.")))
}
