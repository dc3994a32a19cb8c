//! Tables as text: in Markdown that also reads well on a terminal, and as comma-separated values.

/// Columns under their titles. Every row has as many cells as there are titles.
pub(crate) struct Table<'a> {
    pub(crate) titles: &'a [&'a str],
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table<'_> {
    /// A Markdown table with the first column to the left, the others to the right, and all padded to
    /// one width. Without a last line end.
    pub(crate) fn markdown(&self) -> String {
        let widths: Vec<usize> = (0..self.titles.len()).map(|column| self.width(column)).collect();
        let titles = self.titles.iter().map(ToString::to_string).collect();
        let rule = widths.iter().enumerate().map(|(column, width)| match column {
            0 => "-".repeat(*width),
            _ => format!("{}:", "-".repeat(width - 1)),
        });
        let rows = [titles, rule.collect()].into_iter().chain(self.rows.iter().cloned());
        let lines: Vec<String> = rows.map(|row: Vec<String>| line(&row, &widths)).collect();
        lines.join("\n")
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row[column].chars().count());
        cells.chain([self.titles[column].chars().count(), 3]).max().unwrap_or(3)
    }

    /// One line per row after a line of titles, by RFC 4180 but for its line ends.
    pub(crate) fn csv(&self) -> String {
        let titles = self.titles.iter().map(ToString::to_string).collect();
        let rows = [titles].into_iter().chain(self.rows.iter().cloned());
        rows.map(|row: Vec<String>| {
            row.iter().map(|cell| field(cell)).collect::<Vec<_>>().join(",") + "\n"
        })
        .collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let cells = row.iter().zip(widths).enumerate().map(|(column, (cell, width))| match column {
        0 => format!("{cell:<width$}"),
        _ => format!("{cell:>width$}"),
    });
    format!("| {} |", cells.collect::<Vec<_>>().join(" | "))
}

/// Quoted where it holds what separates.
fn field(cell: &str) -> String {
    match cell.contains([',', '"', '\n']) {
        true => format!("\"{}\"", cell.replace('"', "\"\"")),
        false => cell.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_keep_their_columns_and_their_commas() {
        let rows = [["+ Warmup", "91.2 ± 0.3"], ["a \"b\", c", ""]];
        let rows = rows.map(|row| row.map(String::from).to_vec()).to_vec();
        let table = Table { titles: &["variant", "%"], rows };
        let expected = "\
| variant  |          % |
| -------- | ---------: |
| + Warmup | 91.2 ± 0.3 |
| a \"b\", c |            |";
        assert_eq!(table.markdown(), expected);
        assert_eq!(table.csv(), "variant,%\n+ Warmup,91.2 ± 0.3\n\"a \"\"b\"\", c\",\n");
    }
}
