//! An invoice as PDF: text that can be selected and read aloud (tagged), the font in it, and the same bytes for the same
//! invoice, whoever makes it and when.

use std::num::NonZeroU16;
use std::sync::LazyLock;

use krilla::color::rgb;
use krilla::geom::{PathBuilder, Point, Rect};
use krilla::metadata::Metadata;
use krilla::page::PageSettings;
use krilla::paint::Fill;
use krilla::surface::Surface;
use krilla::tagging::{
    Artifact, ArtifactType, ContentTag, Identifier, SpanTag, TableHeaderScope, Tag, TagGroup,
    TagTree,
};
use krilla::text::{Font, TextDirection};
use krilla::{Document, SerializeSettings};

use super::invoices::Content;
use crate::{Error, Result};

// Inter, cut down to Latin, Greek and Cyrillic letters; its licence lies beside it.
static REGULAR: LazyLock<Option<Face>> =
    LazyLock::new(|| Face::new(include_bytes!("fonts/inter-regular.otf")));
static BOLD: LazyLock<Option<Face>> =
    LazyLock::new(|| Face::new(include_bytes!("fonts/inter-semibold.otf")));

/// A font to write with, and the same to measure with.
struct Face {
    font: Font,
    shapes: rustybuzz::Face<'static>,
}

impl Face {
    fn new(bytes: &'static [u8]) -> Option<Face> {
        Some(Face {
            font: Font::new(bytes.into(), 0)?,
            shapes: rustybuzz::Face::from_slice(bytes, 0)?,
        })
    }

    fn width(&self, text: &str, size: f32) -> f32 {
        let mut buffer = rustybuzz::UnicodeBuffer::new();
        buffer.push_str(text);
        let shaped = rustybuzz::shape(&self.shapes, &[], buffer);
        let units: i32 = shaped.glyph_positions().iter().map(|p| p.x_advance).sum();
        units as f32 * size / self.shapes.units_per_em() as f32
    }

    /// Breaks a text into lines of at most `width`, between words, and within one that is longer than a line.
    fn lines(&self, text: &str, size: f32, width: f32) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = String::new();
        for word in text.split_whitespace() {
            let longer = match line.as_str() {
                "" => word.to_owned(),
                begun => format!("{begun} {word}"),
            };
            if self.width(&longer, size) <= width {
                line = longer;
                continue;
            }
            if !line.is_empty() {
                lines.push(std::mem::take(&mut line));
            }
            for letter in word.chars() {
                line.push(letter);
                if self.width(&line, size) > width && line.chars().count() > 1 {
                    line.pop();
                    lines.push(std::mem::replace(&mut line, letter.to_string()));
                }
            }
        }
        lines.push(line);
        lines
    }
}

/// A4, in points.
const WIDTH: f32 = 595.0;
const HEIGHT: f32 = 842.0;
const MARGIN: f32 = 56.0;
const RIGHT: f32 = WIDTH - MARGIN;
/// The second block of the head, and right ends of the columns with numbers.
const MIDDLE: f32 = 320.0;
const QUANTITY: f32 = 350.0;
const UNIT: f32 = 450.0;

const SMALL: f32 = 9.0;
const BODY: f32 = 10.0;

const INK: (u8, u8, u8) = (0x17, 0x1c, 0x24);
const FAINT: (u8, u8, u8) = (0x5d, 0x67, 0x75);

/// Writes on one page, from the top down.
struct Pen<'a, 'b> {
    surface: &'a mut Surface<'b>,
    regular: &'static Face,
    bold: &'static Face,
}

/// How a text looks.
#[derive(Clone, Copy)]
struct Style {
    size: f32,
    bold: bool,
    faint: bool,
}

const PLAIN: Style = Style {
    size: BODY,
    bold: false,
    faint: false,
};
const STRONG: Style = Style {
    bold: true,
    ..PLAIN
};
const LABEL: Style = Style {
    size: SMALL,
    faint: true,
    ..PLAIN
};

impl Pen<'_, '_> {
    fn face(&self, style: Style) -> &'static Face {
        if style.bold { self.bold } else { self.regular }
    }

    /// One line of text with its left end at `x`; gives what stands for it in the tree of tags.
    fn text(&mut self, x: f32, y: f32, style: Style, text: &str) -> Identifier {
        let (r, g, b) = if style.faint { FAINT } else { INK };
        let tag = ContentTag::Span(SpanTag::empty());
        let id = self.surface.start_tagged(tag);
        self.surface.set_fill(Some(Fill {
            paint: rgb::Color::new(r, g, b).into(),
            ..Fill::default()
        }));
        let font = self.face(style).font.clone();
        let at = Point::from_xy(x, y);
        self.surface.draw_text(
            at,
            font,
            style.size,
            text,
            false,
            TextDirection::LeftToRight,
        );
        self.surface.end_tagged();
        id
    }

    /// The same with its right end at `x`.
    fn text_to(&mut self, x: f32, y: f32, style: Style, text: &str) -> Identifier {
        let width = self.face(style).width(text, style.size);
        self.text(x - width, y, style, text)
    }

    /// Lines of a paragraph below each other; gives where the next begins.
    fn paragraph(
        &mut self,
        tree: &mut TagTree,
        (x, mut y): (f32, f32),
        width: f32,
        style: Style,
        texts: &[String],
    ) -> f32 {
        for text in texts.iter().filter(|text| !text.is_empty()) {
            let mut group = TagGroup::new(Tag::P);
            for line in self.face(style).lines(text, style.size, width) {
                group.push(self.text(x, y, style, &line));
                y += style.size * 1.45;
            }
            tree.push(group);
        }
        y
    }

    /// A thin line across the page; no part of what is read.
    fn rule(&mut self, y: f32) {
        let artifact = Artifact::with_kind(ArtifactType::Layout);
        self.surface.start_tagged(ContentTag::Artifact(artifact));
        self.surface.set_fill(Some(Fill {
            paint: rgb::Color::new(0xe2, 0xe6, 0xeb).into(),
            ..Fill::default()
        }));
        let mut path = PathBuilder::new();
        if let Some(rect) = Rect::from_xywh(MARGIN, y, RIGHT - MARGIN, 0.75) {
            path.push_rect(rect);
        }
        if let Some(path) = path.finish() {
            self.surface.draw_path(&path);
        }
        self.surface.end_tagged();
    }
}

/// Makes the PDF.
pub fn make(content: &Content) -> Result<Vec<u8>> {
    let missing = || Error::internal("a built-in font cannot be read");
    let regular = REGULAR.as_ref().ok_or_else(missing)?;
    let bold = BOLD.as_ref().ok_or_else(missing)?;
    let mut document = Document::new_with(SerializeSettings {
        enable_tagging: true,
        ..SerializeSettings::default()
    });
    let title = format!("{} {}", content.title, content.number);
    document.set_metadata(
        Metadata::new()
            .title(title)
            .language("en".to_owned())
            .authors(vec![content.sender.name.clone()]),
    );
    let mut tree = TagTree::new();
    let settings = PageSettings::from_wh(WIDTH, HEIGHT).ok_or_else(missing)?;
    let mut page = document.start_page_with(settings);
    let mut surface = page.surface();
    let mut pen = Pen {
        surface: &mut surface,
        regular,
        bold,
    };
    let below = head(&mut pen, &mut tree, content);
    let below = table(&mut pen, &mut tree, content, below + 24.0);
    foot(&mut pen, &mut tree, content, below + 30.0);
    surface.finish();
    page.finish();
    document.set_tag_tree(tree);
    document
        .finish()
        .map_err(|e| Error::internal(format!("the PDF of an invoice: {e:?}")))
}

/// Who to whom, number and date.
fn head(pen: &mut Pen, tree: &mut TagTree, content: &Content) -> f32 {
    let mut heading = TagGroup::new(Tag::Hn(NonZeroU16::MIN, None));
    let title = format!("{} {}", content.title, content.number);
    let large = Style {
        size: 20.0,
        ..STRONG
    };
    heading.push(pen.text(MARGIN, 78.0, large, &title));
    tree.push(heading);

    let half = MIDDLE - MARGIN - 16.0;
    let from = 112.0;
    let buyer = &content.buyer;
    let y = pen.paragraph(tree, (MARGIN, from), half, LABEL, &["To".into()]);
    let y = pen.paragraph(
        tree,
        (MARGIN, y),
        half,
        STRONG,
        std::slice::from_ref(&buyer.name),
    );
    let mut lines = buyer.address.clone();
    lines.extend(vat(&buyer.vat_number));
    let left = pen.paragraph(tree, (MARGIN, y), half, PLAIN, &lines);

    let sender = &content.sender;
    let width = RIGHT - MIDDLE;
    let y = pen.paragraph(tree, (MIDDLE, from), width, LABEL, &["From".into()]);
    let y = pen.paragraph(
        tree,
        (MIDDLE, y),
        width,
        STRONG,
        std::slice::from_ref(&sender.name),
    );
    let mut lines = sender.address.clone();
    lines.extend(vat(&sender.vat_number));
    lines.push(sender.contact.clone());
    let right = pen.paragraph(tree, (MIDDLE, y), width, PLAIN, &lines);

    let y = left.max(right) + 10.0;
    let mut facts = vec![format!("Date: {}", content.issued)];
    facts.extend(content.corrects.clone());
    let y = pen.paragraph(tree, (MARGIN, y), RIGHT - MARGIN, PLAIN, &facts);
    pen.paragraph(tree, (MARGIN, y), RIGHT - MARGIN, PLAIN, &buyer.extra_text)
}

fn vat(number: &str) -> Option<String> {
    (!number.is_empty()).then(|| format!("VAT number {number}"))
}

/// The lines and the sums under them.
fn table(pen: &mut Pen, tree: &mut TagTree, content: &Content, mut y: f32) -> f32 {
    let money = |minor| content.currency.show(minor);
    let mut table = TagGroup::new(Tag::Table);
    let mut row = TagGroup::new(Tag::TR);
    for (x, text) in [
        (None, "Description"),
        (Some(QUANTITY), "Quantity"),
        (Some(UNIT), "Price"),
        (Some(RIGHT), "Amount"),
    ] {
        let mut cell = TagGroup::new(Tag::TH(TableHeaderScope::Column));
        cell.push(match x {
            None => pen.text(MARGIN, y, LABEL, text),
            Some(x) => pen.text_to(x, y, LABEL, text),
        });
        row.push(cell);
    }
    table.push(row);
    pen.rule(y + 6.0);
    y += 22.0;
    for line in &content.lines {
        let mut row = TagGroup::new(Tag::TR);
        let mut cell = TagGroup::new(Tag::TD);
        let width = QUANTITY - MARGIN - 60.0;
        let first = y;
        for (style, text) in [(STRONG, &line.text), (LABEL, &line.detail)] {
            for part in pen.face(style).lines(text, style.size, width) {
                cell.push(pen.text(MARGIN, y, style, &part));
                y += style.size * 1.45;
            }
        }
        row.push(cell);
        for (x, text) in [
            (QUANTITY, line.quantity.to_string()),
            (UNIT, money(line.unit_price)),
            (RIGHT, money(line.amount)),
        ] {
            let mut cell = TagGroup::new(Tag::TD);
            cell.push(pen.text_to(x, first, PLAIN, &text));
            row.push(cell);
        }
        table.push(row);
        y += 8.0;
    }
    pen.rule(y - 8.0);
    y += 8.0;
    let sums = &content.sums;
    let mut rows = vec![
        ("Sum".to_owned(), money(sums.net), PLAIN),
        (content.tax_label.clone(), money(sums.tax), PLAIN),
        ("Total".to_owned(), money(sums.total), STRONG),
    ];
    if sums.credit != 0 {
        rows.push(("Credit".to_owned(), money(-sums.credit), PLAIN));
        rows.push(("To pay".to_owned(), money(sums.due), STRONG));
    }
    for (label, amount, style) in rows {
        let mut row = TagGroup::new(Tag::TR);
        let mut cell = TagGroup::new(Tag::TH(TableHeaderScope::Row));
        cell.push(pen.text_to(UNIT, y, style, &label));
        row.push(cell);
        let mut cell = TagGroup::new(Tag::TD);
        cell.push(pen.text_to(RIGHT, y, style, &amount));
        row.push(cell);
        table.push(row);
        y += 17.0;
    }
    tree.push(table);
    y
}

fn foot(pen: &mut Pen, tree: &mut TagTree, content: &Content, y: f32) {
    let text = match &content.money {
        Some(money) => money,
        None if content.sums.due > 0 => "The amount is charged to the card on file.",
        None => "There is nothing to pay.",
    };
    pen.paragraph(tree, (MARGIN, y), RIGHT - MARGIN, LABEL, &[text.to_owned()]);
}

#[cfg(test)]
#[path = "pdf_tests.rs"]
mod tests;
