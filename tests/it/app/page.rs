//! A page as a person meets it: words, labels, buttons. Nothing here knows an `id` or a URL that is not on the page.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::rc::Rc;

use ego_tree::NodeId;
use reqwest::Method;
use reqwest::header::HeaderMap;
use scraper::{ElementRef, Html, Selector};

use super::people::Person;

/// One answer, and what has been typed into it since.
#[derive(Clone)]
pub struct Page {
    person: Person,
    pub status: u16,
    pub headers: HeaderMap,
    /// Path and query that were asked for last.
    pub path: String,
    /// The addresses that led here, one for each redirect that was followed.
    pub way: Vec<String>,
    pub body: Rc<[u8]>,
    html: Rc<OnceCell<Html>>,
    scope: Option<NodeId>,
    typed: HashMap<NodeId, Typed>,
}

#[derive(Clone)]
enum Typed {
    Text(String),
    Ticked(bool),
}

/// What a button sends.
pub struct Submission {
    pub method: Method,
    pub action: String,
    pub fields: Vec<(String, String)>,
}

pub fn css(selector: &str) -> Selector {
    Selector::parse(selector).unwrap_or_else(|e| panic!("{selector}: {e}"))
}

/// Words with single spaces between them.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text below an element, without what is inside an element of one of these classes.
fn text_without(element: ElementRef, classes: &[&str]) -> String {
    fn collect(element: ElementRef, classes: &[&str], out: &mut String) {
        for child in element.children() {
            if let Some(text) = child.value().as_text() {
                out.push_str(text);
            } else if let Some(element) = ElementRef::wrap(child) {
                let skipped = element.value().classes().any(|c| classes.contains(&c))
                    || matches!(element.value().name(), "script" | "style" | "template");
                if !skipped {
                    // Neighbours in different boxes are different words; inside a line they are written together.
                    let inline = matches!(
                        element.value().name(),
                        "span" | "b" | "i" | "em" | "strong" | "code" | "a" | "time" | "svg"
                    );
                    if !inline {
                        out.push(' ');
                    }
                    collect(element, classes, out);
                    if !inline {
                        out.push(' ');
                    }
                }
            }
        }
    }
    let mut out = String::new();
    collect(element, classes, &mut out);
    squeezed(&out)
}

/// Every way in which a person might name an element: what is to be seen, what is read out, its `aria-label`.
fn names(element: ElementRef) -> Vec<String> {
    let mut names = vec![
        text_without(element, &[]),
        text_without(element, &["visually-hidden"]),
        text_without(element, &["optional", "sub", "hint", "visually-hidden"]),
    ];
    names.extend(
        element
            .select(&css(".name"))
            .map(|name| text_without(name, &[])),
    );
    names.extend(element.attr("aria-label").map(squeezed));
    names.dedup();
    names
}

fn called(element: ElementRef, words: &str) -> bool {
    names(element).iter().any(|name| name == words)
}

impl Page {
    pub(super) fn new(
        person: Person,
        status: u16,
        headers: HeaderMap,
        path: String,
        body: Vec<u8>,
    ) -> Page {
        Page {
            person,
            status,
            headers,
            path,
            way: Vec::new(),
            body: body.into(),
            html: Rc::default(),
            scope: None,
            typed: HashMap::new(),
        }
    }

    /// The body as it came.
    pub fn source(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header, or "".
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|v| v.to_str().ok())
            .unwrap_or("")
    }

    /// True for a page of ours, false for files, health and empty answers.
    pub fn is_html(&self) -> bool {
        self.header("content-type").starts_with("text/html")
    }

    pub fn html(&self) -> &Html {
        self.html
            .get_or_init(|| Html::parse_document(&self.source()))
    }

    fn root(&self) -> ElementRef<'_> {
        let node = self.scope.and_then(|id| self.html().tree.get(id));
        node.and_then(ElementRef::wrap)
            .unwrap_or_else(|| self.html().root_element())
    }

    fn element(&self, id: NodeId) -> ElementRef<'_> {
        let node = self.html().tree.get(id).and_then(ElementRef::wrap);
        node.expect("an element of this page")
    }

    /// Everything that fits a CSS selector, in this page or the part of it that was chosen.
    pub fn all(&self, selector: &str) -> Vec<ElementRef<'_>> {
        self.root().select(&css(selector)).collect()
    }

    /// The text of everything that fits a CSS selector.
    pub fn texts(&self, selector: &str) -> Vec<String> {
        let found = self.all(selector);
        found.into_iter().map(|e| text_without(e, &[])).collect()
    }

    /// All words, with single spaces; the title is not part of them.
    pub fn text(&self) -> String {
        if !self.is_html() {
            return self.source();
        }
        match self.scope {
            Some(_) => text_without(self.root(), &[]),
            None => self.texts("body").join(" "),
        }
    }

    /// The document's title.
    pub fn title(&self) -> String {
        self.texts("head title").join(" ")
    }

    /// The one heading of the first level.
    pub fn h1(&self) -> String {
        self.texts("h1").join(" ")
    }

    /// The strip that tells what was done, or "".
    pub fn flash(&self) -> String {
        self.texts(".flash[role=status]").join(" ")
    }

    /// What the error summary says; each of its links leads to something on the page.
    pub fn errors(&self) -> Vec<String> {
        for link in self.all(".error-summary a") {
            let target = link.attr("href").unwrap_or("");
            assert!(
                target.len() > 1 && !self.all(target).is_empty(),
                "{}: the error summary leads to {target}, which is not on the page",
                self.path
            );
        }
        self.texts(".error-summary li")
    }

    /// The part of the page that one row of a list is: table row or list item that holds these words.
    pub fn row(&self, words: &str) -> Page {
        let rows: Vec<ElementRef> = self
            .all("tbody tr, main li, .card article")
            .into_iter()
            .filter(|row| text_without(*row, &[]).contains(words))
            .collect();
        match rows.as_slice() {
            [row] => self.part(row.id()),
            _ => self.fail(&format!("{} rows hold \"{words}\"", rows.len())),
        }
    }

    /// True when a row of a list holds these words.
    pub fn has_row(&self, words: &str) -> bool {
        self.all("tbody tr")
            .into_iter()
            .any(|row| text_without(row, &[]).contains(words))
    }

    /// The card or section with this heading.
    pub fn section(&self, heading: &str) -> Page {
        let found = self
            .all("section, article, fieldset")
            .into_iter()
            .find(|s| {
                let heads = css("h2, h3, legend");
                let mut heads = s.select(&heads);
                heads.next().is_some_and(|h| {
                    called(h, heading) || text_without(h, &["count", "badge"]) == heading
                })
            });
        match found {
            Some(section) => self.part(section.id()),
            None => self.fail(&format!("there is no section \"{heading}\"")),
        }
    }

    fn part(&self, id: NodeId) -> Page {
        Page {
            scope: Some(id),
            ..self.clone()
        }
    }

    /// True when there is a button or link with these words.
    pub fn offers(&self, words: &str) -> bool {
        self.pressable(words).is_ok()
    }

    /// Types into the field with this label, in place of what is there.
    pub fn fill(mut self, label: &str, value: impl Into<String>) -> Page {
        let field = self.field(label).id();
        self.typed.insert(field, Typed::Text(value.into()));
        self
    }

    /// Chooses the entry of a list with these words.
    pub fn choose(mut self, label: &str, entry: &str) -> Page {
        let field = self.field(label);
        let options = css("option");
        let option = field.select(&options).find(|option| called(*option, entry));
        let Some(option) = option else {
            self.fail(&format!("\"{label}\" has no entry \"{entry}\""))
        };
        let value = option
            .attr("value")
            .map_or_else(|| text_without(option, &[]), str::to_owned);
        let field = field.id();
        self.typed.insert(field, Typed::Text(value));
        self
    }

    /// Ticks a box or picks a radio button.
    pub fn tick(self, label: &str) -> Page {
        self.set_tick(label, true)
    }

    /// Takes a tick away.
    pub fn untick(self, label: &str) -> Page {
        self.set_tick(label, false)
    }

    fn set_tick(mut self, label: &str, ticked: bool) -> Page {
        let field = self.field(label);
        if field.attr("disabled").is_some() {
            self.fail(&format!("\"{label}\" is disabled"))
        }
        let (id, name) = (field.id(), field.attr("name").unwrap_or("").to_owned());
        if field.attr("type") == Some("radio") {
            let group: Vec<NodeId> = self
                .html()
                .select(&css("input[type=radio]"))
                .filter(|other| other.attr("name") == Some(&name))
                .map(|other| other.id())
                .collect();
            for other in group {
                self.typed.insert(other, Typed::Ticked(false));
            }
        }
        self.typed.insert(id, Typed::Ticked(ticked));
        self
    }

    /// What stands in the field with this label.
    pub fn value(&self, label: &str) -> String {
        self.value_of(self.field(label))
    }

    /// True when the box with this label is ticked.
    pub fn is_ticked(&self, label: &str) -> bool {
        self.ticked(self.field(label))
    }

    fn field(&self, label: &str) -> ElementRef<'_> {
        let controls = css("input, textarea, select");
        let labels: Vec<ElementRef> = self.all("label");
        let fields: Vec<ElementRef> = labels
            .iter()
            .filter(|l| called(**l, label))
            .filter_map(|l| match l.attr("for") {
                Some(id) => self
                    .html()
                    .select(&controls)
                    .find(|c| c.attr("id") == Some(id)),
                None => l.select(&controls).next(),
            })
            .collect();
        let by_aria = self
            .all("input, textarea, select")
            .into_iter()
            .filter(|c| c.attr("aria-label") == Some(label));
        let fields: Vec<ElementRef> = fields.into_iter().chain(by_aria).collect();
        match fields.as_slice() {
            [field] => *field,
            [] => {
                let there: Vec<String> = labels.iter().map(|l| text_without(*l, &[])).collect();
                self.fail(&format!("no field is called \"{label}\", only {there:?}"))
            }
            _ => self.fail(&format!("several fields are called \"{label}\"")),
        }
    }

    fn value_of(&self, field: ElementRef) -> String {
        if let Some(Typed::Text(text)) = self.typed.get(&field.id()) {
            return text.clone();
        }
        match field.value().name() {
            "textarea" => {
                let text: String = field.text().collect();
                // The parser keeps the line break that browsers drop.
                text.strip_prefix('\n').unwrap_or(&text).to_owned()
            }
            "select" => {
                let options: Vec<ElementRef> = field.select(&css("option")).collect();
                let chosen = options.iter().find(|o| o.attr("selected").is_some());
                chosen.or(options.first()).map_or_else(String::new, |o| {
                    o.attr("value")
                        .map_or_else(|| text_without(*o, &[]), str::to_owned)
                })
            }
            _ => field.attr("value").unwrap_or("").to_owned(),
        }
    }

    fn ticked(&self, field: ElementRef) -> bool {
        match self.typed.get(&field.id()) {
            Some(Typed::Ticked(ticked)) => *ticked,
            _ => field.attr("checked").is_some(),
        }
    }

    /// The button or link with these words. Two with the same words must do the same.
    fn pressable(&self, words: &str) -> Result<ElementRef<'_>, String> {
        let found: Vec<ElementRef> = self
            .all("button, a[href], input[type=submit]")
            .into_iter()
            .filter(|e| {
                e.attr("type") != Some("button")
                    && (called(*e, words)
                        || e.attr("value") == Some(words) && e.value().name() == "input")
            })
            .collect();
        let there = || -> Vec<String> {
            self.all("button, a[href]")
                .into_iter()
                .map(|e| text_without(e, &[]))
                .collect()
        };
        let same = |a: ElementRef, b: ElementRef| {
            a.attr("href").is_some() && a.attr("href") == b.attr("href")
        };
        match found.as_slice() {
            [] => Err(format!(
                "nothing to press is called \"{words}\", only {:?}",
                there()
            )),
            [first, rest @ ..] if rest.iter().all(|e| same(*first, *e)) => {
                if first.attr("disabled").is_some() || first.attr("aria-disabled").is_some() {
                    return Err(format!("\"{words}\" is disabled"));
                }
                Ok(*first)
            }
            _ => Err(format!(
                "{} things are called \"{words}\"; choose a row or a section first",
                found.len()
            )),
        }
    }

    /// What pressing the button with these words sends.
    pub fn submission(&self, words: &str) -> Submission {
        let button = match self.pressable(words) {
            Ok(button) => button,
            Err(problem) => self.fail(&problem),
        };
        if let Some(href) = button.attr("href") {
            return Submission {
                method: Method::GET,
                action: href.to_owned(),
                fields: Vec::new(),
            };
        }
        let form = match button.attr("form") {
            Some(id) => self
                .html()
                .select(&css("form"))
                .find(|f| f.attr("id") == Some(id)),
            None => button
                .ancestors()
                .filter_map(ElementRef::wrap)
                .find(|e| e.value().name() == "form"),
        };
        let Some(form) = form else {
            self.fail(&format!("the button \"{words}\" belongs to no form"))
        };
        let mut fields = self.fields(form);
        if let Some(name) = button.attr("name") {
            fields.push((name.into(), button.attr("value").unwrap_or("").into()));
        }
        let method = match button.attr("formmethod").or(form.attr("method")) {
            Some("post") => Method::POST,
            _ => Method::GET,
        };
        let action = button.attr("formaction").or(form.attr("action"));
        Submission {
            method,
            action: action.map_or_else(|| self.path.clone(), str::to_owned),
            fields,
        }
    }

    /// What a browser would send of a form, in order.
    fn fields(&self, form: ElementRef) -> Vec<(String, String)> {
        let id = form.attr("id");
        let mut fields = Vec::new();
        for control in self.html().select(&css("input, textarea, select")) {
            let inside = match control.attr("form") {
                Some(other) => Some(other) == id,
                None => control.ancestors().any(|a| a.id() == form.id()),
            };
            let disabled = control.attr("disabled").is_some()
                || control
                    .ancestors()
                    .filter_map(ElementRef::wrap)
                    .any(|a| a.value().name() == "fieldset" && a.attr("disabled").is_some());
            let (Some(name), true, false) = (control.attr("name"), inside, disabled) else {
                continue;
            };
            match control.attr("type").unwrap_or("text") {
                "checkbox" | "radio" => {
                    if self.ticked(control) {
                        let value = control.attr("value").unwrap_or("on");
                        fields.push((name.to_owned(), value.to_owned()));
                    }
                }
                "submit" | "button" | "reset" | "image" => {}
                _ => fields.push((name.to_owned(), self.value_of(control))),
            }
        }
        fields
    }

    /// Presses the button, or follows the link, with these words, and goes wherever that leads.
    pub async fn press(&self, words: &str) -> Page {
        let answer = self.press_once(words).await;
        answer.follow().await
    }

    /// The same without following a redirect.
    pub async fn press_once(&self, words: &str) -> Page {
        let submission = self.submission(words);
        self.person.submit(&submission, &self.path).await
    }

    /// Goes where a 303 leads, until it leads nowhere else.
    pub async fn follow(self) -> Page {
        let person = self.person.clone();
        let mut page = self;
        let mut way = page.way.clone();
        while page.status == 303 {
            let to = page.header("location").to_owned();
            way.push(to.clone());
            assert!(way.len() < 8, "redirected in a circle: {way:?}");
            page = person.get(&to).await;
        }
        page.way = way;
        page
    }

    /// Asserts the status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &Page {
        if self.status != status {
            self.fail::<()>(&format!("expected {status}, not {}", self.status));
        }
        self
    }

    /// Asserts a redirect to this path; with a query only when `path` has one.
    #[track_caller]
    pub fn expect_redirect(&self, path: &str) -> &Page {
        let to = self.header("location");
        let to_path = to.split('?').next().unwrap_or("");
        if self.status != 303 || (to != path && to_path != path) {
            self.fail::<()>(&format!("expected 303 to {path}, not {} {to}", self.status));
        }
        self
    }

    /// Asserts that these words are on the page.
    #[track_caller]
    pub fn expect(&self, words: &str) -> &Page {
        if !self.text().contains(words) {
            self.fail::<()>(&format!("\"{words}\" is not on the page"));
        }
        self
    }

    /// Asserts that these words are not on the page.
    #[track_caller]
    pub fn expect_not(&self, words: &str) -> &Page {
        if self.text().contains(words) {
            self.fail::<()>(&format!("\"{words}\" is on the page"));
        }
        self
    }

    #[track_caller]
    fn fail<T>(&self, problem: &str) -> T {
        let to = match self.header("location") {
            "" => String::new(),
            to => format!(" -> {to}"),
        };
        panic!(
            "{problem}\n--- {} {}{to}\n{}\n{}",
            self.status,
            self.path,
            if self.is_html() {
                self.title()
            } else {
                String::new()
            },
            self.text()
        )
    }
}
