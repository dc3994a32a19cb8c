//! A schedule drawn as text.

use crate::schedule::Schedule;

/// Draws `schedule` over a run of `steps` updates, filled from 0 up, with its axes.
///
/// The area is `width` columns (at least 2) by `height` lines (at least 1); labels come on top of
/// that. A column shows one step: the first column step 0, the last column step `steps - 1`, the
/// others evenly between. Heights are rounded to eighths of a line, and whatever is above 0 leaves
/// a mark. The value axis ends at the largest value drawn, rounded up to two digits.
///
/// ```
/// use trickbag_schedules::{Schedule, plot};
///
/// let lr = Schedule::linear(0.1, 0.0, 9)?;
/// let expected = "
/// 0.1 ┤█▆▄▃▁
///     │█████▇▅▄▂
///   0 ┼──────────
///      0        9 step
/// ";
/// assert_eq!(plot(&lr, 10, 10, 2), expected.trim_start());
/// # Ok::<(), trickbag_schedules::Error>(())
/// ```
pub fn plot(schedule: &Schedule, steps: u64, width: usize, height: usize) -> String {
    let (width, height) = (width.max(2), height.max(1));
    let last = steps.saturating_sub(1);
    let values: Vec<f64> =
        (0..width).map(|column| schedule.at(step_of(column, width, last))).collect();
    let top = axis_top(values.iter().copied().fold(0.0, f64::max));
    let label = two_digits(top);
    let margin = label.len();

    let mut text = String::new();
    for line in (0..height).rev() {
        let area: String = values.iter().map(|value| cell(value / top, line, height)).collect();
        let (label, tick) = if line + 1 == height { (label.as_str(), '┤') } else { ("", '│') };
        text += format!("{label:>margin$} {tick}{area}").trim_end();
        text.push('\n');
    }
    text += &format!("{:>margin$} ┼{}\n", 0, "─".repeat(width));
    text += &format!("{:margin$}  0{last:>1$} step\n", "", width - 1);
    text
}

fn step_of(column: usize, width: usize, last: u64) -> u64 {
    let step = last as u128 * column as u128 / (width as u128 - 1);
    step as u64
}

/// `largest` rounded up to two digits, and 1 where there is nothing to see.
fn axis_top(largest: f64) -> f64 {
    if largest < f64::MIN_POSITIVE {
        return 1.0;
    }
    let unit = 10_f64.powf(largest.log10().floor() - 1.0);
    // The small number keeps rounding errors from raising 0.4 to 0.41.
    (largest / unit - 1e-6).ceil() * unit
}

/// The part of a column that is `share` of the height, on `line` counted from the bottom.
fn cell(share: f64, line: usize, height: usize) -> char {
    const EIGHTHS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let least = usize::from(share > 0.0);
    let filled = ((share * 8.0 * height as f64).round() as usize).max(least);
    EIGHTHS[filled.saturating_sub(8 * line).min(8)]
}

fn two_digits(value: f64) -> String {
    let scientific = format!("{value:.1e}");
    let rounded: f64 = scientific.parse().unwrap_or(value);
    if (1e-4..1e6).contains(&rounded) { rounded.to_string() } else { format!("{rounded:e}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_axis_ends_at_two_digits() {
        let cases = [
            (0.0, "1"),
            (1.0, "1"),
            (0.4, "0.4"),
            (0.3967, "0.4"),
            (0.7, "0.7"),
            (1.0 / 3.0, "0.34"),
            (0.00012346, "0.00013"),
            (0.0000125, "1.3e-5"),
            (123_456.0, "130000"),
            (1e9, "1e9"),
        ];
        for (largest, label) in cases {
            assert_eq!(two_digits(axis_top(largest)), label);
        }
    }

    #[test]
    fn every_size_gives_its_columns_and_lines() {
        let schedule = Schedule::linear(1.0, 0.0, 7).unwrap();
        for (steps, width, height) in [(0, 0, 0), (1, 2, 1), (8, 40, 3), (u64::MAX, 5, 9)] {
            let text = plot(&schedule, steps, width, height);
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), height.max(1) + 2);
            assert_eq!(lines[lines.len() - 2], format!("0 ┼{}", "─".repeat(width.max(2))));
        }
    }
}
