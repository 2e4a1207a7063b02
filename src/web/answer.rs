//! What a handler answers: a page, a way elsewhere, a file. Turned into an actix response by `web::server`.

use actix_web::web::Bytes;
use askama::Template;

use super::gzip;
use crate::access::Html;
use crate::credentials::tokens::Token;
use crate::{Error, Result};

/// One answer. Cookies and session changes are effects that the server applies with the right names and flags.
pub struct Answer {
    pub(super) status: u16,
    pub(super) body: Body,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) cookies: Vec<SetCookie>,
    pub(super) session: SessionChange,
    pub(super) flash: Option<(FlashKind, String)>,
    /// An origin besides ours that forms on this page may lead to.
    pub(super) form_target: Option<String>,
}

pub(super) enum Body {
    Empty,
    Text {
        mime: &'static str,
        content: String,
    },
    /// HTML around a part that is shared.
    Around {
        before: String,
        part: Html,
        after: String,
    },
    /// The same as one gzip stream.
    Gzip(Bytes),
    Bytes {
        mime: &'static str,
        content: Vec<u8>,
    },
    Stream {
        mime: &'static str,
        next: Box<Chunks>,
    },
}

/// Bytes that fit into one packet anyway.
const WORTH_IT: usize = 1_000;

/// Type of a page.
pub(super) const HTML: &str = "text/html; charset=utf-8";

/// Gives the next piece of a long answer; nothing at its end. Called on a blocking thread.
pub(super) type Chunks = dyn FnMut() -> Result<Option<Vec<u8>>> + Send;

pub(super) struct SetCookie {
    pub name: &'static str,
    /// Empty removes the cookie.
    pub value: String,
    /// None lasts until the browser is closed.
    pub max_age: Option<time::Duration>,
}

pub(super) enum SessionChange {
    Keep,
    Start(Token),
    End,
}

/// How a strip looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlashKind {
    Done,
    Warning,
}

/// Room for most pages from the start: growing step by step would copy what is there again and again.
const PAGE: usize = 48 * 1024;

fn rendered(template: &impl Template) -> Result<String> {
    let mut page = String::with_capacity(PAGE);
    template.render_into(&mut page).map_err(Error::internal)?;
    Ok(page)
}

impl Answer {
    fn new(status: u16, body: Body) -> Answer {
        Answer {
            status,
            body,
            headers: Vec::new(),
            cookies: Vec::new(),
            session: SessionChange::Keep,
            flash: None,
            form_target: None,
        }
    }

    /// 200 with a page.
    pub fn page(template: &impl Template) -> Result<Answer> {
        Answer::page_with(200, template)
    }

    /// 200 with a page around a part that was rendered before and stands where the template writes [`Html::MARK`]. The
    /// part goes out as it is, without being copied into the page.
    pub fn page_around(part: Html, template: &impl Template) -> Result<Answer> {
        let page = rendered(template)?;
        let (before, after) = page
            .split_once(Html::MARK)
            .ok_or_else(|| Error::internal("the page has no place for its part"))?;
        Ok(Answer::new(
            200,
            Body::Around {
                before: before.to_owned(),
                part,
                after: after.to_owned(),
            },
        ))
    }

    /// The same, with a page compressed: fast, because it is sent once, and nothing but the part that is kept is worth
    /// more.
    pub(super) fn deflated(mut self) -> Answer {
        let packed = match &self.body {
            Body::Around {
                before,
                part,
                after,
            } => {
                let (before, after) = (gzip::Part::fast(before), gzip::Part::fast(after));
                gzip::joined(&[&before, part.deflated(), &after])
            }
            Body::Text { mime, content } if *mime == HTML && content.len() > WORTH_IT => {
                gzip::joined(&[&gzip::Part::fast(content)])
            }
            _ => return self,
        };
        self.body = Body::Gzip(packed);
        self
    }

    /// 422: the same page, with what was typed and what to mend.
    pub fn refused(template: &impl Template) -> Result<Answer> {
        Answer::page_with(422, template)
    }

    /// 409: somebody else was faster; both versions, and nothing lost.
    pub fn conflict(template: &impl Template) -> Result<Answer> {
        Answer::page_with(409, template)
    }

    /// A page with another status.
    pub fn page_with(status: u16, template: &impl Template) -> Result<Answer> {
        let content = rendered(template)?;
        let mime = HTML;
        Ok(Answer::new(status, Body::Text { mime, content }))
    }

    /// True for a page a person looks at.
    pub(super) fn is_page(&self) -> bool {
        match &self.body {
            Body::Text { mime, .. } => mime.starts_with("text/html"),
            Body::Around { .. } | Body::Gzip(_) => true,
            Body::Empty | Body::Bytes { .. } | Body::Stream { .. } => false,
        }
    }

    /// 200 with JSON.
    pub fn json(value: &impl serde::Serialize) -> Result<Answer> {
        let content = serde_json::to_string_pretty(value).map_err(Error::internal)?;
        let mime = "application/json";
        Ok(Answer::new(200, Body::Text { mime, content }))
    }

    /// 303 to a path of this server.
    pub fn see_other(path: impl Into<String>) -> Answer {
        Answer::new(303, Body::Empty).header("Location", path.into())
    }

    /// Plain text under a status.
    pub fn text(status: u16, content: impl Into<String>) -> Answer {
        Answer::new(
            status,
            Body::Text {
                mime: "text/plain; charset=utf-8",
                content: content.into(),
            },
        )
    }

    /// A text file to keep.
    pub fn file(name: &str, content: String) -> Answer {
        Answer::text(200, content).attachment(name)
    }

    /// A CSV file (RFC 4180) written piece by piece in constant memory: `next` gets where the last piece ended and
    /// gives rows and the place to go on, or no place at the end.
    pub fn csv<C: Send + 'static>(
        name: &str,
        header: &[&str],
        mut next: impl FnMut(Option<C>) -> Result<(Vec<Vec<String>>, Option<C>)> + Send + 'static,
    ) -> Answer {
        let mut first = Some(super::csv::record(header.iter().copied()));
        let mut place: Option<C> = None;
        let mut over = false;
        let chunks = move || {
            if let Some(header) = first.take() {
                return Ok(Some(header));
            }
            if over {
                return Ok(None);
            }
            let (rows, more) = next(place.take())?;
            over = more.is_none();
            place = more;
            let mut out = Vec::new();
            for row in &rows {
                out.extend(super::csv::record(row.iter().map(String::as_str)));
            }
            // An empty piece would end a chunked body early.
            Ok((!out.is_empty()).then_some(out))
        };
        Answer::new(
            200,
            Body::Stream {
                mime: "text/csv; charset=utf-8",
                next: Box::new(chunks),
            },
        )
        .attachment(name)
    }

    /// A CSV file that lies on the disk, read piece by piece in constant memory.
    pub fn csv_file(name: &str, mut file: std::fs::File) -> Answer {
        let chunks = move || {
            let mut piece = vec![0; 64 * 1024];
            let read = std::io::Read::read(&mut file, &mut piece).map_err(Error::internal)?;
            piece.truncate(read);
            Ok((read > 0).then_some(piece))
        };
        Answer::new(
            200,
            Body::Stream {
                mime: "text/csv; charset=utf-8",
                next: Box::new(chunks),
            },
        )
        .attachment(name)
    }

    /// A PDF to keep.
    pub fn pdf(name: &str, content: Vec<u8>) -> Answer {
        let mime = "application/pdf";
        Answer::new(200, Body::Bytes { mime, content }).attachment(name)
    }

    /// 303 to a page of another server that we chose.
    pub fn see_elsewhere(url: impl Into<String>) -> Answer {
        Answer::see_other(url)
    }

    /// Lets the forms of this page lead to another origin, whose page the answer to them goes on to.
    pub fn forms_may_lead_to(mut self, origin: Option<&str>) -> Answer {
        self.form_target = origin.map(str::to_owned);
        self
    }

    fn attachment(self, name: &str) -> Answer {
        // Names are made by the server from plain letters; anything else is left out.
        let safe: String = name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || "-._".contains(*c))
            .collect();
        self.header(
            "Content-Disposition",
            format!("attachment; filename=\"{safe}\""),
        )
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Answer {
        self.headers.push((name, value.into()));
        self
    }

    /// A strip on the next page, past tense, naming the object.
    pub fn flash(mut self, text: impl Into<String>) -> Answer {
        self.flash = Some((FlashKind::Done, text.into()));
        self
    }

    /// A warning strip on the next page.
    pub fn flash_warning(mut self, text: impl Into<String>) -> Answer {
        self.flash = Some((FlashKind::Warning, text.into()));
        self
    }

    /// Sets a cookie: HttpOnly, SameSite=Lax, host only, Secure where the site is.
    pub fn set_cookie(
        mut self,
        name: &'static str,
        value: impl Into<String>,
        max_age: Option<time::Duration>,
    ) -> Answer {
        self.cookies.push(SetCookie {
            name,
            value: value.into(),
            max_age,
        });
        self
    }

    /// Removes a cookie.
    pub fn clear_cookie(self, name: &'static str) -> Answer {
        self.set_cookie(name, "", Some(time::Duration::ZERO))
    }

    /// Puts a new session in the cookie; the transaction that made it has committed.
    pub fn start_session(mut self, token: Token) -> Answer {
        self.session = SessionChange::Start(token);
        self
    }

    /// Takes the session cookie away and asks the browser to forget what it kept.
    pub fn end_session(mut self) -> Answer {
        self.session = SessionChange::End;
        self
    }
}
