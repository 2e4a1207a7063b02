//! Invoices: what stands on them stays, in the database, in the PDF and in the mail.

use insight::billing::{INVOICES, invoices};

use crate::app::billing::{DAY, DECLINES, PAYS, poppler, text_of};
use crate::app::smtp::Smtp;
use crate::app::{Setup, TestApp};
use crate::on_both;

on_both!(
    the_pdf_says_what_the_invoice_says,
    the_same_pdf_is_mailed_once_to_owner_and_contact,
    an_issued_invoice_never_changes,
    a_credit_note_takes_an_invoice_back,
    a_credit_note_of_an_unpaid_invoice_says_that_it_is_not_charged,
    wrong_billing_details_are_refused_and_kept_in_the_form,
    many_invoices_have_pages,
);

async fn the_pdf_says_what_the_invoice_says(app: TestApp) {
    let ada = app.admin("ada").await;
    let page = ada.open(INVOICES).await.press("Edit billing details").await;
    let page = page
        .fill("Company (optional)", "Halden Logistikk AS")
        .fill("Address (optional)", "Storgata 14\n1767 Halden")
        .fill("Country (optional)", "Norway")
        .fill("VAT number (optional)", "NO 912 345 678 MVA")
        .fill("Extra text (optional)", "Cost centre 4410")
        .fill("Billing contact (optional)", "invoices@halden.example")
        .press("Save")
        .await;
    page.expect("Storgata 14, 1767 Halden, Norway")
        .expect("NO912345678MVA");
    ada.give_card(PAYS).await;
    ada.order("Business", "20").await;
    app.bill();

    let page = ada.open(INVOICES).await;
    let row = page.row("2026-0001");
    row.expect("3 Mar 2026")
        .expect("20 seats, 3 Mar – 2 Apr 2026")
        .expect("€360.00")
        .expect("Paid");
    let file = row.press_once("PDF of invoice 2026-0001").await;
    file.expect_status(200);
    assert_eq!(file.header("content-type"), "application/pdf");
    assert_eq!(
        file.header("content-disposition"),
        "attachment; filename=\"invoice-2026-0001.pdf\""
    );
    let text = text_of(&file.body);
    for words in [
        "Invoice 2026-0001",
        "Halden Logistikk AS",
        "Storgata 14",
        "1767 Halden",
        "Norway",
        "VAT number NO912345678MVA",
        "Cost centre 4410",
        "Date: 3 Mar 2026",
        "Business",
        "20 seats, 3 Mar – 2 Apr 2026",
    ] {
        assert!(text.contains(words), "\"{words}\" in\n{text}");
    }
    // The figures, each on its line.
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|l| l.split_whitespace().collect())
        .collect();
    for line in [
        &["Description", "Quantity", "Price", "Amount"][..],
        &["Business", "20", "€18.00", "€360.00"],
        &["Sum", "€360.00"],
        &["VAT", "0", "%", "€0.00"],
        &["Total", "€360.00"],
    ] {
        assert!(lines.contains(&line.to_vec()), "{line:?} in\n{text}");
    }
    // Tagged for screen readers, and its fonts are in it, with what their letters mean.
    let about = poppler("pdfinfo", &file.body, &[], &[]);
    let tagged = about.lines().find(|line| line.starts_with("Tagged:"));
    assert!(tagged.is_some_and(|line| line.ends_with("yes")), "{about}");
    let fonts = poppler("pdffonts", &file.body, &[], &[]);
    for font in fonts.lines().skip(2) {
        let words: Vec<&str> = font.split_whitespace().rev().skip(2).take(3).collect();
        assert_eq!(words, ["yes"; 3], "embedded, cut down, readable: {fonts}");
    }
    assert!(fonts.lines().count() > 3, "{fonts}");
    // Made again, also after the details have changed, it is the same to the byte.
    let fields = [("company", "Somebody Else")];
    ada.post("/billing/invoices/details", &fields).await;
    assert_eq!(app.newest_pdf(ada.account())[..], file.body[..]);
}

async fn the_same_pdf_is_mailed_once_to_owner_and_contact(setup: Setup) {
    let smtp = Smtp::start();
    let mut app = setup.with_smtp(&smtp).start();
    app.work_again();
    let ada = app.admin("ada").await;
    let fields = [("contact", "invoices@halden.example")];
    ada.post("/billing/invoices/details", &fields).await;
    ada.give_card(PAYS).await;
    ada.order("Team", "3").await;
    let mut pdfs = vec![];
    for to in ["ada@halden.example", "invoices@halden.example"] {
        let mail = smtp
            .wait_for(|mail| {
                mail.to.iter().any(|t| t == to) && mail.text.contains("Invoice 2026-0001")
            })
            .await;
        assert_eq!(
            mail.header("subject"),
            "Invoice 2026-0001 for Halden Logistics"
        );
        let [(name, bytes)] = mail.attachments.as_slice() else {
            panic!("{} attachments", mail.attachments.len())
        };
        assert_eq!(name, "invoice-2026-0001.pdf");
        pdfs.push(bytes.clone());
    }
    let made = app.newest_pdf(ada.account());
    assert!(pdfs.iter().all(|pdf| *pdf == made), "the same bytes");
    assert!(text_of(&made).contains("Invoice 2026-0001"));
    let invoices = smtp
        .messages()
        .into_iter()
        .filter(|mail| mail.text.contains("Invoice 2026-0001"));
    assert_eq!(invoices.count(), 2, "once each");
    // An owner who is the contact too gets one.
    let fields = [("contact", "ADA@halden.example")];
    ada.post("/billing/invoices/details", &fields).await;
    ada.order("Team", "4").await;
    smtp.wait_for(|mail| mail.text.contains("Invoice 2026-0002"))
        .await;
    let second = "SELECT count(*) FROM outbox WHERE kind = 'invoice'";
    assert_eq!(app.number(second), 3);
}

async fn an_issued_invoice_never_changes(app: TestApp) {
    let ada = app.admin("ada").await;
    ada.give_card(PAYS).await;
    ada.order("Team", "3").await;
    app.bill();
    for change in [
        "UPDATE invoices SET total = total + 1",
        "UPDATE invoices SET content = content",
        "UPDATE invoices SET number = 7",
        "DELETE FROM invoices",
    ] {
        let error = app.sql(change).expect_err(change).to_string();
        assert!(error.contains("an issued invoice never changes"), "{error}");
    }
}

async fn a_credit_note_takes_an_invoice_back(app: TestApp) {
    let ada = app.admin("ada").await;
    let account = ada.account();
    ada.give_card(PAYS).await;
    ada.order("Team", "3").await;
    app.bill();
    let credit = |number: &str| {
        app.system_write(|tx| invoices::credit(tx, account, number, "wrong address"))
    };
    let note = credit("2026-0001").expect("credits");
    assert_eq!(note.content.number, "2026-0002");
    assert_eq!(
        app.invoices(account),
        ["1 invoice credited 3600", "2 credit note issued -3600"]
    );
    let text = text_of(&app.newest_pdf(account));
    for words in [
        "Credit note 2026-0002",
        "Corrects invoice 2026-0001: wrong address",
        "−€36.00",
        "€36.00 is kept as credit and goes into the next invoice. Nothing is paid back to the card.",
    ] {
        assert!(text.contains(words), "\"{words}\" in\n{text}");
    }
    let mail = app.last_mail_to(&ada);
    assert_eq!(mail.subject, "Credit note 2026-0002 for Halden Logistics");
    assert!(
        mail.text.contains("€36.00 is kept as credit"),
        "{}",
        mail.text
    );
    for number in ["2026-0001", "2026-0002", "2025-0001", "2026-0009", "x"] {
        assert!(credit(number).is_err(), "{number}");
    }
    ada.open(INVOICES)
        .await
        .expect("A credit of €36.00 goes into the next invoice.");
    // It does: 2 × 12.00 more for a whole month costs nothing, and 12.00 are left.
    ada.order("Team", "5").await;
    app.bill();
    assert_eq!(app.invoices(account)[2], "3 invoice paid 2400");
    assert_eq!(app.number("SELECT credit FROM billing"), 1_200);
    assert_eq!(app.number("SELECT count(*) FROM sandbox_charges"), 1);
    let text = text_of(&app.newest_pdf(account));
    assert!(text.contains("There is nothing to pay."), "{text}");
    app.forward(DAY * 31);
    app.bill();
    assert_eq!(app.invoices(account)[3], "4 invoice paid 6000");
    assert_eq!(app.number("SELECT max(amount) FROM sandbox_charges"), 4_800);
}

async fn a_credit_note_of_an_unpaid_invoice_says_that_it_is_not_charged(app: TestApp) {
    let ada = app.admin("ada").await;
    let account = ada.account();
    ada.give_card(DECLINES).await;
    ada.order("Team", "3").await;
    app.bill();
    // Four times declined: read-only until it is paid or taken back.
    app.days(7);
    let ada = ada.again();
    ada.open(INVOICES)
        .await
        .expect("This account is read-only.");
    app.system_write(|tx| invoices::credit(tx, account, "2026-0001", "sold by mistake"))
        .expect("credits");
    let says = "The corrected invoice is not charged any more.";
    let text = text_of(&app.newest_pdf(account));
    assert!(
        text.contains(says) && !text.contains("kept as credit"),
        "{text}"
    );
    assert!(app.last_mail_to(ada).text.contains(says));
    assert_eq!(app.number("SELECT credit FROM billing"), 0);
    app.days(10);
    assert_eq!(
        app.invoices(account),
        ["1 invoice credited 3600", "2 credit note issued -3600"]
    );
    ada.again().open(INVOICES).await.expect_not("read-only");
}

async fn wrong_billing_details_are_refused_and_kept_in_the_form(app: TestApp) {
    let ada = app.admin("ada").await;
    let open = || ada.open("/billing/invoices/details");
    for (label, typed, says) in [
        (
            "VAT number (optional)",
            "DE12",
            "A VAT number of DE looks like DE123456789.",
        ),
        (
            "VAT number (optional)",
            "12345",
            "Begin with the two letters",
        ),
        ("Billing contact (optional)", "no address", "e-mail"),
        ("Company (optional)", &"x".repeat(101), "at most 100"),
        (
            "Address (optional)",
            "1\n2\n3\n4\n5\n6\n7",
            "at most 6 lines",
        ),
    ] {
        let page = open().await.fill(label, typed).press("Save").await;
        page.expect_status(422);
        assert!(page.errors()[0].contains(says), "{:?}", page.errors());
        assert_eq!(page.value(label), typed);
    }
    let page = ada.open(INVOICES).await;
    page.section("Billing details")
        .expect("Halden Logistics")
        .expect("None");
}

async fn many_invoices_have_pages(app: TestApp) {
    let ada = app.admin("ada").await;
    let account = ada.account();
    for _ in 0..51 {
        let line = invoices::Line {
            text: "Team".into(),
            detail: "1 seat".into(),
            quantity: 1,
            unit_price: 0,
            amount: 0,
        };
        app.system_write(|tx| {
            invoices::issue(tx, account, invoices::Draft::invoice(vec![line], None))
        })
        .expect("issues");
    }
    let page = ada.open(INVOICES).await;
    assert_eq!(page.texts("tbody tr").len(), 50);
    assert!(page.source().len() < 60_000, "{}", page.source().len());
    let older = page.press("Older").await;
    assert_eq!(older.texts("tbody tr").len(), 1);
    older.expect("2026-0001").expect("Newest");
}
