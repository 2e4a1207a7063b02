//! **Invoices and Payments**: the card, the billing details, the invoices, and paying one now.

use askama::Template;

use super::cards::{self, Card, Expiry};
use super::details::{self, Details};
use super::invoices::{self, Invoice, State};
use super::payments::{self, Attempt, Outcome, Start};
use super::{INVOICES, subscription};
use crate::access::{Can, ManageBilling};
use crate::db::types::{CardSetupId, Day, InvoiceId};
use crate::web::answer::Answer;
use crate::web::paging;
use crate::web::request::Request;
use crate::web::shell::Shell;
use crate::{Error, Result};

/// Invoices of one page.
const PAGE: usize = 50;

/// A row of the list.
struct Row {
    invoice: Invoice,
    /// A payment of it is under way.
    under_way: bool,
}

impl Row {
    /// Class, icon and words of where it is.
    fn state(&self) -> (&'static str, &'static str, &'static str) {
        match self.invoice.state {
            State::Paid => ("is-ok", "circle-check", "Paid"),
            State::Credited => ("", "circle-minus", "Taken back"),
            State::Issued => ("", "file-invoice", "Credit note"),
            State::Overdue => ("is-bad", "alert-triangle", "Overdue"),
            State::Open if self.under_way => ("", "clock", "Payment under way"),
            State::Open if self.invoice.failed_at.is_some() => {
                ("is-warn", "alert-triangle", "Payment failed")
            }
            State::Open => ("", "clock", "Open"),
        }
    }

    fn amount(&self) -> String {
        let content = &self.invoice.content;
        content.currency.show(content.sums.total)
    }
}

#[derive(Template)]
#[template(path = "billing/invoices.html")]
struct InvoicesPage {
    shell: Shell,
    card: Option<Card>,
    expiry: Expiry,
    details: Details,
    rows: Vec<Row>,
    count: String,
    older: Option<String>,
    newer: Option<String>,
    /// The oldest one whose payment failed.
    failed: Option<Invoice>,
    credit: i64,
    currency: super::money::Currency,
}

impl InvoicesPage {
    fn address(&self) -> String {
        let buyer = self.details.buyer();
        buyer.address.join(", ")
    }

    fn credit_words(&self) -> String {
        self.currency.show(self.credit)
    }

    /// What a fact says when there is none.
    fn or_none<'a>(&self, text: &'a str) -> &'a str {
        if text.is_empty() { "None" } else { text }
    }
}

/// `GET /billing/invoices`
pub fn index(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let before: Option<i64> = request.query().one("before")?.parse().ok();
    let mut page = can.read(|tx| {
        let account = tx.account();
        let card = cards::load(tx, account)?;
        let now = subscription::load(tx, account)?;
        let today = Day::of(tx.now());
        let renewal = now.running.map(|period| period.end);
        let mut found = invoices::newest(tx, before, PAGE as i64 + 1)?;
        let older = (found.len() > PAGE)
            .then(|| found.get(PAGE - 1))
            .flatten()
            .map(|(number, _)| format!("{INVOICES}?before={number}#h-inv"));
        found.truncate(PAGE);
        let mut rows = Vec::new();
        for (_, invoice) in found {
            let under_way = invoice.state.payable() && payments::under_way(tx, &invoice)?;
            rows.push(Row { invoice, under_way });
        }
        let failed = invoices::unpaid(tx)?
            .into_iter()
            .find(|invoice| invoice.failed_at.is_some());
        Ok(InvoicesPage {
            expiry: card
                .as_ref()
                .map_or(Expiry::Good, |card| card.expiry(today, renewal)),
            card,
            details: details::load(tx, account)?,
            rows,
            count: paging::thousands(invoices::count(tx)?),
            older,
            newer: before.map(|_| format!("{INVOICES}#h-inv")),
            failed,
            credit: now.credit,
            currency: tx.app().config.plans.currency,
            shell: can.bare_page(request, ""),
        })
    })?;
    page.shell = can.page(
        request,
        &[("Billing & Account", ""), ("Invoices and Payments", "")],
    )?;
    Answer::page(&page)
}

/// `GET /billing/invoices/{invoice}/pdf`
pub fn pdf(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let id: InvoiceId = request.param("invoice")?;
    let invoice = can.read(|tx| invoices::find(tx, id))?;
    let bytes = super::pdf::make(&invoice.content)?;
    Ok(Answer::pdf(&invoice.content.file_name(), bytes))
}

fn trail(last: &str) -> [(&str, &str); 3] {
    [
        ("Billing & Account", ""),
        ("Invoices and Payments", INVOICES),
        (last, ""),
    ]
}

#[derive(Template)]
#[template(path = "billing/card.html")]
struct CardPage {
    shell: Shell,
    card: Option<Card>,
    refused: Option<String>,
}

fn card_page(
    can: &Can<ManageBilling>,
    request: &Request,
    refused: Option<String>,
) -> Result<CardPage> {
    let card = can.read(|tx| {
        let account = tx.account();
        cards::load(tx, account)
    })?;
    let mut shell = can.page(request, &trail("Update card"))?;
    shell.refused = refused.is_some();
    Ok(CardPage {
        shell,
        card,
        refused,
    })
}

/// `GET /billing/invoices/card`: where the card is given, and the way there.
pub fn card(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let page = card_page(&can, request, None)?;
    Ok(Answer::page(&page)?.forms_may_lead_to(can.app().payments.page_origin()))
}

/// `POST /billing/invoices/card`: to the provider's page.
pub fn give_card(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    match cards::begin(&can) {
        Ok(url) => Ok(Answer::see_elsewhere(url)),
        Err(Error::Refused(why)) => {
            let page = card_page(&can, request, Some(why))?;
            Ok(Answer::refused(&page)?.forms_may_lead_to(can.app().payments.page_origin()))
        }
        Err(other) => Err(other),
    }
}

#[derive(Template)]
#[template(path = "billing/card_given.html")]
struct CardGivenPage {
    shell: Shell,
    here: String,
    given_up: bool,
}

/// `GET /billing/invoices/card/{setup}`: back from the provider's page. The job asks the provider how it went.
pub fn card_given(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let id: CardSetupId = request.param("setup")?;
    let (setup, card) = can.read(|tx| {
        let account = tx.account();
        Ok((cards::find(tx, id)?, cards::load(tx, account)?))
    })?;
    if let ("done", Some(card)) = (setup.state.as_str(), card) {
        let said = format!("{} is the card on file.", card.words());
        return Ok(Answer::see_other(INVOICES).flash(said));
    }
    can.app().billing.ask_about(id);
    Answer::page(&CardGivenPage {
        shell: can.page(request, &trail("Update card"))?,
        here: request.path().to_owned(),
        given_up: setup.state != "open",
    })
}

#[derive(Template)]
#[template(path = "billing/pay.html")]
struct PayPage {
    shell: Shell,
    invoice: Invoice,
    card: Option<Card>,
    under_way: Option<Attempt>,
    refused: Option<String>,
}

impl PayPage {
    fn due(&self) -> String {
        let content = &self.invoice.content;
        content.currency.show(content.sums.due)
    }

    /// The page on which the payment under way waits to be confirmed.
    fn confirm(&self) -> Option<&str> {
        let url = self.under_way.as_ref().map(|attempt| attempt.url.as_str());
        url.filter(|url| !url.is_empty())
    }
}

fn pay_page(
    can: &Can<ManageBilling>,
    request: &Request,
    refused: Option<String>,
) -> Result<PayPage> {
    let id: InvoiceId = request.param("invoice")?;
    let (invoice, card, under_way) = can.read(|tx| {
        let account = tx.account();
        let invoice = invoices::find(tx, id)?;
        let card = cards::load(tx, account)?;
        Ok((invoice, card, payments::unfinished(tx, account, id)?))
    })?;
    let title = format!("Pay invoice {}", invoice.content.number);
    let mut shell = can.page(request, &trail(&title))?;
    shell.refused = refused.is_some();
    Ok(PayPage {
        shell,
        invoice,
        card,
        under_way,
        refused,
    })
}

/// `GET /billing/invoices/{invoice}/pay`
pub fn ask_to_pay(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let page = pay_page(&can, request, None)?;
    if !page.invoice.state.payable() {
        let number = &page.invoice.content.number;
        let said = match page.invoice.state {
            State::Paid => format!("Invoice {number} is paid."),
            _ => format!("There is nothing to pay for {number}."),
        };
        return Ok(Answer::see_other(INVOICES).flash(said));
    }
    Answer::page(&page)
}

/// `POST /billing/invoices/{invoice}/pay`
pub fn pay(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let id: InvoiceId = request.param("invoice")?;
    let started = can.write(|tx| {
        let account = tx.account();
        payments::start(tx, account, id, true)
    })?;
    let outcome = match started {
        Start::Call(attempt) => payments::call(can.app(), &attempt)?,
        Start::Done(outcome) => outcome,
    };
    let back = Answer::see_other(format!("{INVOICES}/{id}/pay"));
    match outcome {
        Outcome::Declined(reason) => {
            let why = format!("{reason} Nothing was charged. Replace the card, or try again later.");
            Answer::refused(&pay_page(&can, request, Some(why))?)
        }
        // Its page says what is to be done, or goes on to the list.
        Outcome::Paid | Outcome::Nothing | Outcome::Confirm(_) | Outcome::UnderWay => Ok(back),
        Outcome::Unknown => Ok(back.flash_warning(
            "The payment provider has not answered yet. It is asked again by itself; you are not charged twice.",
        )),
    }
}
