//! CSV records (RFC 4180) that a spreadsheet cannot mistake for formulas.

/// One record with its line end. Cells that a spreadsheet would calculate get a leading apostrophe (OWASP, "CSV
/// Injection").
pub fn record<'a>(cells: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    let cells = cells.into_iter().map(|cell| {
        if cell.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']) {
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
}
