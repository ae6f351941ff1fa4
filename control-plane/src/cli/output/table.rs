//! Tables that line up.

use super::{Style, plain};

const GAP: &str = "  ";

/// Rows of cells under headers.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    headers: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(headers: impl Into<Vec<&'static str>>) -> Self {
        Self { headers: headers.into(), rows: Vec::new() }
    }

    /// Adds a row. A cell is one line: line ends become spaces.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        let line = |cell: String| plain(&cell.replace(['\n', '\t'], " ")).into_owned();
        self.rows.push(cells.into_iter().map(line).collect());
    }

    /// The table as text, without a line end. Widths count characters.
    pub(crate) fn render(&self, style: Style) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            cells.chain([self.headers[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.headers.len()).map(width).collect();
        let line = |cells: &mut dyn Iterator<Item = &str>| {
            let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
            padded.join(GAP).trim_end().to_owned()
        };
        let mut lines = vec![style.bold(&line(&mut self.headers.iter().copied()))];
        lines.extend(self.rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
        lines.join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_end_with_their_text() {
        let mut table = Table::new(["NAME", "TOPICS", "NOTE"]);
        table.row(["orders".into(), "a, b".into(), String::new()]);
        table.row(["é".into(), "long-topic".into(), "x\ny".into()]);
        let expected = "NAME    TOPICS      NOTE\norders  a, b\né       long-topic  x y";
        assert_eq!(table.render(Style::new(false)), expected);
    }
}
