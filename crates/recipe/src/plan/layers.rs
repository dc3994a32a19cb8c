//! The network of a plan as a table of text.

use trickbag_models::LayerSummary;

use crate::number::grouped;

const HEADER: [&str; 4] = ["", "output", "parameters", "multiply-adds"];

/// A line for each row, and a header.
pub(super) fn table(rows: &[LayerSummary]) -> String {
    let cells: Vec<[String; 4]> = rows.iter().map(cells).collect();
    let widths = [0, 1, 2, 3].map(|column| {
        let found = cells.iter().map(|row| row[column].len());
        found.max().unwrap_or(0).max(HEADER[column].len())
    });
    let lines = std::iter::once(HEADER.map(str::to_owned)).chain(cells);
    lines.map(|row| line(&row, widths)).collect()
}

/// Equal blocks that follow each other as one row, with their sums.
pub(super) fn folded(blocks: Vec<LayerSummary>) -> Vec<LayerSummary> {
    let same = |a: &LayerSummary, b: &LayerSummary| {
        (a.output, a.parameters, a.macs) == (b.output, b.parameters, b.macs)
    };
    blocks.chunk_by(same).map(joined).collect()
}

fn joined(equal: &[LayerSummary]) -> LayerSummary {
    let (first, last) = (&equal[0], &equal[equal.len() - 1]);
    let name = match equal.len() {
        1 => first.name.clone(),
        _ => format!("{} to {}", first.name, last.name),
    };
    let count = equal.len();
    LayerSummary {
        name,
        output: first.output,
        parameters: first.parameters * count,
        macs: first.macs * count as u64,
    }
}

fn cells(row: &LayerSummary) -> [String; 4] {
    let [height, width, channels] = row.output;
    let output = format!("{height} x {width} x {channels}");
    [row.name.clone(), output, grouped(row.parameters as u64), grouped(row.macs)]
}

fn line([name, output, parameters, macs]: &[String; 4], widths: [usize; 4]) -> String {
    let [a, b, c, d] = widths;
    format!("{name:<a$}  {output:>b$}  {parameters:>c$}  {macs:>d$}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(name: &str, parameters: usize) -> LayerSummary {
        LayerSummary { name: name.to_owned(), output: [8, 8, 16], parameters, macs: 1000 }
    }

    #[test]
    fn equal_blocks_share_a_row() {
        let blocks = vec![block("stem", 9), block("a", 5), block("b", 5), block("c", 5)];
        let expected = "            output  parameters  multiply-adds\n\
                        stem    8 x 8 x 16           9          1,000\n\
                        a to c  8 x 8 x 16          15          3,000\n";
        assert_eq!(table(&folded(blocks)), expected);
    }
}
