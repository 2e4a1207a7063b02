//! The card on file, and the visits to the provider's page on which it is given.

use diesel::prelude::*;

use super::days::Every;
use super::providers::schema::card_setups as setups;
use super::providers::{ProviderCard, SetupAsk, SetupState};
use super::{INVOICES, details, dunning};
use crate::access::{Can, InAccount, ManageBilling, Proof, System, Tx};
use crate::audit::{self, Event};
use crate::db::types::{AccountId, CardSetupId, Day, Timestamp};
use crate::schema::{billing, cards as table};
use crate::{App, Error, Result, db, on_each};

/// What is known of the card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    pub provider: String,
    /// The provider's name for it.
    pub token: String,
    pub brand: String,
    pub last4: String,
    pub exp_year: i32,
    pub exp_month: i32,
}

/// How near the end of a card is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    Good,
    /// It will have expired before the next renewal, or within two months.
    Soon,
    Over,
}

impl Card {
    /// "Visa ending in 4242".
    pub fn words(&self) -> String {
        format!("{} ending in {}", self.brand, self.last4)
    }

    /// "08/2028".
    pub fn expires(&self) -> String {
        format!("{:02}/{}", self.exp_month, self.exp_year)
    }

    /// A card is good until the last day of its month.
    pub fn expiry(&self, today: Day, renewal: Option<Day>) -> Expiry {
        let until = (self.exp_year, self.exp_month);
        let soon = today.period(Every::Month, 1);
        if until < today.month() {
            Expiry::Over
        } else if until <= soon.month() || renewal.is_some_and(|day| until < day.month()) {
            Expiry::Soon
        } else {
            Expiry::Good
        }
    }
}

/// The card of an account.
pub fn load<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<Option<Card>> {
    type Row = (String, String, String, String, i32, i32);
    let row: Option<Row> = table::table
        .filter(table::account_id.eq(account))
        .select((
            table::provider,
            table::token,
            table::brand,
            table::last4,
            table::exp_year,
            table::exp_month,
        ))
        .first(tx.conn())
        .optional()?;
    Ok(row.map(|row| Card {
        provider: row.0,
        token: row.1,
        brand: row.2,
        last4: row.3,
        exp_year: row.4,
        exp_month: row.5,
    }))
}

/// A visit to the provider's page.
#[derive(Clone, Debug)]
pub struct Setup {
    pub id: CardSetupId,
    pub account: AccountId,
    pub provider: String,
    pub session: Option<String>,
    /// open, done, given up.
    pub state: String,
    created_at: Timestamp,
}

type Row = (
    CardSetupId,
    AccountId,
    String,
    Option<String>,
    String,
    Timestamp,
);

impl From<Row> for Setup {
    fn from((id, account, provider, session, state, created_at): Row) -> Setup {
        Setup {
            id,
            account,
            provider,
            session,
            state,
            created_at,
        }
    }
}

macro_rules! setups {
    () => {
        setups::table.select((
            setups::id,
            setups::account_id,
            setups::provider,
            setups::session,
            setups::state,
            setups::created_at,
        ))
    };
}

/// One of the account of whoever asks.
pub fn find<P: InAccount>(tx: &mut Tx<P>, id: CardSetupId) -> Result<Setup> {
    let account = tx.account();
    let row: Option<Row> = setups!()
        .filter(setups::account_id.eq(account))
        .filter(setups::id.eq(id))
        .first(tx.conn())
        .optional()?;
    row.map(Setup::from).ok_or(Error::NotFound)
}

/// How long after its beginning the provider is asked for a visit that nobody came back from.
const LOOK: time::Duration = time::Duration::minutes(10);

/// After this long no card will come of a visit.
const PATIENCE: time::Duration = time::Duration::hours(25);

/// Begins a visit; gives the address of the provider's page.
pub fn begin(can: &Can<ManageBilling>) -> Result<String> {
    let app = can.app();
    let provider = app.payments.name();
    let (setup, known, name, currency) = can.write(|tx| {
        let (account, now) = (tx.account(), tx.now());
        let who = tx.actor().name.clone();
        let known: (String, String) = billing::table
            .filter(billing::account_id.eq(account))
            .select((billing::provider, billing::customer))
            .first(tx.conn())?;
        let setup: CardSetupId = diesel::insert_into(setups::table)
            .values((
                setups::account_id.eq(account),
                setups::provider.eq(provider),
                setups::asked_by.eq(who),
                setups::state.eq("open"),
                setups::created_at.eq(now),
                setups::look_at.eq(now + LOOK),
            ))
            .returning(setups::id)
            .get_result(tx.conn())?;
        let buyer = details::load(tx, account)?.buyer();
        let currency = tx.app().config.plans.currency.code();
        Ok((setup, known, buyer.name, currency))
    })?;
    let customer = if known.0 == provider { &known.1 } else { "" };
    let back = app.config.link(&format!("{INVOICES}/card/{setup}"));
    let ask = SetupAsk {
        account: can.me().account,
        setup,
        customer,
        name: &name,
        email: &can.me().email,
        currency,
        back: &back,
    };
    let started = app.payments.start_setup(app, &ask).map_err(|trouble| {
        tracing::warn!(%trouble, "the payment provider's page for cards could not be opened");
        Error::refused("The payment provider does not answer just now. Try again in a few minutes.")
    })?;
    can.write(|tx| {
        let account = tx.account();
        diesel::update(billing::table.filter(billing::account_id.eq(account)))
            .set((
                billing::provider.eq(provider),
                billing::customer.eq(&started.customer),
            ))
            .execute(tx.conn())?;
        diesel::update(setups::table.filter(setups::id.eq(setup)))
            .set(setups::session.eq(&started.session))
            .execute(tx.conn())?;
        Ok(())
    })?;
    Ok(started.url)
}

/// Asks the provider how a visit went, and keeps the card that came of it. Nothing while it is not over.
pub fn collect(app: &App, setup: &Setup) -> Result<Option<Card>> {
    let state = match &setup.session {
        // The process that asked for the page died, or the provider did not answer: nobody has been there.
        None => Ok(SetupState::Waiting),
        Some(session) => app.payments.setup(app, session),
    };
    let late = app.clock.now() - setup.created_at > PATIENCE;
    match state {
        Ok(SetupState::Done(card)) => {
            let kept = app.system_write(|tx| keep(tx, setup, card))?;
            app.billing.wake();
            Ok(kept)
        }
        Ok(SetupState::Waiting) if !late && setup.session.is_some() => {
            app.system_write(|tx| later(tx, setup))?;
            Ok(None)
        }
        Ok(SetupState::Waiting | SetupState::Over) => {
            app.system_write(|tx| end(tx, setup, "given up").map(drop))?;
            Ok(None)
        }
        Err(trouble) => {
            tracing::warn!(setup = setup.id.0, %trouble, "the payment provider did not answer");
            app.system_write(|tx| later(tx, setup))?;
            Ok(None)
        }
    }
}

fn later(tx: &mut Tx<System>, setup: &Setup) -> Result<()> {
    let next = tx.now() + LOOK;
    diesel::update(setups::table.filter(setups::id.eq(setup.id)))
        .filter(setups::state.eq("open"))
        .set(setups::look_at.eq(next))
        .execute(tx.conn())?;
    Ok(())
}

/// Ends a visit; false when it has ended before.
fn end(tx: &mut Tx<System>, setup: &Setup, state: &str) -> Result<bool> {
    let now = tx.now();
    let ended = diesel::update(setups::table.filter(setups::id.eq(setup.id)))
        .filter(setups::state.eq("open"))
        .set((
            setups::state.eq(state),
            setups::look_at.eq(None::<Timestamp>),
            setups::finished_at.eq(now),
        ))
        .execute(tx.conn())?;
    Ok(ended == 1)
}

fn keep(tx: &mut Tx<System>, setup: &Setup, new: ProviderCard) -> Result<Option<Card>> {
    let account = setup.account;
    db::lock_account(tx.conn(), account)?;
    if !end(tx, setup, "done")? {
        return load(tx, account);
    }
    let asked_by: String = setups::table
        .filter(setups::id.eq(setup.id))
        .select(setups::asked_by)
        .first(tx.conn())?;
    put(tx, account, &setup.provider, &new, asked_by)?;
    load(tx, account)
}

/// Puts a card on file in the place of the one that is there, and has it tried for what is unpaid. The account is
/// locked.
pub fn put<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    provider: &str,
    new: &ProviderCard,
    asked_by: String,
) -> Result<()> {
    let before = load(tx, account)?;
    let now = tx.now();
    let values = (
        table::provider.eq(provider),
        table::token.eq(&new.token),
        table::brand.eq(&new.brand),
        table::last4.eq(&new.last4),
        table::exp_year.eq(new.exp_year),
        table::exp_month.eq(new.exp_month),
        table::added_at.eq(now),
    );
    on_each!(tx.conn(), c => diesel::insert_into(table::table)
        .values((table::account_id.eq(account), values))
        .on_conflict(table::account_id)
        .do_update()
        .set(values)
        .execute(c))?;
    let card = load(tx, account)?;
    let event = Event::CardUpdated {
        before: before.map(|card| card.words()).unwrap_or_default(),
        after: card.as_ref().map(Card::words).unwrap_or_default(),
        asked_by,
    };
    audit::record(tx, account, &event)?;
    dunning::try_again(tx, account)
}

/// Looks after the visits that are due, and those that somebody waits for.
pub fn collect_due(app: &App, asked: impl IntoIterator<Item = CardSetupId>) -> Result<()> {
    for id in asked {
        let row: Option<Row> = app.system_read(|tx| {
            Ok(setups!()
                .filter(setups::id.eq(id))
                .filter(setups::state.eq("open"))
                .filter(setups::provider.eq(app.payments.name()))
                .first(tx.conn())
                .optional()?)
        })?;
        if let Some(row) = row {
            collect(app, &row.into())?;
        }
    }
    let mut after = CardSetupId(0);
    loop {
        let next: Option<Row> = app.system_read(|tx| {
            let now = tx.now();
            let provider = tx.app().payments.name();
            Ok(setups!()
                .filter(setups::look_at.le(now))
                .filter(setups::provider.eq(provider))
                .filter(setups::id.gt(after))
                .order(setups::id)
                .first(tx.conn())
                .optional()?)
        })?;
        let Some(setup) = next.map(Setup::from) else {
            return Ok(());
        };
        after = setup.id;
        collect(app, &setup)?;
    }
}

/// The provider says that a visit is over: it is asked about at the next look.
pub fn look_soon(tx: &mut Tx<System>, provider: &str, session: &str) -> Result<bool> {
    let now = tx.now();
    let known = diesel::update(setups::table)
        .filter(setups::provider.eq(provider))
        .filter(setups::session.eq(session))
        .filter(setups::state.eq("open"))
        .set(setups::look_at.eq(now))
        .execute(tx.conn())?;
    Ok(known == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_is_good_until_the_last_day_of_its_month() {
        let card = |exp_year, exp_month| Card {
            provider: String::new(),
            token: String::new(),
            brand: "Visa".into(),
            last4: "4242".into(),
            exp_year,
            exp_month,
        };
        // 22 November 2026.
        let today = Day(20_779);
        assert_eq!(today.show(), "22 Nov 2026");
        assert_eq!(card(2026, 10).expiry(today, None), Expiry::Over);
        assert_eq!(card(2026, 11).expiry(today, None), Expiry::Soon);
        assert_eq!(card(2026, 12).expiry(today, None), Expiry::Soon);
        assert_eq!(card(2027, 1).expiry(today, None), Expiry::Good);
        assert_eq!(card(2027, 1).expiry(today, Some(Day(20_879))), Expiry::Soon);
        assert_eq!(card(2027, 1).expires(), "01/2027");
    }
}
