//! CSV records (RFC 4180) that a spreadsheet cannot mistake for formulas.

/// With one of these a spreadsheet begins to calculate.
const GUARDED: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\0'];

/// One record with its line end. Cells that a spreadsheet would calculate get a leading apostrophe (OWASP, "CSV
/// Injection").
pub fn record<'a>(cells: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let cells = cells.into_iter().map(|cell| {
        if cell.starts_with(GUARDED) {
            std::borrow::Cow::Owned(format!("'{cell}"))
        } else {
            std::borrow::Cow::Borrowed(cell)
        }
    });
    let cells: Vec<_> = cells.collect();
    // Writing to memory has no way to fail.
    let _infallible = writer.write_record(cells.iter().map(|c| c.as_bytes()));
    writer.into_inner().unwrap_or_default()
}

/// What a file is that was found to be CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Checked {
    /// Rows without the heads.
    pub rows: usize,
    pub delimiter: u8,
    /// Bytes before the first head.
    pub skip: usize,
}

/// The head line may have so many bytes.
const LONGEST_HEADS: usize = 64 * 1024;

/// One row may have so many.
const LONGEST_ROW: usize = 256 * 1024;

const NOT_UTF8: &str = "The file is not text in UTF-8. Save it as “CSV UTF-8” and choose it again.";

const BOM: &[u8] = b"\xef\xbb\xbf";

/// Reads a file piece by piece as it arrives and finds out whether it is CSV in UTF-8 within its limits.
pub struct Check {
    max_rows: usize,
    /// Bytes until the delimiter is known.
    heads: Vec<u8>,
    delimiter: Option<u8>,
    skip: usize,
    /// The beginning of a character whose end has not come yet.
    tail: Vec<u8>,
    at: At,
    rows: usize,
    row_bytes: usize,
}

/// Where in a record the next byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Start,
    Plain,
    Quoted,
    /// After a quote inside a quoted value: its end, or half of a doubled quote.
    Quote,
}

impl Check {
    /// At most so many rows, without the heads.
    pub fn new(max_rows: usize) -> Check {
        Check {
            max_rows,
            heads: Vec::new(),
            delimiter: None,
            skip: 0,
            tail: Vec::new(),
            at: At::Start,
            rows: 0,
            row_bytes: 0,
        }
    }

    /// Reads on. The error is a sentence for whoever sent it.
    pub fn feed(&mut self, piece: &[u8]) -> Result<(), String> {
        self.text(piece)?;
        if let Some(delimiter) = self.delimiter {
            return self.records(piece, delimiter);
        }
        self.heads.extend_from_slice(piece);
        if self.heads.len() > LONGEST_HEADS || ends_a_line(&self.heads) {
            self.choose()?;
        }
        Ok(())
    }

    /// The end of the file.
    pub fn end(mut self) -> Result<Checked, String> {
        if !self.tail.is_empty() {
            return Err(NOT_UTF8.into());
        }
        if self.delimiter.is_none() {
            self.choose()?;
        }
        if self.at == At::Quoted {
            return Err(format!(
                "A value in quotes that begins in row {} has no end. A quote inside a value is written twice.",
                self.rows
            ));
        }
        self.end_row()?;
        match self.rows {
            0 => Err("The file is empty.".into()),
            1 => Err("The file has no rows under its first line.".into()),
            rows => Ok(Checked {
                rows: rows - 1,
                delimiter: self.delimiter.unwrap_or(b','),
                skip: self.skip,
            }),
        }
    }

    fn text(&mut self, piece: &[u8]) -> Result<(), String> {
        let mut bytes = std::mem::take(&mut self.tail);
        bytes.extend_from_slice(piece);
        if bytes.contains(&0) {
            return Err(NOT_UTF8.into());
        }
        match std::str::from_utf8(&bytes) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                self.tail = bytes.split_off(error.valid_up_to());
                Ok(())
            }
            Err(_) => Err(NOT_UTF8.into()),
        }
    }

    /// Takes as delimiter what stands more often in the heads.
    fn choose(&mut self) -> Result<(), String> {
        let bytes = std::mem::take(&mut self.heads);
        self.skip = if bytes.starts_with(BOM) { BOM.len() } else { 0 };
        let text = &bytes[self.skip..];
        let (mut commas, mut semicolons, mut quoted) = (0, 0, false);
        for byte in text {
            match byte {
                b'"' => quoted = !quoted,
                b',' if !quoted => commas += 1,
                b';' if !quoted => semicolons += 1,
                b'\n' | b'\r' if !quoted && commas + semicolons > 0 => break,
                _ => {}
            }
        }
        let delimiter = if semicolons > commas { b';' } else { b',' };
        self.delimiter = Some(delimiter);
        self.records(text, delimiter)
    }

    fn records(&mut self, piece: &[u8], delimiter: u8) -> Result<(), String> {
        for &byte in piece {
            let line_end = byte == b'\n' || byte == b'\r';
            self.at = match (self.at, byte) {
                (At::Start, b'"') | (At::Quote, b'"') => At::Quoted,
                (At::Quoted, b'"') => At::Quote,
                (At::Quoted, _) => At::Quoted,
                (_, byte) if byte == delimiter => At::Start,
                _ if line_end => {
                    self.end_row()?;
                    continue;
                }
                (At::Quote, _) => {
                    return Err(format!(
                        "In row {} something follows a closing quote. A quote inside a value is written twice.",
                        self.rows
                    ));
                }
                (At::Start | At::Plain, _) => At::Plain,
            };
            self.row_bytes += 1;
            if self.row_bytes > LONGEST_ROW {
                return Err(format!(
                    "Row {} is too long: a quote may be missing.",
                    self.rows
                ));
            }
        }
        Ok(())
    }

    fn end_row(&mut self) -> Result<(), String> {
        self.at = At::Start;
        if self.row_bytes > 0 {
            self.rows += 1;
            self.row_bytes = 0;
        }
        if self.rows > self.max_rows + 1 {
            let limit =
                crate::web::paging::thousands(i64::try_from(self.max_rows).unwrap_or(i64::MAX));
            return Err(format!(
                "The file has more than {limit} rows. Send it in parts."
            ));
        }
        Ok(())
    }
}

/// True when a line with something on it has ended outside quotes.
fn ends_a_line(bytes: &[u8]) -> bool {
    let mut quoted = false;
    let mut something = false;
    for byte in bytes {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && something => return true,
            b'\n' | b'\r' => {}
            _ => something = true,
        }
    }
    false
}

/// A cell without the apostrophe that [`record`] put before it.
pub fn disarmed(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(GUARDED) => rest,
        _ => cell,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn cells_are_quoted_and_disarmed() {
        let line = super::record([
            "a,b",
            "say \"hi\"",
            "=1+1",
            "@x",
            "-3",
            "plain",
            "two\nlines",
        ]);
        assert_eq!(
            String::from_utf8(line).unwrap(),
            "\"a,b\",\"say \"\"hi\"\"\",'=1+1,'@x,'-3,plain,\"two\nlines\"\r\n"
        );
    }

    /// The outcome must not depend on where the pieces end.
    fn check(bytes: &[u8], max_rows: usize) -> Result<super::Checked, String> {
        let by = |size: usize| {
            let mut check = super::Check::new(max_rows);
            for piece in bytes.chunks(size) {
                check.feed(piece)?;
            }
            check.end()
        };
        let whole = by(bytes.len().max(1));
        for size in 1..6 {
            assert_eq!(by(size), whole, "{size}");
        }
        whole
    }

    #[test]
    fn a_file_is_understood_however_it_arrives() {
        let good = |bytes: &[u8]| {
            let checked = check(bytes, 3).expect("good");
            (checked.rows, char::from(checked.delimiter), checked.skip)
        };
        assert_eq!(good(b"a,b\r\n1,2\r\n"), (1, ',', 0));
        assert_eq!(good("\u{feff}ä;b,c;d\n1;2;3".as_bytes()), (1, ';', 3));
        assert_eq!(good(b"a\n\n\n1\n\n2\n3\n"), (3, ',', 0));
        assert_eq!(good(b"\"a\nb\",c\n\"1\n\"\"2\",x\n"), (1, ',', 0));
        assert_eq!(good(b"a\n5\" pipe\n"), (1, ',', 0));
    }

    #[test]
    fn a_file_that_is_none_is_refused_in_words() {
        for (bytes, words) in [
            (&b""[..], "is empty"),
            (b"a,b\n", "no rows"),
            (b"a,b\n1,\"2\n3,4\n", "has no end"),
            (b"a,b\n1,\"2\"x\n", "follows a closing quote"),
            (b"a\n1\n2\n3\n4\n", "more than 3 rows"),
            (b"a\n\xff\n", "UTF-8"),
            (b"a\nx\xc3", "UTF-8"),
            (b"a\n\0\n", "UTF-8"),
            (b"a\0b", "UTF-8"),
        ] {
            let said = check(bytes, 3).expect_err("refused");
            assert!(said.contains(words), "{said}");
        }
    }

    #[test]
    fn what_the_guard_added_is_taken_off_again() {
        for (cell, value) in [
            ("'+47 1", "+47 1"),
            ("'t Hooft", "'t Hooft"),
            ("x", "x"),
            ("'", "'"),
        ] {
            assert_eq!(super::disarmed(cell), value);
        }
    }
}
