//! Fields that a layout hides appear nowhere: random layouts for several people, a value of its own in every field of
//! every record, and every page, header and file that a person gets is searched for the values they may not have.

use insight::db::types::RecordId;
use insight::permissions::model::LayoutField;
use insight::permissions::objects::{Field, Kind};
use insight::permissions::{Object, custom_fields};
use insight::records::jobs;

use crate::app::TestApp;
use crate::app::page::Page;
use crate::app::people::Person;
use crate::app::records::{called, list_of, names, on_layout};
use crate::import::send_to;
use crate::on_both;

on_both!(what_a_layout_hides_is_in_no_answer);

/// A small generator with a fixed seed: the same layouts every time.
struct Draw(u64);

impl Draw {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// A field with the value that nothing else on any page has.
struct Planted {
    key: String,
    typed: String,
    /// How it could appear.
    traces: Vec<String>,
}

/// A value for each field whose kind can hold one that stands for itself.
fn plant(object: Object, key: &str, kind: &Kind, number: usize) -> Option<Planted> {
    let word = format!("canary{}x{number}x", object.number());
    let (typed, traces) = match kind {
        Kind::Text | Kind::LongText | Kind::Phone => (word.clone(), vec![word]),
        Kind::Email => (format!("{word}@x.example"), vec![word]),
        Kind::Url => (format!("https://{word}.example/"), vec![word]),
        Kind::Number => {
            let whole = 731_000 + number;
            (
                whole.to_string(),
                vec![whole.to_string(), format!("731,{number:03}")],
            )
        }
        Kind::Date => {
            let date = format!("17{:02}-03-07", 10 + number);
            (
                date.clone(),
                vec![date, format!("Mar 17{:02}", 10 + number)],
            )
        }
        Kind::YesNo | Kind::Choice(_) | Kind::Link(_) => return None,
    };
    Some(Planted {
        key: key.to_owned(),
        typed,
        traces,
    })
}

async fn what_a_layout_hides_is_in_no_answer(app: TestApp) {
    let ada = app.admin("ada").await;
    app.set_up(&ada, |setup| {
        for (slug, label) in Kind::CUSTOM {
            let choices = if slug == "choice" { "One\nTwo" } else { "" };
            custom_fields::add(
                setup,
                Object::Lead,
                &called(&format!("Own {label}")),
                slug,
                choices,
            )?;
        }
        Ok(())
    });
    let mut draw = Draw(2026);
    for (object, place) in [
        (Object::Lead, "test/leads"),
        (Object::Contact, "commercial/contacts"),
        (Object::Opportunity, "test/opportunities"),
    ] {
        let own = app.set_up(&ada, custom_fields::all);
        let own = own
            .into_iter()
            .filter(|field| field.object == object)
            .filter_map(|field| {
                let kind = Kind::stored(&field.kind, &field.choices)?;
                Some((Field::custom_key(field.id), kind))
            });
        let fields: Vec<(String, Kind)> = object
            .fields()
            .iter()
            .map(|field| (field.key.to_string(), field.kind.clone()))
            .chain(own)
            .collect();
        let planted: Vec<Planted> = fields
            .iter()
            .enumerate()
            .filter(|(_, (key, _))| key != "name")
            .filter_map(|(number, (key, kind))| plant(object, key, kind, number))
            .collect();
        for round in 0..3 {
            let person = app
                .member(&format!("bob{}{round}", object.number()), &[])
                .await;
            let profile = app.standard(&format!("{} {round}", object.plural()), &[&person]);
            app.let_export(&person);
            let shown: Vec<_> = fields
                .iter()
                .filter_map(|(key, _)| {
                    let (on, read_only) = (draw.below(2) == 0, draw.below(3) == 0);
                    (on || key == "name").then(|| on_layout(key, read_only && key != "name", false))
                })
                .collect();
            app.layout(&person, profile, object, &shown);
            let mut typed: Vec<(&str, &str)> = planted
                .iter()
                .map(|plant| (plant.key.as_str(), plant.typed.as_str()))
                .collect();
            typed.extend([("name", "Plain"), ("assigned", person.email())]);
            let id = ada.make(place, &typed).await;
            let more: Vec<(String, String)> = planted
                .iter()
                .filter(|plant| plant.typed.starts_with("canary") && !plant.typed.contains('@'))
                .map(|plant| (plant.key.clone(), format!("{} again", plant.typed)))
                .collect();
            let more: Vec<(&str, &str)> =
                more.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            ada.change(place, id, 1, &more).await.expect_status(303);

            let hidden: Vec<&Planted> = planted
                .iter()
                .filter(|plant| !shown.iter().any(|on| on.key == plant.key))
                .collect();
            assert!(!hidden.is_empty());
            for plant in &hidden {
                let page = person
                    .get(&format!("{}?any={}", list_of(place), plant.typed))
                    .await;
                assert!(names(&page).is_empty(), "{} was looked at", plant.key);
            }
            let mut answers = everything_about(&person, place, id, &fields, &shown).await;
            answers.extend(files_about(&app, &person, place, id, &fields).await);
            for page in &answers {
                let all = format!("{:?} {}", page.headers, page.source());
                for trace in hidden.iter().flat_map(|plant| &plant.traces) {
                    assert!(
                        !all.contains(trace),
                        "{} {}: {trace}",
                        page.status,
                        page.path
                    );
                }
            }
            let visible = planted
                .iter()
                .find(|plant| shown.iter().any(|on| on.key == plant.key));
            let seen = visible.is_none_or(|plant| {
                answers
                    .iter()
                    .any(|page| page.source().contains(&plant.traces[0]))
            });
            assert!(seen, "the search can find what is shown");
        }
    }
}

/// Every answer there is about a record and its list, with all fields asked for by name.
async fn everything_about(
    person: &Person,
    place: &str,
    id: RecordId,
    fields: &[(String, Kind)],
    shown: &[LayoutField],
) -> Vec<Page> {
    let list = list_of(place);
    let at = format!("{list}/{id}");
    let columns: String = fields
        .iter()
        .map(|(key, _)| format!("&column={key}"))
        .collect();
    let mut answers = Vec::new();
    for path in [
        list.clone(),
        format!("{list}?q=pl{columns}"),
        format!("{list}?assigned=me{columns}"),
        format!("{list}/new"),
        at.clone(),
        format!("{at}?before=2"),
        format!("{at}/edit"),
        format!("{at}/assign"),
        format!("{at}/delete"),
        format!("{at}/access"),
        format!("{list}/export?x=1{columns}"),
        format!("{list}/import"),
    ] {
        answers.push(person.get(&path).await);
    }
    for (key, _) in fields {
        for sort in [key.clone(), format!("-{key}")] {
            answers.push(person.get(&format!("{list}?sort={sort}")).await);
        }
        // Asked for what no record has: a filter by a field that is not there filters nothing.
        let filtered = person
            .get(&format!("{list}?f.{key}=nothing-has-this"))
            .await;
        let counts = shown.iter().any(|on| on.key == *key);
        assert_eq!(
            names(&filtered).is_empty(),
            counts,
            "{list} filtered by {key}"
        );
        answers.push(filtered);
    }
    answers.push(person.change(place, id, 1, &[("name", "Mine")]).await);
    answers.push(person.change(place, id, 2, &[("name", "")]).await);
    let all: Vec<(&str, &str)> = fields
        .iter()
        .map(|(key, _)| (key.as_str(), "wrong \u{1}"))
        .collect();
    answers.push(person.change(place, id, 2, &all).await);
    answers.push(person.post(&format!("{list}/new"), &all).await);
    answers.push(
        person
            .post(&format!("{list}/export?x=1{columns}"), &[("how", "now")])
            .await,
    );
    answers.push(
        person
            .post(&format!("{list}/export"), &[("how", "now")])
            .await,
    );
    answers
}

/// Every answer that jobs come to: the file of an export, and an import that tries to change the record, with all fields
/// asked for by name.
async fn files_about(
    app: &TestApp,
    person: &Person,
    place: &str,
    id: RecordId,
    fields: &[(String, Kind)],
) -> Vec<Page> {
    let list = list_of(place);
    let keys: Vec<&str> = fields.iter().map(|(key, _)| key.as_str()).collect();
    let mut answers = Vec::new();
    for query in ["", &format!("?column={}", keys.join("&column="))] {
        let export = format!("{list}/export{query}");
        let page = person.post(&export, &[("how", "job")]).await;
        page.expect_status(303);
        let path = page.header("location").to_owned();
        answers.push(person.get(&path).await);
        jobs::run_due(app).expect("exports");
        answers.push(person.get(&path).await);
        let file = person.get(&format!("{path}/file")).await;
        file.expect_status(200);
        answers.push(file);
    }
    // A row that may well be accepted, one with a wrong value in every field, and one about a record there is not.
    let wrong = ",wrong \u{1}".repeat(keys.len());
    let empty = ",".repeat(keys.len() - 1);
    let file = format!(
        "record_number,{}\n{id},Mine{empty}\n{id}{wrong}\n{}9{wrong}\n",
        keys.join(","),
        id
    );
    let sent = send_to(person, &list, file.as_bytes()).await;
    sent.expect_status(303);
    let path = sent.header("location").to_owned();
    answers.push(sent);
    let matching = person.get(&path).await;
    let wrong: Vec<(String, &str)> = (0..=keys.len())
        .map(|place| format!("column-{place}"))
        .zip(["record_number"].into_iter().chain(keys.iter().copied()))
        .collect();
    let wrong: Vec<(&str, &str)> = wrong.iter().map(|(id, key)| (id.as_str(), *key)).collect();
    // Refused for what is hidden or read-only; when nothing is, it is checked.
    answers.push(person.post(&path, &wrong).await);
    answers.push(matching.press("Check the rows").await);
    for step in ["check", "import"] {
        answers.push(person.get(&path).await);
        jobs::run_due(app).expect(step);
        answers.push(person.get(&path).await);
        answers.push(person.get(&format!("{path}/rejected")).await);
        answers.push(person.post(&path, &[("step", "import")]).await);
    }
    let last = person.get(&path).await;
    last.expect("Accepted").expect("Rejected rows");
    answers.push(last);
    answers
}
