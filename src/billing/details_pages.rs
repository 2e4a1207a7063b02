//! Billing details: the form.

use askama::Template;

use super::INVOICES;
use super::details::{self, Details};
use crate::Result;
use crate::access::{Can, ManageBilling};
use crate::web::answer::Answer;
use crate::web::form::Errors;
use crate::web::request::Request;
use crate::web::shell::Shell;

#[derive(Template)]
#[template(path = "billing/details.html")]
struct DetailsPage {
    shell: Shell,
    details: Details,
    errors: Errors,
}

fn page(
    can: &Can<ManageBilling>,
    request: &Request,
    details: Details,
    errors: Errors,
) -> Result<DetailsPage> {
    let trail = [
        ("Billing & Account", ""),
        ("Invoices and Payments", INVOICES),
        ("Billing details", ""),
    ];
    let mut shell = can.page(request, &trail)?;
    shell.refused = !errors.is_empty();
    Ok(DetailsPage {
        shell,
        details,
        errors,
    })
}

/// `GET /billing/invoices/details`
pub fn show(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let details = can.read(|tx| {
        let account = tx.account();
        details::load(tx, account)
    })?;
    Answer::page(&page(&can, request, details, Errors::new())?)
}

/// `POST /billing/invoices/details`
pub fn save(can: Can<ManageBilling>, request: &Request) -> Result<Answer> {
    let form = request.form();
    let text = |name: &str| -> Result<String> { Ok(form.one(name)?.to_owned()) };
    let typed = Details {
        company: text("company")?,
        address: text("address")?,
        country: text("country")?,
        vat_number: text("vat_number")?,
        extra_text: text("extra_text")?,
        contact: text("contact")?,
        account_name: can.me().account_name.clone(),
    };
    match details::check(&typed) {
        Ok(details) => {
            can.write(|tx| details::save(tx, &details))?;
            Ok(Answer::see_other(INVOICES)
                .flash("The billing details were saved. They stand on invoices from now on."))
        }
        Err(errors) => Answer::refused(&page(&can, request, typed, errors)?),
    }
}
