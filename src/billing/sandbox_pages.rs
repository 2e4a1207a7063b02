//! The sandbox's own pages: they stand for the pages of a payment provider and of a bank. A card number is read here,
//! looked up and dropped; it is in no table, no log and no page.

use askama::Template;

use super::INVOICES;
use super::cards::{self, Setup};
use super::payments::{self, Attempt};
use super::providers::sandbox::{self, Behaviour, NAME, NUMBERS};
use crate::access::{Can, ManageBilling};
use crate::db::types::{CardSetupId, Day, PaymentId};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// The visit in the path, while it is open. With another provider there are no such pages.
fn visit(can: &Can<ManageBilling>, request: &Request) -> Result<(Setup, String)> {
    let id: CardSetupId = request.param("setup")?;
    let setup = can.read(|tx| cards::find(tx, id))?;
    let open = setup.state == "open" && setup.provider == NAME && can.app().payments.name() == NAME;
    match setup.session.clone().filter(|_| open) {
        Some(session) => Ok((setup, session)),
        None => Err(Error::NotFound),
    }
}

#[derive(Template)]
#[template(path = "billing/sandbox_card.html")]
struct CardPage {
    shell: Shell,
    setup: CardSetupId,
    /// "4242 4242 4242 4242" and what it does.
    numbers: Vec<(String, &'static str, &'static str)>,
    errors: Errors,
}

fn card_page(
    can: &Can<ManageBilling>,
    request: &Request,
    setup: CardSetupId,
    errors: Errors,
) -> CardPage {
    let mut shell = can.bare_page(request, "Sandbox payment page");
    shell.refused = !errors.is_empty();
    CardPage {
        shell,
        setup,
        numbers: NUMBERS
            .iter()
            .map(|(number, brand, _, words)| {
                let digits: Vec<char> = number.chars().collect();
                let groups: Vec<String> =
                    digits.chunks(4).map(|four| four.iter().collect()).collect();
                (groups.join(" "), *brand, *words)
            })
            .collect(),
        errors,
    }
}

/// `GET /billing/sandbox/cards/{setup}`
pub fn card(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let (setup, _) = visit(&can, request)?;
    Answer::page(&card_page(&can, request, setup.id, Errors::new()))
}

/// `POST /billing/sandbox/cards/{setup}`
pub fn take(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let (setup, session) = visit(&can, request)?;
    let form = request.form();
    let mut errors = Errors::new();
    let card = sandbox::number(form.one("number")?);
    match &card {
        None => errors.add("number", "Type one of the test numbers below."),
        Some(card) if card.behaviour == Behaviour::Refused => {
            errors.add("number", "The card was declined. Type another number.");
        }
        Some(_) => {}
    }
    let expires = sandbox::expiry(form.one("expiry")?);
    match expires {
        None => errors.add("expiry", "Type month and year, as in 08/30."),
        Some(until) if until < Day::of(can.now()).month() => {
            errors.add("expiry", "The card has expired. Type a later month.");
        }
        Some(_) => {}
    }
    let check = form.one("cvc")?.trim();
    if !matches!(check.len(), 3 | 4) || !check.bytes().all(|b| b.is_ascii_digit()) {
        errors.add(
            "cvc",
            "Type the three digits on the back; any three will do.",
        );
    }
    let (Some(card), Some(expires), true) = (card, expires, errors.is_empty()) else {
        return Answer::refused(&card_page(&can, request, setup.id, errors));
    };
    sandbox::take(can.app(), &session, &card, expires)?;
    if card.behaviour == Behaviour::Confirms {
        let page = format!("/billing/sandbox/cards/{}/confirm", setup.id);
        return Ok(Answer::see_other(page));
    }
    cards::collect(can.app(), &setup)?;
    Ok(back(setup.id))
}

fn back(setup: CardSetupId) -> Answer {
    Answer::see_other(format!("{INVOICES}/card/{setup}"))
}

#[derive(Template)]
#[template(path = "billing/sandbox_confirm.html")]
struct ConfirmPage {
    shell: Shell,
    action: String,
    question: String,
}

fn confirm_page(can: &Can<ManageBilling>, request: &Request, question: String) -> ConfirmPage {
    ConfirmPage {
        shell: can.bare_page(request, "Sandbox bank"),
        action: request.path().to_owned(),
        question,
    }
}

/// `GET /billing/sandbox/cards/{setup}/confirm`
pub fn confirm_card(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    visit(&can, request)?;
    let question = "Do you want this card to be used for the invoices of Insight?".to_owned();
    Answer::page(&confirm_page(&can, request, question))
}

/// `POST /billing/sandbox/cards/{setup}/confirm`
pub fn card_confirmed(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let (setup, session) = visit(&can, request)?;
    if request.form().one("answer")? == "yes" && sandbox::confirm(can.app(), &session)? {
        cards::collect(can.app(), &setup)?;
        return Ok(back(setup.id));
    }
    Ok(Answer::see_other(format!("{INVOICES}/card"))
        .flash_warning("The bank did not confirm the card. The card on file is what it was."))
}

/// The payment in the path, while it waits.
fn payment(can: &Can<ManageBilling>, request: &Request) -> Result<(Attempt, String)> {
    let id: PaymentId = request.param("payment")?;
    let attempt = can.read(|tx| {
        let account = tx.account();
        payments::find(tx, account, id)
    })?;
    let ours = attempt.provider == NAME && can.app().payments.name() == NAME;
    match attempt.reference.clone() {
        Some(reference) if ours && attempt.state == "waiting" => Ok((attempt, reference)),
        _ => Err(Error::NotFound),
    }
}

/// `GET /billing/sandbox/payments/{payment}`
pub fn confirm_payment(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let (attempt, _) = payment(&can, request)?;
    let question = format!("Do you want to pay with {}?", attempt.card);
    Answer::page(&confirm_page(&can, request, question))
}

/// `POST /billing/sandbox/payments/{payment}`
pub fn payment_confirmed(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let (attempt, reference) = payment(&can, request)?;
    let yes = request.form().one("answer")? == "yes";
    sandbox::answer(can.app(), &reference, yes)?;
    payments::look(can.app(), &attempt)?;
    let back = Answer::see_other(format!("{INVOICES}/{}/pay", attempt.invoice));
    Ok(match yes {
        true => back,
        false => back.flash_warning("The bank did not confirm the payment. Nothing was charged."),
    })
}
