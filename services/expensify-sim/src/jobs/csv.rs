//! Comma or tab separated text, with double quotes as spreadsheets write them.

/// Appends one row, quoting what needs it.
pub(super) fn write_row(out: &mut String, cells: &[&str]) {
    for (at, cell) in cells.iter().enumerate() {
        if at > 0 {
            out.push(',');
        }
        if cell.contains([',', '"', '\n', '\r']) {
            out.push('"');
            out.push_str(&cell.replace('"', "\"\""));
            out.push('"');
        } else {
            out.push_str(cell);
        }
    }
    out.push('\n');
}

/// Rows of cells. Lines without any text are left out.
pub(super) fn read(text: &str, separator: char) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut row = vec![String::new()];
    let mut quoted = false;
    let mut rest = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '"' if quoted && rest.peek() == Some(&'"') => push(&mut row, rest.next()),
            '"' => quoted = !quoted,
            '\r' if !quoted => {}
            '\n' if !quoted => rows.push(std::mem::replace(&mut row, vec![String::new()])),
            other if other == separator && !quoted => row.push(String::new()),
            other => push(&mut row, Some(other)),
        }
    }
    rows.push(row);
    rows.retain(|row| row.iter().any(|cell| !cell.trim().is_empty()));
    rows
}

fn push(row: &mut [String], c: Option<char>) {
    if let (Some(cell), Some(c)) = (row.last_mut(), c) {
        cell.push(c);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let cells = ["plain", "a,b", "say \"hi\"", "two\nlines", ""];
        let mut text = String::new();
        write_row(&mut text, &cells);
        assert_eq!(read(&text, ','), [cells.map(str::to_owned).to_vec()]);
    }

    #[test]
    fn carriage_returns_and_empty_lines_do_not_count() {
        assert_eq!(read("a\tb\r\n\r\nc\td\r\n", '\t'), [["a", "b"], ["c", "d"]]);
    }
}
