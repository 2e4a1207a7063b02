//! **Account Owner**.

use askama::Template;

use super::OWNER;
use super::owner::{self, LISTED, Person};
use crate::access::{Can, ManageBilling};
use crate::db::types::{MemberId, Timestamp};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// The control that names the new owner.
const CHOICE: &str = "owner";

#[derive(Template)]
#[template(path = "billing/owner.html")]
struct OwnerPage {
    shell: Shell,
    account: String,
    owner: Option<(Person, Option<Timestamp>)>,
    search: String,
    choices: Vec<Person>,
    /// There are more than the list shows.
    more: bool,
    chosen: String,
    me: MemberId,
    errors: Errors,
}

impl OwnerPage {
    /// "since 3 Mar 2026", or "".
    fn since(&self) -> String {
        match &self.owner {
            Some((_, Some(at))) => format!("since {}", self.shell.date(at)),
            _ => String::new(),
        }
    }

    /// Where nothing is searched for; "" when nothing is.
    fn clear(&self) -> &'static str {
        if self.search.is_empty() { "" } else { OWNER }
    }

    fn hint(&self) -> &'static str {
        match self.more {
            true => {
                "The list holds the first 50 members; search for others above. Both people are told by e-mail. You will \
                 be asked for your six-digit code."
            }
            false => "Both people are told by e-mail. You will be asked for your six-digit code.",
        }
    }

    fn label(&self, person: &Person) -> String {
        match person.member == self.me {
            true => format!("{} (you)", person.name),
            false => format!("{}, {}", person.name, person.email),
        }
    }
}

fn page(
    can: &Can<ManageBilling>,
    request: &Request,
    chosen: &str,
    errors: Errors,
) -> Result<OwnerPage> {
    let search = request.query().one("q")?.to_owned();
    let (owner, mut choices) = can.read(|tx| {
        let account = tx.account();
        let owner = owner::load(tx, account)?;
        let member = owner.as_ref().map(|(person, _)| person.member);
        let choices = owner::choices(tx, &search, member)?;
        Ok((owner, choices))
    })?;
    let more = choices.len() > LISTED;
    choices.truncate(LISTED);
    let mut shell = can.page(request, &[("Billing & Account", ""), ("Account Owner", "")])?;
    shell.refused = !errors.is_empty();
    Ok(OwnerPage {
        shell,
        account: can.me().account_name.clone(),
        owner,
        search,
        choices,
        more,
        chosen: chosen.to_owned(),
        me: can.me().member,
        errors,
    })
}

/// `GET /billing/account-owner`
pub fn show(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    Answer::page(&page(&can, request, "", Errors::new())?)
}

#[derive(Template)]
#[template(path = "billing/owner_change.html")]
struct ChangePage {
    shell: Shell,
    account: String,
    before: Option<Person>,
    after: Person,
    /// Whoever asks will not open billing any more.
    lose: bool,
    errors: Errors,
}

/// Who was chosen, and who is the owner now.
fn chosen(
    can: &Can<ManageBilling>,
    typed: &str,
) -> Result<Result<(Option<Person>, Person), &'static str>> {
    let Ok(member) = typed.parse::<MemberId>() else {
        return Ok(Err("Choose a member."));
    };
    can.read(|tx| {
        let account = tx.account();
        let before = owner::load(tx, account)?.map(|(person, _)| person);
        if before
            .as_ref()
            .is_some_and(|person| person.member == member)
        {
            return Ok(Err(
                "That member is the account owner already. Choose another one.",
            ));
        }
        Ok(owner::person(tx, member)?
            .map(|after| (before, after))
            .ok_or("Choose a member of this account."))
    })
}

fn change_page(
    can: &Can<ManageBilling>,
    request: &Request,
    (before, after): (Option<Person>, Person),
    errors: Errors,
) -> Result<ChangePage> {
    let me = can.me();
    let trail = [
        ("Billing & Account", ""),
        ("Account Owner", OWNER),
        ("Change", ""),
    ];
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    Ok(ChangePage {
        shell,
        account: me.account_name.clone(),
        lose: me.owner && !me.roles.admin,
        before,
        after,
        errors,
    })
}

/// `GET /billing/account-owner/change?owner=…`: what it means, and the button.
pub fn ask(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    if request.query().pairs().is_empty() {
        return Ok(Answer::see_other(OWNER));
    }
    let typed = request.query().one(CHOICE)?;
    match chosen(&can, typed)? {
        Ok(people) => Answer::page(&change_page(&can, request, people, Errors::new())?),
        Err(problem) => {
            let mut errors = Errors::new();
            errors.add(CHOICE, problem);
            Answer::refused(&page(&can, request, typed, errors)?)
        }
    }
}

/// `POST /billing/account-owner/change`
pub fn change(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let form = request.form();
    let typed = form.one(CHOICE)?;
    let people = match chosen(&can, typed)? {
        Ok(people) => people,
        Err(problem) => {
            let mut errors = Errors::new();
            errors.add(CHOICE, problem);
            return Answer::refused(&page(&can, request, typed, errors)?);
        }
    };
    let seen: Option<MemberId> = form.one("seen")?.parse().ok();
    let to = people.1.member;
    let done = can.write(|tx| owner::change(tx, seen, to));
    match done {
        Ok(person) => {
            let account = &can.me().account_name;
            let said = format!("{} is the account owner of {account} now.", person.name);
            // Whoever gave it away may not come back here.
            let to = if can.me().roles.admin { OWNER } else { "/" };
            Ok(Answer::see_other(to).flash(said))
        }
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            errors.add("change", why);
            Answer::refused(&change_page(&can, request, people, errors)?)
        }
        Err(other) => Err(other),
    }
}
