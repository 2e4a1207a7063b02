//! Billing details: who the invoices are made out to, and who gets them besides the account owner.

use diesel::prelude::*;

use super::invoices::Buyer;
use crate::access::{ManageBilling, Proof, Tx};
use crate::audit::{self, Change, Event};
use crate::credentials::email::Email;
use crate::db::types::AccountId;
use crate::schema::{accounts, billing as table, members, users};
use crate::web::form::Errors;
use crate::{Error, Result};

/// As they are kept; everything may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    pub company: String,
    pub address: String,
    pub country: String,
    pub vat_number: String,
    pub extra_text: String,
    pub contact: String,
    /// For invoices without a company in the details.
    pub account_name: String,
}

impl Details {
    /// What stands on invoices.
    pub fn buyer(&self) -> Buyer {
        let lines = |text: &str| -> Vec<String> {
            text.lines()
                .map(str::trim)
                .filter(|line| !line.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let mut address = lines(&self.address);
        address.extend(lines(&self.country));
        Buyer {
            name: match self.company.as_str() {
                "" => self.account_name.clone(),
                company => company.to_owned(),
            },
            address,
            vat_number: self.vat_number.clone(),
            extra_text: lines(&self.extra_text),
        }
    }
}

/// Those of an account.
pub fn load<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<Details> {
    type Row = ((String, String, String), (String, String, String), String);
    let (who, rest, account_name): Row = table::table
        .inner_join(accounts::table.on(accounts::id.eq(table::account_id)))
        .filter(table::account_id.eq(account))
        .select((
            (table::company, table::address, table::country),
            (table::vat_number, table::extra_text, table::contact),
            accounts::name,
        ))
        .first(tx.conn())?;
    Ok(Details {
        company: who.0,
        address: who.1,
        country: who.2,
        vat_number: rest.0,
        extra_text: rest.1,
        contact: rest.2,
        account_name,
    })
}

/// Who gets the invoices: the account owner, and the billing contact unless that is the same address.
pub fn recipients<P: Proof>(tx: &mut Tx<P>, account: AccountId) -> Result<Vec<(String, Email)>> {
    let owner: Option<(String, String)> = accounts::table
        .inner_join(
            members::table.on(members::account_id
                .eq(accounts::id)
                .and(members::id.nullable().eq(accounts::owner_member_id))),
        )
        .inner_join(users::table.on(users::id.eq(members::user_id)))
        .filter(accounts::id.eq(account))
        .select((users::name, users::email))
        .first(tx.conn())
        .optional()?;
    let contact: String = table::table
        .filter(table::account_id.eq(account))
        .select(table::contact)
        .first(tx.conn())?;
    let mut found = Vec::new();
    if let Some((name, email)) = owner {
        found.push((name, Email::parse(&email).map_err(Error::internal)?));
    }
    if let Ok(email) = Email::parse(&contact)
        && !found
            .iter()
            .any(|(_, known)| known.as_str() == email.as_str())
    {
        found.push((String::new(), email));
    }
    Ok(found)
}

/// Checks what was typed; the texts come back trimmed, the VAT number without spaces and in capitals.
pub fn check(typed: &Details) -> Result<Details, Errors> {
    let mut errors = Errors::new();
    let mut text = |id: &str, value: &str, most: usize, lines: bool| -> String {
        let value = value.replace("\r\n", "\n");
        let value = value.trim();
        if value.chars().count() > most {
            errors.add(id, format!("Use at most {most} characters."));
        } else if value
            .chars()
            .any(|c| c.is_control() && !(lines && c == '\n'))
        {
            errors.add(id, "Leave out control characters.");
        } else if value.lines().count() > 6 {
            errors.add(id, "Use at most 6 lines.");
        }
        value.to_owned()
    };
    let company = text("company", &typed.company, 100, false);
    let address = text("address", &typed.address, 300, true);
    let country = text("country", &typed.country, 60, false);
    let extra_text = text("extra_text", &typed.extra_text, 300, true);
    let vat_number: String = typed
        .vat_number
        .chars()
        .filter(|c| !c.is_whitespace() && !".-".contains(*c))
        .flat_map(char::to_uppercase)
        .collect();
    if let Some(problem) = vat_problem(&vat_number) {
        errors.add("vat_number", problem);
    }
    let contact = typed.contact.trim();
    let contact = match (contact, Email::parse(contact)) {
        ("", _) => String::new(),
        (_, Ok(email)) => email.to_string(),
        (_, Err(problem)) => {
            errors.add("contact", problem.to_string());
            String::new()
        }
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(Details {
        company,
        address,
        country,
        vat_number,
        extra_text,
        contact,
        account_name: typed.account_name.clone(),
    })
}

/// Country and shape of the number after it: 9 a digit, a a letter, * either, anything
/// else itself. The European Commission and the national registers publish them.
const VAT: &[(&str, &[&str])] = &[
    ("AT", &["U99999999"]),
    ("BE", &["9999999999"]),
    ("BG", &["999999999", "9999999999"]),
    (
        "CHE",
        &["999999999", "999999999MWST", "999999999TVA", "999999999IVA"],
    ),
    ("CY", &["99999999a"]),
    ("CZ", &["99999999", "999999999", "9999999999"]),
    ("DE", &["999999999"]),
    ("DK", &["99999999"]),
    ("EE", &["999999999"]),
    ("EL", &["999999999"]),
    ("ES", &["*9999999*"]),
    ("FI", &["99999999"]),
    ("FR", &["**999999999"]),
    ("GB", &["999999999", "999999999999"]),
    ("HR", &["99999999999"]),
    ("HU", &["99999999"]),
    ("IE", &["9*99999a", "9999999aa"]),
    ("IS", &["99999", "999999"]),
    ("IT", &["99999999999"]),
    ("LT", &["999999999", "999999999999"]),
    ("LU", &["99999999"]),
    ("LV", &["99999999999"]),
    ("MT", &["99999999"]),
    ("NL", &["*********B99"]),
    ("NO", &["999999999", "999999999MVA"]),
    ("PL", &["9999999999"]),
    ("PT", &["999999999"]),
    (
        "RO",
        &[
            "99",
            "999",
            "9999",
            "99999",
            "999999",
            "9999999",
            "99999999",
            "999999999",
            "9999999999",
        ],
    ),
    ("SE", &["999999999999"]),
    ("SI", &["99999999"]),
    ("SK", &["9999999999"]),
    ("XI", &["999999999", "999999999999"]),
];

/// Why a VAT number cannot be one. Only its shape is looked at; numbers of other countries may be anything short.
fn vat_problem(number: &str) -> Option<String> {
    if number.is_empty() {
        return None;
    }
    const SHAPE: &str = "Begin with the two letters of the country, as in DE123456789.";
    let plain = number.bytes().all(|b| b.is_ascii_alphanumeric());
    let country = number.get(..2).unwrap_or("");
    if !plain || country.len() < 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
        return Some(SHAPE.into());
    }
    let known = VAT.iter().find(|(code, _)| number.starts_with(code));
    let Some((code, shapes)) = known else {
        return (!(4..=20).contains(&number.len())).then(|| SHAPE.into());
    };
    let rest = &number[code.len()..];
    if shapes.iter().any(|shape| fits(rest, shape)) {
        return None;
    }
    let example = shapes[0]
        .replace('*', "9")
        .replace('a', "X")
        .chars()
        .zip("123456789012".chars())
        .map(|(shape, digit)| if shape == '9' { digit } else { shape })
        .collect::<String>();
    Some(format!(
        "A VAT number of {code} looks like {code}{example}."
    ))
}

fn fits(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(c, s)| match s {
            b'9' => c.is_ascii_digit(),
            b'a' => c.is_ascii_uppercase(),
            b'*' => c.is_ascii_digit() || c.is_ascii_uppercase(),
            fixed => c == fixed,
        })
}

/// Keeps them, for invoices from now on.
pub fn save(tx: &mut Tx<ManageBilling>, to: &Details) -> Result<()> {
    tx.lock_account()?;
    let account = tx.account();
    save_in(tx, account, to)
}

/// The same for any account, which is locked.
pub fn save_in<P: Proof>(tx: &mut Tx<P>, account: AccountId, to: &Details) -> Result<()> {
    let from = load(tx, account)?;
    let changes: Vec<Change> = [
        ("Company", &from.company, &to.company),
        ("Address", &from.address, &to.address),
        ("Country", &from.country, &to.country),
        ("VAT number", &from.vat_number, &to.vat_number),
        ("Extra text", &from.extra_text, &to.extra_text),
        ("Billing contact", &from.contact, &to.contact),
    ]
    .into_iter()
    .filter(|(_, before, after)| before != after)
    .map(|(what, before, after)| Change::new(what, before, after))
    .collect();
    if changes.is_empty() {
        return Ok(());
    }
    diesel::update(table::table.filter(table::account_id.eq(account)))
        .set((
            table::company.eq(&to.company),
            table::address.eq(&to.address),
            table::country.eq(&to.country),
            table::vat_number.eq(&to.vat_number),
            table::extra_text.eq(&to.extra_text),
            table::contact.eq(&to.contact),
        ))
        .execute(tx.conn())?;
    audit::record(tx, account, &Event::BillingDetailsChanged { changes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shape_of_a_vat_number_is_checked() {
        for right in [
            "",
            "DE123456789",
            "ATU12345678",
            "NO912345678MVA",
            "NL123456789B01",
            "FRXX123456789",
            "CHE123456789MWST",
            "US12345",
            "ESX1234567X",
            "IE1234567AB",
        ] {
            assert_eq!(vat_problem(right), None, "{right}");
        }
        for wrong in [
            "123456789",
            "DE12345678",
            "DE1234567890",
            "DEX23456789",
            "AT12345678",
            "NO91234567",
            "É1234567",
            "D",
            "US1",
            "FR12345678",
        ] {
            assert!(vat_problem(wrong).is_some(), "{wrong}");
        }
        assert_eq!(
            vat_problem("DE12").as_deref(),
            Some("A VAT number of DE looks like DE123456789.")
        );
    }

    #[test]
    fn a_vat_number_is_kept_without_its_spaces() {
        let typed = Details {
            vat_number: "no 912 345 678 mva".into(),
            address: " Storgata 14\r\n1767 Halden ".into(),
            ..Details::default()
        };
        let kept = check(&typed).unwrap();
        assert_eq!(kept.vat_number, "NO912345678MVA");
        assert_eq!(kept.buyer().address, ["Storgata 14", "1767 Halden"]);
    }
}
