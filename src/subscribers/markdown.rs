//! Markdown as HTML that is safe in a mail and on a page: no HTML of the author's own, no images, and only links that
//! lead to the web or to an address.

use std::fmt;

use pulldown_cmark::{Event, HeadingLevel, Options, Parser, Tag, TagEnd, html};

/// HTML made by [`render`].
pub struct Rendered(String);

impl fmt::Display for Rendered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

// Made from Markdown with every piece of HTML in it escaped.
impl askama::filters::HtmlSafe for Rendered {}

/// CommonMark without its raw HTML, which is shown as it was typed. Of an image its description stays.
pub fn render(markdown: &str) -> Rendered {
    rendered(markdown, 0)
}

/// The same inside a section of a page, whose heading is of the second level: headings of the text stand below it.
pub fn render_in_section(markdown: &str) -> Rendered {
    rendered(markdown, 2)
}

fn rendered(markdown: &str, below: usize) -> Rendered {
    let lower = |level| HeadingLevel::try_from(level as usize + below).unwrap_or(HeadingLevel::H6);
    let mut dropped = Vec::new();
    let events = Parser::new_ext(markdown, Options::empty()).filter_map(move |event| match event {
        Event::Html(text) | Event::InlineHtml(text) => Some(Event::Text(text)),
        Event::Start(Tag::Heading {
            level,
            id,
            classes,
            attrs,
        }) => Some(Event::Start(Tag::Heading {
            level: lower(level),
            id,
            classes,
            attrs,
        })),
        Event::End(TagEnd::Heading(level)) => Some(Event::End(TagEnd::Heading(lower(level)))),
        Event::Start(Tag::Image { .. }) | Event::End(TagEnd::Image) => None,
        Event::Start(Tag::Link { ref dest_url, .. }) => {
            let keep = leads_outside(dest_url);
            dropped.push(!keep);
            keep.then_some(event)
        }
        Event::End(TagEnd::Link) => (!dropped.pop().unwrap_or(true)).then_some(event),
        other => Some(other),
    });
    let mut out = String::new();
    html::push_html(&mut out, events);
    Rendered(out)
}

/// A complete address of a harmless kind. A mail has no page that a relative one could start from.
fn leads_outside(target: &str) -> bool {
    url::Url::parse(target).is_ok_and(|url| matches!(url.scheme(), "http" | "https" | "mailto"))
}

#[cfg(test)]
mod tests {
    fn html(markdown: &str) -> String {
        super::render(markdown).to_string()
    }

    #[test]
    fn markdown_becomes_html() {
        assert_eq!(
            html("# Keys\n\nSee [docs](https://docs.example/a?b=1&c=2) *now*.\n\n- one\n"),
            "<h1>Keys</h1>\n<p>See <a href=\"https://docs.example/a?b=1&amp;c=2\">docs</a> <em>now</em>.</p>\n\
             <ul>\n<li>one</li>\n</ul>\n"
        );
        assert!(html("<mailto:a@b.example>").contains("<a href=\"mailto:a@b.example\">"));
        assert!(html("<a@b.example>").contains("a@b.example"));
    }

    #[test]
    fn on_a_page_headings_stand_below_that_of_their_section() {
        let out = super::render_in_section("# A\n\n## B\n\n##### C\n").to_string();
        assert_eq!(out, "<h3>A</h3>\n<h4>B</h4>\n<h6>C</h6>\n");
    }

    #[test]
    fn nothing_of_the_author_is_markup() {
        for (typed, wanted) in [
            (
                "<script>alert(1)</script>",
                "&lt;script&gt;alert(1)&lt;/script&gt;",
            ),
            ("a <b onclick=x>b</b>", "&lt;b onclick=x&gt;b&lt;/b&gt;"),
            ("<!-- x -->", "&lt;!-- x --&gt;"),
            ("![a\"b](https://x.example/pixel.png)", "<p>a\"b</p>"),
        ] {
            let out = html(typed);
            assert!(out.contains(wanted), "{typed}: {out}");
        }
        for hostile in [
            "[x](javascript:alert(1))",
            "[x](JaVaScRiPt:alert(1))",
            "[x](java\u{9}script:alert(1))",
            "[x](data:text/html,1)",
            "[x](//evil.example)",
            "[x](/local)",
            "<javascript:alert(1)>",
            "[x][r]\n\n[r]: vbscript:x",
            "![x](javascript:1)",
            "[![i](https://x.example/i.png)](file:///etc/passwd)",
        ] {
            let out = html(hostile);
            assert!(
                !out.contains("<a") && !out.contains("<img"),
                "{hostile}: {out}"
            );
        }
        let out = html("[x](https://x.example/\"onmouseover=alert(1))");
        assert!(!out.contains("\"onmouseover"), "{out}");
    }
}
