//! **Plan**: what there is, what else there could be, and the order that was reviewed.

use askama::Template;

use super::order::{self, Quote, When};
use super::plans::{Plan, Plans};
use super::seats::{self, Seats};
use super::subscription::{self, Subscription};
use super::{PLAN, cards};
use crate::access::{Can, ManageBilling};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::{Form, Request};
use crate::web::shell::Shell;
use crate::{Error, Result};

#[derive(Template)]
#[template(path = "billing/plan.html")]
struct PlanPage {
    shell: Shell,
    plans: std::sync::Arc<Plans>,
    now: Subscription,
    seats: Seats,
    /// As chosen and typed.
    chosen: String,
    typed: String,
    errors: Errors,
}

impl PlanPage {
    fn free(&self) -> bool {
        self.now.running.is_none()
    }

    fn money(&self, minor: &i64) -> String {
        let sold = super::money::Currency::parse(&self.now.currency);
        sold.unwrap_or(self.plans.currency).show(*minor)
    }

    /// "12 of 20".
    fn seats_words(&self) -> String {
        match self.seats.limit {
            Some(limit) => format!("{} of {limit}", self.seats.used()),
            None => self.seats.used().to_string(),
        }
    }

    /// "used by members", or who else uses them.
    fn used_by(&self) -> String {
        match self.seats.invited {
            0 => "used by members".into(),
            1 => "used by members and 1 open invitation".into(),
            n => format!("used by members and {n} open invitations"),
        }
    }

    /// "€360.00 for 20 seats", as the next period is sold.
    fn renewal(&self) -> String {
        let after = self.now.renewed(&self.plans);
        let words = match after.price() {
            0 => "no charge".to_owned(),
            price => format!(
                "{} for {}",
                self.money(&price),
                order::seats_words(after.seats)
            ),
        };
        match self.now.next {
            Some(_) => format!("{}: {words}", after.plan_name),
            None => words,
        }
    }

    fn price_words(&self, plan: &Plan) -> String {
        plan.price_words(self.plans.currency)
    }

    fn every(&self) -> &'static str {
        order::every_words(self.now.every)
    }

    fn is_chosen(&self, plan: &Plan) -> bool {
        self.plans.find(&self.chosen) == Some(plan)
    }

    fn least(&self) -> String {
        match (self.seats.used(), self.seats.invited) {
            (used, 0) => {
                format!("At least {used}, the members there are. A plan without charge needs none.")
            }
            (used, _) => format!(
                "At least {used}, the members and open invitations there are. A plan without charge needs none."
            ),
        }
    }
}

fn page(
    can: &Can<ManageBilling>,
    request: &Request,
    typed: Option<&Form>,
    errors: Errors,
) -> Result<PlanPage> {
    let (now, seats) = can.read(|tx| {
        let account = tx.account();
        Ok((subscription::load(tx, account)?, seats::load(tx, account)?))
    })?;
    let mut shell = can.page(request, &[("Billing & Account", ""), ("Plan", "")])?;
    shell.refused = !errors.is_empty();
    let wanted = now.next.clone();
    let (plan, number) = wanted.unwrap_or_else(|| (now.plan.clone(), now.seats));
    let (chosen, typed) = match typed {
        Some(form) => (form.one("plan")?.to_owned(), form.one("seats")?.to_owned()),
        None => (plan, number.max(seats.used()).to_string()),
    };
    Ok(PlanPage {
        shell,
        plans: can.app().config.plans.clone(),
        now,
        seats,
        chosen,
        typed,
        errors,
    })
}

/// `GET /billing/plan`
pub fn show(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    Answer::page(&page(&can, request, None, Errors::new())?)
}

#[derive(Template)]
#[template(path = "billing/order.html")]
struct OrderPage {
    shell: Shell,
    plans: std::sync::Arc<Plans>,
    before: Subscription,
    quote: Quote,
    card: Option<cards::Card>,
    /// Something moved since it was looked at.
    moved: bool,
    errors: Errors,
}

impl OrderPage {
    fn money(&self, minor: &i64) -> String {
        self.plans.currency.show(*minor)
    }

    /// What a whole period costs before and after, and the difference.
    fn difference(&self) -> String {
        let before = self.before.price();
        let after = self.quote.next.map_or(0, |(_, amount)| amount);
        let sign = if after >= before { "+" } else { "" };
        format!("{sign}{}", self.money(&(after - before)))
    }

    /// "Business, 20 seats".
    fn words(&self, name: &str, seats: &i64) -> String {
        match seats {
            0 => name.to_owned(),
            n => format!("{name}, {}", order::seats_words(*n)),
        }
    }

    fn price_before(&self) -> String {
        self.price(self.before.price(), self.before.every)
    }

    fn price_after(&self) -> String {
        let next = self.quote.next.map_or(0, |(_, amount)| amount);
        self.price(next, self.quote.plan.every)
    }

    /// "a month", behind the difference, when both are counted the same way.
    fn same_every(&self) -> &'static str {
        match self.before.every == self.quote.plan.every {
            true => order::every_words(self.before.every),
            false => "",
        }
    }

    fn credit(&self) -> String {
        self.money(&-self.quote.sums.credit)
    }

    fn price(&self, amount: i64, every: super::days::Every) -> String {
        match amount {
            0 => "No charge".into(),
            n => format!("{} {}", self.money(&n), order::every_words(every)),
        }
    }
}

/// The seats that were typed; 0 when it is no number, which a plan without charge does not need.
fn typed_seats(form: &Form) -> Result<i64> {
    let text = form.one("seats")?.trim();
    let plain = (1..=9).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    Ok(if plain { text.parse().unwrap_or(0) } else { 0 })
}

fn order_page(
    can: &Can<ManageBilling>,
    request: &Request,
    quote: Quote,
    moved: bool,
    errors: Errors,
) -> Result<OrderPage> {
    let trail = [
        ("Billing & Account", ""),
        ("Plan", PLAN),
        ("Review order", ""),
    ];
    let (before, card) = can.read(|tx| {
        let account = tx.account();
        Ok((subscription::load(tx, account)?, cards::load(tx, account)?))
    })?;
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    Ok(OrderPage {
        shell,
        plans: can.app().config.plans.clone(),
        before,
        quote,
        card,
        moved,
        errors,
    })
}

/// Which control a refusal is about.
fn control(why: &str) -> &'static str {
    if why.contains("one of the plans") {
        "plan"
    } else {
        "seats"
    }
}

/// `GET /billing/plan/order?plan=…&seats=…`: what it costs, before anything is changed.
pub fn review(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let form = request.query();
    if form.pairs().is_empty() {
        return Ok(Answer::see_other(PLAN));
    }
    let (plan, seats) = (form.one("plan")?, typed_seats(form)?);
    match can.read(|tx| order::ask(tx, plan, seats)) {
        Ok(quote) => Answer::page(&order_page(&can, request, quote, false, Errors::new())?),
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            errors.add(control(&why), why);
            Answer::refused(&page(&can, request, Some(form), errors)?)
        }
        Err(other) => Err(other),
    }
}

/// `POST /billing/plan/order`: exactly what was reviewed, or another look.
pub fn place(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let form = request.form();
    let (plan, seats) = (form.one("plan")?, typed_seats(form)?);
    let number = |name: &str| -> Result<i64> { Ok(form.one(name)?.parse().unwrap_or(-1)) };
    let (version, due) = (number("version")?, number("due")?);
    match can.write(|tx| order::place(tx, plan, seats, version, due)) {
        Ok(Some(quote)) => {
            can.app().billing.wake();
            let plan = &quote.plan.name;
            let said = match quote.when {
                When::Already => format!("{plan} is the plan already. Nothing was changed."),
                When::Now => format!("The plan is {plan} now."),
                When::Renewal(day) => {
                    format!("The plan changes to {plan} on {}.", day.show())
                }
            };
            Ok(Answer::see_other(PLAN).flash(said))
        }
        Ok(None) => {
            let quote = can.read(|tx| order::ask(tx, plan, seats))?;
            Answer::conflict(&order_page(&can, request, quote, true, Errors::new())?)
        }
        Err(Error::Refused(why)) => {
            let mut errors = Errors::new();
            match can.read(|tx| order::ask(tx, plan, seats)) {
                // It is about the card, not about the order.
                Ok(quote) => {
                    errors.add("place", why);
                    Answer::refused(&order_page(&can, request, quote, false, errors)?)
                }
                Err(Error::Refused(why)) => {
                    errors.add(control(&why), why);
                    Answer::refused(&page(&can, request, Some(form), errors)?)
                }
                Err(other) => Err(other),
            }
        }
        Err(other) => Err(other),
    }
}
