//! What account owners and billing contacts are told by mail.

use askama::Template;

use super::invoices::{Invoice, account_name};
use super::owner::Person;
use super::{INVOICES, details};
use crate::access::{ManageBilling, Proof, Tx};
use crate::credentials::email::Email;
use crate::db::types::{AccountId, Day, Timestamp};
use crate::mail::{self, Attachment, Content};
use crate::web::times;
use crate::{Error, Result};

/// A mail about billing: paragraphs, and where to go.
#[derive(Template)]
#[template(path = "mail/billing.txt")]
struct Text<'a> {
    name: &'a str,
    lines: &'a [String],
    link: &'a str,
}

#[derive(Template)]
#[template(path = "mail/billing.html")]
struct Html<'a> {
    name: &'a str,
    lines: &'a [String],
    link: &'a str,
}

/// The same words to the account owner and the billing contact.
fn to_both<P: Proof>(
    tx: &mut Tx<P>,
    account: AccountId,
    kind: &'static str,
    subject: &str,
    lines: &[String],
    attachment: Option<&Attachment>,
) -> Result<()> {
    let link = &tx.app().config.link(INVOICES);
    for (name, email) in details::recipients(tx, account)? {
        let name = &name;
        let mut content = Content::new(
            subject,
            &Text { name, lines, link },
            &Html { name, lines, link },
        )?;
        content.attachment = attachment.cloned();
        mail::tell(tx, Some(account), kind, &email, content)?;
    }
    Ok(())
}

/// The invoice or credit note itself.
pub(super) fn issued<P: Proof>(tx: &mut Tx<P>, invoice: &Invoice) -> Result<()> {
    let account = account_name(tx, invoice.account)?;
    let content = &invoice.content;
    let (title, number) = (&content.title, &content.number);
    let total = content.currency.show(content.sums.total);
    let mut lines = vec![format!(
        "{title} {number} of {} to {account} is attached: {total}, {}.",
        content.sender.name,
        content.summary()
    )];
    lines.extend(content.money.clone());
    if content.sums.due > 0 {
        lines.push("It is charged to the card on file. There is nothing to do.".into());
    }
    let attachment = Attachment {
        name: content.file_name(),
        mime: "application/pdf".into(),
        key: format!("{}/{}", invoice.account, invoice.id),
    };
    let subject = format!("{title} {number} for {account}");
    let kind = "invoice";
    to_both(
        tx,
        invoice.account,
        kind,
        &subject,
        &lines,
        Some(&attachment),
    )
}

/// A payment failed, and is tried again or not.
pub(super) fn payment_failed<P: Proof>(
    tx: &mut Tx<P>,
    invoice: &Invoice,
    reason: &str,
    next: Option<Timestamp>,
) -> Result<()> {
    let account = account_name(tx, invoice.account)?;
    let content = &invoice.content;
    let due = content.currency.show(content.sums.due);
    let number = &content.number;
    let mut lines = vec![format!(
        "The payment of {due} for invoice {number} of {account} failed. {reason}"
    )];
    lines.push(match next {
        Some(next) => format!(
            "It is tried again on {}. You can replace the card or pay now:",
            Day::of(next).show()
        ),
        None => "It is not tried again by itself. Replace the card or pay now:".into(),
    });
    let subject = format!("The payment of invoice {number} failed");
    to_both(
        tx,
        invoice.account,
        "payment-failed",
        &subject,
        &lines,
        None,
    )
}

/// The account is read-only from now on.
pub(super) fn read_only<P: Proof>(tx: &mut Tx<P>, invoice: &Invoice) -> Result<()> {
    let account = account_name(tx, invoice.account)?;
    let number = &invoice.content.number;
    let lines = [
        format!("Invoice {number} is still not paid, so {account} is read-only from now on."),
        "Everybody can still sign in, read and export. Nothing can be added or changed until it is paid; the account \
         owner and the administrators can do that at any time:"
            .to_owned(),
    ];
    let subject = format!("{account} is read-only until invoice {number} is paid");
    to_both(tx, invoice.account, "read-only", &subject, &lines, None)
}

#[derive(Template)]
#[template(path = "mail/owner_changed.txt")]
struct OwnerText<'a> {
    name: &'a str,
    new: bool,
    deed: &'a Deed,
}

#[derive(Template)]
#[template(path = "mail/owner_changed.html")]
struct OwnerHtml<'a> {
    name: &'a str,
    new: bool,
    deed: &'a Deed,
}

struct Deed {
    account: String,
    actor: String,
    when: String,
    address: String,
    before: String,
    after: String,
    link: String,
}

/// Tells the former and the new owner.
pub(super) fn owner_changed(
    tx: &mut Tx<ManageBilling>,
    before: Option<&Person>,
    after: &Person,
) -> Result<()> {
    let account = tx.account();
    let deed = &Deed {
        account: tx.me().account_name.clone(),
        actor: tx.actor().name.clone(),
        when: times::utc(tx.now()),
        address: tx.actor().address.clone(),
        before: before.map_or_else(|| "Nobody".to_owned(), |person| person.name.clone()),
        after: after.name.clone(),
        link: tx.app().config.link(super::OWNER),
    };
    for (person, new) in [(before, false), (Some(after), true)] {
        let Some(person) = person else { continue };
        let name = &person.name;
        let subject = match new {
            true => format!("You are the account owner of {} now", deed.account),
            false => format!("You are no longer the account owner of {}", deed.account),
        };
        let content = Content::new(
            subject,
            &OwnerText { name, new, deed },
            &OwnerHtml { name, new, deed },
        )?;
        let to = Email::parse(&person.email).map_err(Error::internal)?;
        mail::tell(tx, Some(account), "owner-changed", &to, content)?;
    }
    Ok(())
}
