//! What surrounds a page: title, frame, side menu, strip. Plain data for `base.html` and `bare.html`, and the few
//! questions those templates ask about it.

pub use crate::access::Environment;
use crate::db::types::{AccountId, Timestamp};
use crate::web::times::{self, TimeHtml, Zone};

/// Everything a page needs besides its own content. A page's template struct has it as field `shell`.
#[derive(Debug, Clone)]
pub struct Shell {
    /// "Shared > Insight users", without the parts that [`Shell::document_title`] adds.
    pub title: String,
    /// The form on this page was refused.
    pub refused: bool,
    /// The page belongs to one environment, so its title names it.
    pub in_environment: bool,
    /// Of this response, for the one script and the one style sheet.
    pub nonce: String,
    /// For the hidden field of every POST form.
    pub csrf: String,
    /// "" for the device's setting, "light" or "dark".
    pub theme: &'static str,
    pub flash: Option<Flash>,
    /// `None` on pages outside the frame: signing in, registration, dead links.
    pub frame: Option<Frame>,
    /// Zone and moment in which times on this page are told.
    pub zone: Zone,
    pub now: Timestamp,
}

/// The frame of a person who is signed in.
#[derive(Debug, Clone)]
pub struct Frame {
    /// Name of the account.
    pub account: String,
    /// The person's other accounts, for the switcher.
    pub other_accounts: Vec<(AccountId, String)>,
    /// The environment in use.
    pub environment: Environment,
    /// Where the two sides of the environment switch lead.
    pub switch: [(Environment, String); 2],
    /// Name of the person.
    pub name: String,
    pub menu: Vec<MenuGroup>,
    /// Where records are searched, for whoever has an object to search.
    pub search: Option<String>,
    pub crumbs: Vec<Crumb>,
    /// The account has not paid: where that can be put right, for those who may; "" for the others.
    pub read_only: Option<&'static str>,
}

/// A headed list in the side menu.
#[derive(Debug, Clone)]
pub struct MenuGroup {
    pub label: String,
    /// The group of the environment in use, which is marked in its colour.
    pub is_environment: bool,
    pub entries: Vec<MenuEntry>,
}

#[derive(Debug, Clone)]
pub struct MenuEntry {
    pub label: String,
    pub href: String,
    /// Name of a symbol in `icons.svg`.
    pub icon: &'static str,
    /// The page shown, or one below it.
    pub current: bool,
}

/// One step of the bread crumb trail; the last is the page itself. A step without a page of its own has no `href`.
#[derive(Debug, Clone)]
pub struct Crumb {
    pub label: String,
    pub href: Option<String>,
}

/// A strip under the head of the page, told once.
#[derive(Debug, Clone)]
pub struct Flash {
    /// "" for a success, "is-warn", "is-bad" or "is-info".
    pub kind: &'static str,
    pub text: String,
}

impl Shell {
    /// Text of `<title>`: "Error: " first after a refused form, the environment for pages under one, then the product.
    pub fn document_title(&self) -> String {
        let error = if self.refused { "Error: " } else { "" };
        match &self.frame {
            Some(frame) if self.in_environment => {
                let environment = frame.environment.label();
                format!("{error}{} – {environment} – Insight", self.title)
            }
            _ => format!("{error}{} – Insight", self.title),
        }
    }

    /// Class of `<body>`: the environment in use, "" outside the frame.
    pub fn body_class(&self) -> &'static str {
        self.frame
            .as_ref()
            .map_or("", |frame| frame.environment.body_class())
    }

    /// The heading of the page unless it writes its own: the last step of its bread crumb trail.
    pub fn heading(&self) -> &str {
        self.frame
            .as_ref()
            .and_then(|frame| frame.crumbs.last())
            .map_or(self.title.as_str(), |crumb| crumb.label.as_str())
    }

    /// A moment as `<time>`: "Today, 09:41".
    pub fn time(&self, moment: &Timestamp) -> TimeHtml {
        times::time_html(&self.zone, self.now, *moment)
    }

    /// A day: "3 Mar 2026".
    pub fn date(&self, moment: &Timestamp) -> String {
        times::date(&self.zone, *moment)
    }

    /// A deadline: "Expires in 7 days".
    pub fn expires(&self, end: &Timestamp) -> String {
        times::expires(&self.zone, self.now, *end)
    }
}

impl Frame {
    /// The letters for the person's avatar.
    pub fn initials(&self) -> String {
        initials(&self.name)
    }
}

impl Flash {
    pub fn icon(&self) -> &'static str {
        match self.kind {
            "is-warn" | "is-bad" => "alert-triangle",
            "is-info" => "info-circle",
            _ => "circle-check",
        }
    }
}

/// The first letters of the first two words of a name, in capitals.
pub fn initials(name: &str) -> String {
    name.split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .flat_map(char::to_uppercase)
        .collect()
}

#[cfg(test)]
#[path = "shell_tests.rs"]
mod tests;
