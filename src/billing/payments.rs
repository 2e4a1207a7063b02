//! Attempts to be paid. An attempt is written down with its idempotency key and everything the call says; then the
//! provider is called; then what came of it is written down. Whatever happens in between, the same call is made again
//! with the same key, by whichever process finds the attempt after its lease.

use diesel::prelude::*;

use super::cards;
use super::dunning;
use super::invoices::{self, Invoice};
use super::providers::{Charge, Charged, Progress, random_name};
use crate::access::{Proof, System, Tx};
use crate::db;
use crate::db::types::{AccountId, InvoiceId, PaymentId, Timestamp};
use crate::schema::{billing, payments as table};
use crate::{App, Error, Result, on_each};

/// One process works on an attempt for so long; longer than a call to a provider may last.
const LEASE: time::Duration = time::Duration::minutes(2);

/// Between two calls when the provider does not answer.
const PAUSE: time::Duration = time::Duration::minutes(1);

/// Between two looks at a payment that waits for its confirmation.
const LOOK: time::Duration = time::Duration::minutes(5);

/// A confirmation that has not come by then does not come.
const CONFIRMED: time::Duration = time::Duration::hours(1);

/// Providers forget idempotency keys after a day; a call that was not answered is not repeated for longer than this.
const REPEATED: time::Duration = time::Duration::hours(20);

/// An attempt, with everything that its call says.
#[derive(Clone, Debug)]
pub struct Attempt {
    pub id: PaymentId,
    pub account: AccountId,
    pub invoice: InvoiceId,
    pub key: String,
    pub provider: String,
    customer: String,
    token: String,
    /// "Visa ending in 4242".
    pub card: String,
    amount: i64,
    currency: String,
    present: bool,
    pub state: String,
    pub reference: Option<String>,
    /// The provider's page for the confirmation.
    pub url: String,
    created_at: Timestamp,
}

type Row = (
    (PaymentId, AccountId, InvoiceId, String),
    (String, String, String, String),
    (i64, String, bool),
    (String, Option<String>, String, Timestamp),
);

type Columns = (
    (table::id, table::account_id, table::invoice_id, table::key),
    (table::provider, table::customer, table::token, table::card),
    (table::amount, table::currency, table::present),
    (
        table::state,
        table::reference,
        table::url,
        table::created_at,
    ),
);

const COLUMNS: Columns = (
    (table::id, table::account_id, table::invoice_id, table::key),
    (table::provider, table::customer, table::token, table::card),
    (table::amount, table::currency, table::present),
    (
        table::state,
        table::reference,
        table::url,
        table::created_at,
    ),
);

impl From<Row> for Attempt {
    fn from((own, who, what, state): Row) -> Attempt {
        Attempt {
            id: own.0,
            account: own.1,
            invoice: own.2,
            key: own.3,
            provider: who.0,
            customer: who.1,
            token: who.2,
            card: who.3,
            amount: what.0,
            currency: what.1,
            present: what.2,
            state: state.0,
            reference: state.1,
            url: state.2,
            created_at: state.3,
        }
    }
}

/// How an attempt stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is nothing to pay.
    Nothing,
    /// Another attempt is under way.
    UnderWay,
    Paid,
    /// With the reason.
    Declined(String),
    /// The person has to confirm it on this page.
    Confirm(String),
    /// The provider did not answer; it is asked again.
    Unknown,
}

/// What [`start`] leaves to do.
pub enum Start {
    Call(Box<Attempt>),
    Done(Outcome),
}

/// Writes down an attempt to be paid for an invoice. `present`: a person is there, who asked for it now.
pub fn start<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    id: InvoiceId,
    present: bool,
) -> Result<Start> {
    db::lock_account(tx.conn(), account)?;
    let now = tx.now();
    let invoice = invoices::load(tx, account, id)?;
    let due = present || invoice.attempt_at.is_some_and(|at| at <= now);
    if !invoice.state.payable() || !due {
        return Ok(Start::Done(Outcome::Nothing));
    }
    if under_way(tx, &invoice)? {
        return Ok(Start::Done(Outcome::UnderWay));
    }
    let provider = tx.app().payments.name();
    let card = cards::load(tx, account)?.filter(|card| card.provider == provider);
    let Some(card) = card else {
        let reason = "There is no card to charge.";
        dunning::failed(tx, &invoice, reason, !present)?;
        return Ok(Start::Done(Outcome::Declined(reason.to_owned())));
    };
    let customer: String = billing::table
        .filter(billing::account_id.eq(account))
        .select(billing::customer)
        .first(tx.conn())?;
    let row: Row = diesel::insert_into(table::table)
        .values((
            (table::account_id.eq(account), table::invoice_id.eq(id)),
            table::key.eq(format!("insight-{}", random_name())),
            (
                table::provider.eq(provider),
                table::customer.eq(customer),
                table::token.eq(&card.token),
                table::card.eq(card.words()),
            ),
            table::amount.eq(invoice.content.sums.due),
            table::currency.eq(invoice.content.currency.code()),
            table::present.eq(present),
            table::state.eq("started"),
            table::created_at.eq(now),
            table::leased_until.eq(now + LEASE),
        ))
        .returning(COLUMNS)
        .get_result(tx.conn())?;
    Ok(Start::Call(Box::new(row.into())))
}

/// True while an attempt for an invoice has not ended.
pub(super) fn under_way<P: Proof>(tx: &mut Tx<P>, invoice: &Invoice) -> Result<bool> {
    Ok(unfinished(tx, invoice.account, invoice.id)?.is_some())
}

/// The attempt for an invoice that has not ended.
pub fn unfinished<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    invoice: InvoiceId,
) -> Result<Option<Attempt>> {
    let row: Option<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::invoice_id.eq(invoice))
        .filter(table::finished_at.is_null())
        .select(COLUMNS)
        .first(tx.conn())
        .optional()?;
    Ok(row.map(Attempt::from))
}

/// One attempt of an account.
pub fn find<P: Proof>(tx: &mut Tx<P>, account: AccountId, id: PaymentId) -> Result<Attempt> {
    let row: Option<Row> = table::table
        .filter(table::account_id.eq(account))
        .filter(table::id.eq(id))
        .select(COLUMNS)
        .first(tx.conn())
        .optional()?;
    row.map(Attempt::from).ok_or(Error::NotFound)
}

/// Calls the provider for an attempt that [`start`] wrote down, and writes down what came of it.
pub fn call(app: &App, attempt: &Attempt) -> Result<Outcome> {
    let back = app
        .config
        .link(&format!("{}/{}/pay", super::INVOICES, attempt.invoice));
    let charged = app.payments.charge(
        app,
        &Charge {
            key: &attempt.key,
            payment: attempt.id,
            customer: &attempt.customer,
            token: &attempt.token,
            amount: attempt.amount,
            currency: &attempt.currency,
            present: attempt.present,
            back: &back,
        },
    );
    match charged {
        Ok(charged) => app.system_write(|tx| finish(tx, attempt.account, attempt.id, &charged)),
        Err(trouble) => {
            tracing::warn!(payment = attempt.id.0, %trouble, "the payment provider did not answer");
            app.system_write(|tx| lease(tx, attempt, PAUSE))?;
            Ok(Outcome::Unknown)
        }
    }
}

fn lease(tx: &mut Tx<System>, attempt: &Attempt, time: time::Duration) -> Result<()> {
    let until = tx.now() + time;
    diesel::update(table::table.filter(table::id.eq(attempt.id)))
        .filter(table::finished_at.is_null())
        .set(table::leased_until.eq(until))
        .execute(tx.conn())?;
    Ok(())
}

/// Writes down what came of an attempt. What is known to be paid stays paid, whatever comes later; a payment that
/// succeeds after it was given up pays the invoice, or goes to the account's credit when something else has.
pub fn finish<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    id: PaymentId,
    charged: &Charged,
) -> Result<Outcome> {
    db::lock_account(tx.conn(), account)?;
    let now = tx.now();
    let attempt = find(tx, account, id)?;
    if attempt.state == "succeeded" {
        return Ok(Outcome::Paid);
    }
    let invoice = invoices::load(tx, account, attempt.invoice)?;
    let own = || table::table.filter(table::id.eq(id));
    match charged {
        Charged::Paid { reference } => {
            diesel::update(own())
                .set((
                    table::state.eq("succeeded"),
                    table::reference.eq(reference),
                    table::finished_at.eq(now),
                ))
                .execute(tx.conn())?;
            if invoice.state.payable() {
                dunning::paid(tx, &invoice, &attempt.card)?;
            } else {
                tracing::error!(
                    payment = id.0,
                    "an invoice was paid for twice; it becomes credit"
                );
                diesel::update(billing::table.filter(billing::account_id.eq(account)))
                    .set(billing::credit.eq(billing::credit + attempt.amount))
                    .execute(tx.conn())?;
            }
            Ok(Outcome::Paid)
        }
        _ if attempt.state == "failed" => Ok(Outcome::Nothing),
        Charged::Waiting { reference } => {
            wait(tx, id, reference, "")?;
            Ok(Outcome::Unknown)
        }
        Charged::Confirm { reference, url } if attempt.present => {
            wait(tx, id, reference, url)?;
            Ok(Outcome::Confirm(url.clone()))
        }
        Charged::Confirm { reference, .. } => {
            let reason = "The bank wants the payment confirmed. Press Pay now to do so.";
            decline(tx, &attempt, &invoice, Some(reference), reason)
        }
        Charged::Declined { reference, reason } => {
            decline(tx, &attempt, &invoice, reference.as_deref(), reason)
        }
    }
}

fn wait<P: Proof>(tx: &mut Tx<P>, id: PaymentId, reference: &str, url: &str) -> Result<()> {
    let next = tx.now() + LOOK;
    diesel::update(table::table.filter(table::id.eq(id)))
        .set((
            table::state.eq("waiting"),
            table::reference.eq(reference),
            table::url.eq(url),
            table::leased_until.eq(next),
        ))
        .execute(tx.conn())?;
    Ok(())
}

fn decline<P: Proof>(
    tx: &mut Tx<P>,
    attempt: &Attempt,
    invoice: &Invoice,
    reference: Option<&str>,
    reason: &str,
) -> Result<Outcome> {
    let now = tx.now();
    diesel::update(table::table.filter(table::id.eq(attempt.id)))
        .set((
            table::state.eq("failed"),
            table::reference.eq(reference.or(attempt.reference.as_deref())),
            table::reason.eq(reason),
            table::finished_at.eq(now),
        ))
        .execute(tx.conn())?;
    if invoice.state.payable() {
        dunning::failed(tx, invoice, reason, !attempt.present)?;
    }
    Ok(Outcome::Declined(reason.to_owned()))
}

/// What the provider reports of its own accord, by its name for the payment or by the key of the call that made it.
/// False when there is no such payment here.
pub fn report(
    tx: &mut Tx<System>,
    provider: &str,
    reference: &str,
    key: &str,
    progress: &Progress,
) -> Result<bool> {
    let by_reference: Option<(AccountId, PaymentId)> = table::table
        .filter(table::provider.eq(provider))
        .filter(table::reference.eq(reference))
        .select((table::account_id, table::id))
        .first(tx.conn())
        .optional()?;
    let found = match by_reference {
        // The event overtook the answer to the call.
        None => table::table
            .filter(table::provider.eq(provider))
            .filter(table::key.eq(key))
            .select((table::account_id, table::id))
            .first(tx.conn())
            .optional()?,
        found => found,
    };
    let Some((account, id)) = found else {
        return Ok(false);
    };
    let charged = match progress {
        Progress::Waiting => return Ok(true),
        Progress::Paid => Charged::Paid {
            reference: reference.to_owned(),
        },
        Progress::Declined(reason) => Charged::Declined {
            reference: Some(reference.to_owned()),
            reason: reason.clone(),
        },
    };
    finish(tx, account, id, &charged)?;
    Ok(true)
}

/// Asks the provider where an attempt is that waits for its confirmation.
pub fn look(app: &App, attempt: &Attempt) -> Result<Outcome> {
    let Some(reference) = &attempt.reference else {
        return Ok(Outcome::Unknown);
    };
    let mut progress = app.payments.progress(app, reference);
    let late = app.clock.now() - attempt.created_at > CONFIRMED;
    if late && matches!(progress, Ok(Progress::Waiting)) {
        progress = app.payments.cancel(app, reference);
    }
    let charged = match progress {
        Ok(Progress::Paid) => Charged::Paid {
            reference: reference.clone(),
        },
        Ok(Progress::Declined(reason)) => Charged::Declined {
            reference: Some(reference.clone()),
            reason,
        },
        Ok(Progress::Waiting) => {
            app.system_write(|tx| lease(tx, attempt, LOOK))?;
            return Ok(Outcome::Confirm(attempt.url.clone()));
        }
        Err(trouble) => {
            tracing::warn!(payment = attempt.id.0, %trouble, "the payment provider did not answer");
            app.system_write(|tx| lease(tx, attempt, PAUSE))?;
            return Ok(Outcome::Unknown);
        }
    };
    app.system_write(|tx| finish(tx, attempt.account, attempt.id, &charged))
}

/// Takes one attempt that nobody works on.
fn claim(app: &App) -> Result<Option<Attempt>> {
    app.system_write(|tx| {
        let now = tx.now();
        let provider = tx.app().payments.name();
        let next: Option<PaymentId> = table::table
            .filter(table::finished_at.is_null())
            .filter(table::leased_until.le(now))
            .filter(table::provider.eq(provider))
            .order((table::leased_until, table::id))
            .select(table::id)
            .first(tx.conn())
            .optional()?;
        let Some(id) = next else { return Ok(None) };
        let row: Option<Row> = diesel::update(table::table.filter(table::id.eq(id)))
            .filter(table::finished_at.is_null())
            .filter(table::leased_until.le(now))
            .set(table::leased_until.eq(now + LEASE))
            .returning(COLUMNS)
            .get_result(tx.conn())
            .optional()?;
        Ok(row.map(Attempt::from))
    })
}

/// Goes on with attempts whose process died, whose provider did not answer, or that wait for a confirmation.
pub fn resume(app: &App) -> Result<()> {
    while let Some(attempt) = claim(app)? {
        if attempt.state == "waiting" {
            look(app, &attempt)?;
        } else if app.clock.now() - attempt.created_at > REPEATED {
            tracing::error!(
                payment = attempt.id.0,
                key = attempt.key,
                "the payment provider never said what became of a payment: look there"
            );
            let charged = Charged::Declined {
                reference: None,
                reason: "The payment provider did not answer.".into(),
            };
            app.system_write(|tx| finish(tx, attempt.account, attempt.id, &charged))?;
        } else {
            call(app, &attempt)?;
        }
    }
    Ok(())
}

/// Tries every payment that is due.
pub fn pay_due(app: &App) -> Result<()> {
    use crate::schema::invoices as bills;
    let mut after = InvoiceId(0);
    loop {
        let due: Vec<(AccountId, InvoiceId)> = app.system_read(|tx| {
            let now = tx.now();
            Ok(bills::table
                .filter(bills::attempt_at.le(now))
                .filter(bills::id.gt(after))
                .filter(diesel::dsl::not(diesel::dsl::exists(
                    table::table
                        .filter(table::account_id.eq(bills::account_id))
                        .filter(table::invoice_id.eq(bills::id))
                        .filter(table::finished_at.is_null()),
                )))
                .order(bills::id)
                .limit(100)
                .select((bills::account_id, bills::id))
                .load(tx.conn())?)
        })?;
        let Some((_, last)) = due.last() else {
            return Ok(());
        };
        after = *last;
        for (account, invoice) in due {
            let worked = app
                .system_write(|tx| start(tx, account, invoice, false))
                .and_then(|started| match started {
                    Start::Call(attempt) => call(app, &attempt).map(drop),
                    Start::Done(_) => Ok(()),
                });
            if let Err(error) = worked {
                tracing::error!(invoice = invoice.0, %error, "a payment failed to be tried");
            }
        }
    }
}

/// Forgets which events have come after this long; providers repeat them for three days.
const EVENTS_KEPT: time::Duration = time::Duration::days(60);

/// Remembers an event of the provider; false when it has come before.
pub fn first_time(tx: &mut Tx<System>, provider: &str, id: &str, kind: &str) -> Result<bool> {
    use super::providers::schema::provider_events as events;
    let now = tx.now();
    let new = on_each!(tx.conn(), c => diesel::insert_into(events::table)
        .values((
            events::provider.eq(provider),
            events::id.eq(id),
            events::kind.eq(kind),
            events::received_at.eq(now),
        ))
        .on_conflict_do_nothing()
        .execute(c))?;
    Ok(new == 1)
}

/// Deletes what [`first_time`] need not know any more.
pub fn sweep(tx: &mut Tx<System>) -> Result<usize> {
    use super::providers::schema::provider_events as events;
    let old = tx.now() - EVENTS_KEPT;
    Ok(diesel::delete(events::table.filter(events::received_at.lt(old))).execute(tx.conn())?)
}
