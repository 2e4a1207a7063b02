use sha2::{Digest, Sha256};

use super::*;
use crate::billing::invoices::{Buyer, Line, Sender, Sums};
use crate::billing::money::Currency;

fn content() -> Content {
    let lines = vec![Line {
        text: "Business".into(),
        detail: "20 seats, 3 Nov – 2 Dec 2026".into(),
        quantity: 20,
        unit_price: 1_800,
        amount: 36_000,
    }];
    Content {
        title: "Invoice".into(),
        number: "2026-0009".into(),
        issued: "3 Nov 2026".into(),
        corrects: None,
        money: None,
        sender: Sender {
            name: "Seller Ltd".into(),
            address: vec!["1 High Street".into()],
            vat_number: "GB123456789".into(),
            contact: "billing@seller.example".into(),
        },
        buyer: Buyer {
            name: "Șăncțiuni Łódź Ærø Ελλάς Москва ".repeat(4),
            address: vec!["Storgata 14".into(), "1767 Halden".into()],
            vat_number: "NO912345678MVA".into(),
            extra_text: vec!["x".repeat(300)],
        },
        currency: Currency::parse("EUR").unwrap(),
        sums: Sums::of(&lines, 2_500, 100),
        lines,
        tax_label: "VAT 25 %".into(),
    }
}

#[test]
fn the_same_invoice_gives_the_same_bytes() {
    let first = make(&content()).unwrap();
    assert!(first.starts_with(b"%PDF-1.7"));
    assert_eq!(make(&content()).unwrap(), first);
    let mut other = content();
    other.number = "2026-0010".into();
    assert_ne!(make(&other).unwrap(), first);
    assert!(first.len() < 60_000, "{} bytes", first.len());
}

/// An invoice is mailed once and downloaded years later: the bytes do not depend on the day, the process or the machine.
/// A new version of the library that writes others has to be a decision.
#[test]
fn the_bytes_are_what_they_always_were() {
    let hash: String = Sha256::digest(make(&content()).unwrap())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hash,
        "f4b826068e154803b9f3c41a993a65539b90e31a00c6610e21522928e15377fe"
    );
}

#[test]
fn long_texts_are_broken_and_keep_all_their_letters() {
    let face = REGULAR.as_ref().unwrap();
    let text = format!("one two {} three", "y".repeat(200));
    let lines = face.lines(&text, BODY, 120.0);
    assert!(lines.len() > 5);
    assert!(lines.iter().all(|line| face.width(line, BODY) <= 120.0));
    let letters = |text: &str| text.split_whitespace().collect::<String>();
    assert_eq!(letters(&lines.concat()), letters(&text));
}
