//! Invoices and credit notes: numbered without gaps per account, never changed once issued (a trigger refuses it), and
//! corrected by a credit note only.

use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::money::{Currency, share};
use super::plans::Seller;
use super::{details, mails, read_only, subscription};
use crate::access::{InAccount, Proof, Tx};
use crate::audit::{self, Event};
use crate::db::types::{AccountId, Day, InvoiceId, Timestamp};
use crate::schema::{accounts, billing, invoices as table};
use crate::{Error, Result};

/// One line: amounts in minor units, without tax.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    pub text: String,
    pub detail: String,
    pub quantity: i64,
    pub unit_price: i64,
    pub amount: i64,
}

/// The sums under the lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    pub net: i64,
    pub tax: i64,
    pub total: i64,
    /// Of earlier credit notes.
    pub credit: i64,
    /// What is left to pay.
    pub due: i64,
}

impl Sums {
    /// Adds up. Tax is rounded once, on the sum of the lines; credit is used as far as it goes.
    pub fn of(lines: &[Line], tax_rate: i64, credit: i64) -> Sums {
        let net = lines.iter().map(|line| line.amount).sum();
        let tax = share(net, tax_rate, 10_000);
        let total = net + tax;
        let credit = credit.clamp(0, total.max(0));
        Sums {
            net,
            tax,
            total,
            credit,
            due: total.max(0) - credit,
        }
    }
}

/// Whoever an invoice goes to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buyer {
    pub name: String,
    pub address: Vec<String>,
    pub vat_number: String,
    pub extra_text: Vec<String>,
}

/// Whoever sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sender {
    pub name: String,
    pub address: Vec<String>,
    pub vat_number: String,
    pub contact: String,
}

impl From<&Seller> for Sender {
    fn from(seller: &Seller) -> Sender {
        Sender {
            name: seller.name.clone(),
            address: seller.address.clone(),
            vat_number: seller.vat_number.clone(),
            contact: seller.contact.clone(),
        }
    }
}

/// Everything that stands on an invoice or credit note. The PDF is made from this alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    /// "Invoice" or "Credit note".
    pub title: String,
    /// "2026-0009".
    pub number: String,
    /// "3 Nov 2026".
    pub issued: String,
    /// "Corrects invoice 2026-0008: …".
    pub corrects: Option<String>,
    /// What becomes of the money, on a credit note.
    pub money: Option<String>,
    pub sender: Sender,
    pub buyer: Buyer,
    pub currency: Currency,
    pub lines: Vec<Line>,
    /// "VAT 25 %".
    pub tax_label: String,
    pub sums: Sums,
}

impl Content {
    /// What it is for, in the list: "20 seats, 3 Nov – 2 Dec 2026".
    pub fn summary(&self) -> String {
        match (&self.corrects, self.lines.first()) {
            (Some(corrects), _) => corrects.clone(),
            (None, Some(line)) => line.detail.clone(),
            (None, None) => String::new(),
        }
    }

    /// "invoice-2026-0009.pdf".
    pub fn file_name(&self) -> String {
        let kind = self.title.to_lowercase().replace(' ', "-");
        format!("{kind}-{}.pdf", self.number)
    }
}

/// Where an invoice is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Not paid yet; payments are tried.
    Open,
    /// Every attempt failed.
    Overdue,
    Paid,
    /// Taken back by a credit note.
    Credited,
    /// Of a credit note: there is nothing to pay.
    Issued,
}

impl State {
    /// As it is stored.
    pub fn slug(self) -> &'static str {
        match self {
            State::Open => "open",
            State::Overdue => "overdue",
            State::Paid => "paid",
            State::Credited => "credited",
            State::Issued => "issued",
        }
    }

    fn stored(slug: &str) -> State {
        match slug {
            "overdue" => State::Overdue,
            "paid" => State::Paid,
            "credited" => State::Credited,
            "issued" => State::Issued,
            _ => State::Open,
        }
    }

    /// Waits for money.
    pub fn payable(self) -> bool {
        matches!(self, State::Open | State::Overdue)
    }
}

/// An issued invoice or credit note, with where it is.
#[derive(Clone, Debug)]
pub struct Invoice {
    pub id: InvoiceId,
    pub account: AccountId,
    pub content: Content,
    pub issued_day: Day,
    pub state: State,
    /// Payments that failed.
    pub attempts: i32,
    /// Why the last one did, and when.
    pub reason: String,
    pub failed_at: Option<Timestamp>,
    /// When the next is tried.
    pub attempt_at: Option<Timestamp>,
    pub paid_at: Option<Timestamp>,
}

type Row = (
    (InvoiceId, AccountId, String, Day),
    (String, i32, String),
    (Option<Timestamp>, Option<Timestamp>, Option<Timestamp>),
);

type Columns = (
    (
        table::id,
        table::account_id,
        table::content,
        table::issued_day,
    ),
    (table::state, table::attempts, table::reason),
    (table::failed_at, table::attempt_at, table::paid_at),
);

const COLUMNS: Columns = (
    (
        table::id,
        table::account_id,
        table::content,
        table::issued_day,
    ),
    (table::state, table::attempts, table::reason),
    (table::failed_at, table::attempt_at, table::paid_at),
);

fn read((what, state, times): Row) -> Result<Invoice> {
    Ok(Invoice {
        id: what.0,
        account: what.1,
        content: serde_json::from_str(&what.2).map_err(Error::internal)?,
        issued_day: what.3,
        state: State::stored(&state.0),
        attempts: state.1,
        reason: state.2,
        failed_at: times.0,
        attempt_at: times.1,
        paid_at: times.2,
    })
}

/// What is to be issued.
pub struct Draft {
    lines: Vec<Line>,
    /// First day of the period that it renews.
    renews: Option<Day>,
    corrects: Option<Correction>,
}

/// What stands on a credit note besides its lines.
struct Correction {
    invoice: InvoiceId,
    why: String,
    money: String,
}

impl Draft {
    /// An invoice over these lines.
    pub fn invoice(lines: Vec<Line>, renews: Option<Day>) -> Draft {
        Draft {
            lines,
            renews,
            corrects: None,
        }
    }
}

/// Issues an invoice or credit note: number, row, audit entry and mail in the caller's transaction, under the lock of
/// the account.
pub fn issue<P: Proof>(tx: &mut Tx<P>, account: AccountId, draft: Draft) -> Result<Invoice> {
    let now = tx.now();
    let today = Day::of(now);
    let plans = tx.app().config.plans.clone();
    let subscription = subscription::load(tx, account)?;
    let currency = Currency::parse(&subscription.currency).unwrap_or(plans.currency);
    let note = draft.corrects.is_some();
    let credit = if note { 0 } else { subscription.credit };
    let sums = Sums::of(&draft.lines, plans.tax.rate, credit);
    let number: i64 = diesel::update(billing::table.filter(billing::account_id.eq(account)))
        .set((
            billing::next_number.eq(billing::next_number + 1),
            billing::credit.eq(billing::credit - sums.credit),
        ))
        .returning(billing::next_number - 1)
        .get_result(tx.conn())?;
    let content = Content {
        title: if note { "Credit note" } else { "Invoice" }.to_owned(),
        number: format!("{}-{number:04}", today.year()),
        issued: today.show(),
        corrects: draft.corrects.as_ref().map(|note| note.why.clone()),
        money: draft.corrects.as_ref().map(|note| note.money.clone()),
        sender: Sender::from(&plans.seller),
        buyer: details::load(tx, account)?.buyer(),
        currency,
        lines: draft.lines,
        tax_label: format!("{} {}", plans.tax.label, percent(plans.tax.rate)),
        sums,
    };
    let state = match (note, sums.due) {
        (true, _) => State::Issued,
        (false, 0) => State::Paid,
        _ => State::Open,
    };
    let json = serde_json::to_string(&content).map_err(Error::internal)?;
    let row: Row = diesel::insert_into(table::table)
        .values((
            (
                table::account_id.eq(account),
                table::number.eq(number),
                table::kind.eq(if note { "credit note" } else { "invoice" }),
                table::corrects_id.eq(draft.corrects.as_ref().map(|note| note.invoice)),
            ),
            (table::issued_day.eq(today), table::issued_at.eq(now)),
            table::renews_day.eq(draft.renews),
            (
                table::currency.eq(currency.code()),
                table::net.eq(sums.net),
                table::tax.eq(sums.tax),
                table::total.eq(sums.total),
                table::due.eq(sums.due),
            ),
            table::content.eq(json),
            table::state.eq(state.slug()),
            table::attempt_at.eq((state == State::Open).then_some(now)),
            table::paid_at.eq((state == State::Paid).then_some(now)),
        ))
        .returning(COLUMNS)
        .get_result(tx.conn())?;
    let invoice = read(row)?;
    let event = Event::InvoiceIssued {
        kind: invoice.content.title.to_lowercase(),
        number: invoice.content.number.clone(),
        total: currency.show(sums.total),
    };
    audit::record(tx, account, &event)?;
    mails::issued(tx, &invoice)?;
    Ok(invoice)
}

/// "25 %", "8.1 %".
fn percent(rate: i64) -> String {
    let text = format!("{}.{:02}", rate / 100, rate % 100);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text} %")
}

/// Takes an invoice back with a credit note over all of it. What was paid for it goes into the next invoice.
pub fn credit<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    number: &str,
    why: &str,
) -> Result<Invoice> {
    crate::db::lock_account(tx.conn(), account)?;
    let invoice = numbered(tx, account, number)?
        .ok_or_else(|| Error::Refused(format!("There is no invoice {number}.")))?;
    if !matches!(invoice.state, State::Open | State::Overdue | State::Paid) {
        return Err(Error::refused("This one cannot be taken back."));
    }
    if super::payments::under_way(tx, &invoice)? {
        return Err(Error::refused(
            "A payment of it is under way. Try again in a few minutes.",
        ));
    }
    let currency = invoice.content.currency;
    let sold = tx.app().config.plans.currency;
    if currency != sold {
        return Err(Error::Refused(format!(
            "Plans are sold in {} now, where a credit in {} is of no use. Pay it back at the payment provider.",
            sold.code(),
            currency.code()
        )));
    }
    let paid = invoice.state == State::Paid;
    let back = match paid {
        true => invoice.content.sums.total,
        // Not paid: only the credit that it had used comes back.
        false => invoice.content.sums.credit,
    };
    let lines = invoice
        .content
        .lines
        .iter()
        .map(|line| Line {
            unit_price: -line.unit_price,
            amount: -line.amount,
            ..line.clone()
        })
        .collect();
    let draft = Draft {
        lines,
        renews: None,
        corrects: Some(Correction {
            invoice: invoice.id,
            why: format!("Corrects invoice {}: {why}", invoice.content.number),
            money: money_words(paid, &currency.show(back), back),
        }),
    };
    let note = issue(tx, account, draft)?;
    diesel::update(billing::table.filter(billing::account_id.eq(account)))
        .set(billing::credit.eq(billing::credit + back))
        .execute(tx.conn())?;
    close(tx, &invoice, State::Credited)?;
    read_only::lift_if_paid(tx, account)?;
    Ok(note)
}

/// What a credit note says about the money.
fn money_words(paid: bool, amount: &str, back: i64) -> String {
    let credit = format!(
        "{amount} is kept as credit and goes into the next invoice. Nothing is paid back to the card."
    );
    match (paid, back) {
        (_, 0) => "The corrected invoice is not charged any more.".to_owned(),
        (true, _) => credit,
        (false, _) => format!("The corrected invoice is not charged any more. {credit}"),
    }
}

/// Ends the attempts to be paid.
pub(super) fn close<P: Proof>(tx: &mut Tx<P>, invoice: &Invoice, state: State) -> Result<()> {
    let now = tx.now();
    diesel::update(row(invoice.account, invoice.id))
        .set((
            table::state.eq(state.slug()),
            table::attempt_at.eq(None::<Timestamp>),
        ))
        .execute(tx.conn())?;
    if state == State::Paid {
        diesel::update(row(invoice.account, invoice.id))
            .set(table::paid_at.eq(now))
            .execute(tx.conn())?;
    }
    Ok(())
}

type ById = diesel::dsl::Filter<
    diesel::dsl::Filter<table::table, diesel::dsl::Eq<table::account_id, AccountId>>,
    diesel::dsl::Eq<table::id, InvoiceId>,
>;

pub(super) fn row(account: AccountId, id: InvoiceId) -> ById {
    table::table
        .filter(table::account_id.eq(account))
        .filter(table::id.eq(id))
}

/// One of an account.
pub(super) fn load<P: Proof>(tx: &mut Tx<P>, account: AccountId, id: InvoiceId) -> Result<Invoice> {
    let found: Option<Row> = row(account, id)
        .select(COLUMNS)
        .first(tx.conn())
        .optional()?;
    found.map(read).transpose()?.ok_or(Error::NotFound)
}

/// One of the account of whoever asks.
pub fn find<P: InAccount>(tx: &mut Tx<P>, id: InvoiceId) -> Result<Invoice> {
    let account = tx.account();
    load(tx, account, id)
}

fn numbered<P: Proof>(tx: &mut Tx<P>, account: AccountId, number: &str) -> Result<Option<Invoice>> {
    let Some((_, count)) = number.split_once('-') else {
        return Ok(None);
    };
    let Ok(count) = count.parse::<i64>() else {
        return Ok(None);
    };
    let found: Option<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::number.eq(count))
        .select(COLUMNS)
        .first(tx.conn())
        .optional()?;
    let found = found.map(read).transpose()?;
    Ok(found.filter(|invoice| invoice.content.number == number))
}

/// The newest `limit` of the account, those before number `before` if it is given.
pub fn newest<P: InAccount>(
    tx: &mut Tx<P>,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<(i64, Invoice)>> {
    let account = tx.account();
    let rows: Vec<(i64, Row)> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::number.lt(before.unwrap_or(i64::MAX)))
        .order(table::number.desc())
        .limit(limit)
        .select((table::number, COLUMNS))
        .load(tx.conn())?;
    rows.into_iter()
        .map(|(number, row)| Ok((number, read(row)?)))
        .collect()
}

/// Those that wait for money, oldest first.
pub fn unpaid<P: InAccount>(tx: &mut Tx<P>) -> Result<Vec<Invoice>> {
    let account = tx.account();
    let rows: Vec<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::state.eq_any(["open", "overdue"]))
        .order(table::number)
        .limit(20)
        .select(COLUMNS)
        .load(tx.conn())?;
    rows.into_iter().map(read).collect()
}

/// How many there are: the number of the newest.
pub fn count<P: InAccount>(tx: &mut Tx<P>) -> Result<i64> {
    let account = tx.account();
    let next: i64 = billing::table
        .filter(billing::account_id.eq(account))
        .select(billing::next_number)
        .first(tx.conn())?;
    Ok(next - 1)
}

/// The PDF of any invoice, for the mail worker: `ACCOUNT/INVOICE`.
pub fn attachment(app: &crate::App, key: &str) -> Result<Vec<u8>> {
    let wrong = || Error::internal(format!("{key} is no invoice"));
    let (account, id) = key.split_once('/').ok_or_else(wrong)?;
    let (account, id) = (
        account.parse().map_err(|()| wrong())?,
        id.parse().map_err(|()| wrong())?,
    );
    let invoice = app.system_read(|tx| load(tx, account, id))?;
    super::pdf::make(&invoice.content)
}

/// The name of an account.
pub(super) fn account_name<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<String> {
    Ok(accounts::table
        .filter(accounts::id.eq(account))
        .select(accounts::name)
        .first(tx.conn())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tax_is_rounded_once_and_credit_goes_as_far_as_the_total() {
        let line = |amount| Line {
            text: String::new(),
            detail: String::new(),
            quantity: 1,
            unit_price: amount,
            amount,
        };
        let lines = [line(333), line(333)];
        let sums = Sums::of(&lines, 2_500, 0);
        assert_eq!(
            (sums.net, sums.tax, sums.total, sums.due),
            (666, 167, 833, 833)
        );
        let sums = Sums::of(&lines, 0, 1_000);
        assert_eq!((sums.credit, sums.due), (666, 0));
        assert_eq!(percent(2_500), "25 %");
        assert_eq!(percent(810), "8.1 %");
        assert_eq!(percent(0), "0 %");
        let note = Sums::of(&[line(-333)], 2_500, 50);
        assert_eq!((note.total, note.credit, note.due), (-416, 0, 0));
    }
}
