//! Aligned columns, in which nothing can talk to the terminal.

use crate::output::printable;

/// Where a column's text stands.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows of cells under one another. A column beyond `alignments` is aligned left; the last one is never padded.
pub(crate) fn aligned(rows: &[Vec<String>], alignments: &[Align], indent: &str) -> String {
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|row| row.iter().map(|cell| printable(cell).into_owned()).collect())
        .collect();
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width =
        |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| width(cell)).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    rows.iter().fold(String::new(), |mut text, row| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, width))| {
            let align = alignments.get(column).copied().unwrap_or(Align::Left);
            pad(cell, *width, align)
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(indent);
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// Name and value, the values aligned.
pub(crate) fn pairs(rows: &[(&str, String)], indent: &str) -> String {
    let rows: Vec<_> =
        rows.iter().map(|(name, value)| vec![name.to_string(), value.clone()]).collect();
    aligned(&rows, &[], indent)
}

fn width(cell: &str) -> usize {
    cell.chars().count()
}

fn pad(cell: &str, to: usize, align: Align) -> String {
    let gap = " ".repeat(to.saturating_sub(width(cell)));
    match align {
        Align::Left => format!("{cell}{gap}"),
        Align::Right => format!("{gap}{cell}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(|cell| (*cell).into()).collect()
    }

    #[test]
    fn aligns_columns_and_leaves_no_space_at_the_end_of_a_line() {
        let rows = [row(&["have", "need", ""]), row(&["3", "10", "x"]), row(&["12", "", ""])];
        let text = aligned(&rows, &[Align::Right, Align::Left], "  ");
        assert_eq!(text, "  have  need\n     3  10    x\n    12\n");
    }

    #[test]
    fn a_cell_cannot_move_the_cursor_or_start_a_line() {
        assert_eq!(pairs(&[("name", "a\u{1b}[2J\nb".into())], ""), "name  a\\u{1b}[2J\\nb\n");
    }
}
