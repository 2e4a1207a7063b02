//! One record, many people at once.

use futures_util::future::join_all;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::facts;
use crate::on_both;

on_both!(
    fifty_people_who_edit_one_record_all_get_their_word_in,
    a_record_that_is_deleted_while_it_is_edited_is_gone_for_everybody,
);

const PEOPLE: usize = 50;

async fn fifty_people_who_edit_one_record_all_get_their_word_in(app: TestApp) {
    let company = app.halden().await;
    let people: Vec<Person> = (0..PEOPLE)
        .map(|n| company.admin(&format!("admin{n}")))
        .collect();
    let id = people[0].make("test/leads", &[("name", "Wanted")]).await;
    let at = format!("/test/records/leads/{id}");
    let mut open = Vec::new();
    for (n, person) in people.iter().enumerate() {
        let page = person.open(&format!("{at}/edit")).await;
        let text = format!("Text of person {n}");
        open.push((text.clone(), page.fill("Notes (optional)", text), "Save"));
    }
    let mut version = 1;
    while !open.is_empty() {
        let answers = open.iter().map(|(_, page, button)| page.press_once(button));
        let answers: Vec<Page> = join_all(answers).await;
        let won = answers.iter().filter(|page| page.status == 303).count();
        assert_eq!(won, 1, "one wins per version");
        version += 1;
        let mut next = Vec::new();
        for ((text, _, _), page) in open.into_iter().zip(answers) {
            match page.status {
                303 => {
                    let now = facts(&people[0].open(&at).await);
                    assert_eq!(now["Notes"], text);
                    assert_eq!(now["Version"], version.to_string());
                }
                409 => {
                    page.expect(&text);
                    next.push((text, page, "Use mine"));
                }
                other => panic!("{other}: {}", page.text()),
            }
        }
        // Everybody once more would be fifty rounds; what they do is the same in each.
        next.truncate(if version == 2 { 12 } else { PEOPLE });
        open = next;
    }
    assert_eq!(version, 14);
    let kept = app.number(&format!(
        "SELECT count(*) FROM record_changes WHERE record_id = {id}"
    ));
    assert_eq!(kept, version);
}

async fn a_record_that_is_deleted_while_it_is_edited_is_gone_for_everybody(app: TestApp) {
    let company = app.halden().await;
    let people: Vec<Person> = (0..8)
        .map(|n| company.admin(&format!("admin{n}")))
        .collect();
    for round in 0..4 {
        let name = format!("Lead {round}");
        let id = people[0].make("test/leads", &[("name", &name)]).await;
        let at = format!("/test/records/leads/{id}");
        let deeds = people.iter().enumerate().map(|(n, person)| {
            let at = at.clone();
            async move {
                let text = format!("Text of person {n}");
                match n % 3 {
                    0 => {
                        person
                            .post(&format!("{at}/delete"), &[("version", "1")])
                            .await
                    }
                    1 => {
                        let fields = [("version", "1"), ("notes", text.as_str())];
                        person.post(&format!("{at}/edit"), &fields).await
                    }
                    _ => {
                        let fields = [("version", "1"), ("nobody", "1")];
                        person.post(&format!("{at}/assign"), &fields).await
                    }
                }
            }
        });
        let answers = join_all(deeds).await;
        for page in &answers {
            assert!(
                matches!(page.status, 303 | 404 | 409),
                "{} {}",
                page.status,
                page.text()
            );
        }
        let left = app.number(&format!("SELECT count(*) FROM records WHERE id = {id}"));
        let changes = app.number(&format!(
            "SELECT count(*) FROM record_changes WHERE record_id = {id}"
        ));
        assert!(left == 1 || changes == 0, "history without a record");
    }
}
