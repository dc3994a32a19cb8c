//! Curves drawn as text, several on the same axes.

use crate::quantity;

/// A curve: points from left to right, each `[x, y]`, and the letter that draws it.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    /// What stands where the curve passes.
    pub mark: char,
    /// Points that are not finite are left out.
    pub points: Vec<[f64; 2]>,
}

/// The horizontal axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Equal distances are equal differences.
    Linear,
    /// Equal distances are equal factors; all values are above 0.
    Logarithmic,
}

/// Draws curves over `axis`, which counts `unit`s, on `width` columns by `height` lines, both at
/// least 2; labels come on top of that. Ends with a line end.
///
/// Between its points a curve is drawn straight. Where curves meet there is a `*`. The vertical axis
/// goes from the smallest value to the largest.
///
/// ```
/// use trickbag_report::{Axis, Curve, plot};
///
/// let rising = Curve { mark: 'A', points: vec![[1.0, 0.0], [5.0, 4.0]] };
/// let falling = Curve { mark: 'B', points: vec![[1.0, 4.0], [5.0, 0.0]] };
/// let expected = "
/// 4 ┤B   A
///   │ B A
///   │  *
///   │ A B
/// 0 ┤A   B
///   └─────
///    1   5 epoch
/// ";
/// let text = plot(&[rising, falling], Axis::Linear, "epoch", [5, 5]);
/// assert_eq!(text, expected.trim_start());
/// ```
pub fn plot(curves: &[Curve], axis: Axis, unit: &str, [width, height]: [usize; 2]) -> String {
    let curves: Vec<Curve> = curves.iter().map(|curve| curve.finite(axis)).collect();
    let values =
        |of: usize| curves.iter().flat_map(move |curve| curve.points.iter().map(move |p| p[of]));
    let (Some(x), Some(y)) = (range(values(0)), range(values(1))) else {
        return "nothing to draw\n".to_owned();
    };
    let (width, height) = (width.max(2), height.max(2));
    let mut area = Area { width, height, x, y, cells: vec![' '; width * height] };
    for curve in &curves {
        area.draw(curve);
    }
    let ends = x.map(|end| quantity::four_digits(axis.value(end)));
    area.framed(y.map(quantity::four_digits), ends, unit)
}

/// What lies between the axes.
struct Area {
    width: usize,
    height: usize,
    /// Values at the left and the right end, at their places on the axis.
    x: [f64; 2],
    /// Values at the lower and the upper end.
    y: [f64; 2],
    /// Line by line from the top.
    cells: Vec<char>,
}

impl Area {
    fn draw(&mut self, curve: &Curve) {
        let (Some([first, _]), Some([last, _])) = (curve.points.first(), curve.points.last())
        else {
            return;
        };
        for column in self.column(*first)..=self.column(*last) {
            let share = column as f64 / (self.width - 1) as f64;
            let x = self.x[0] + (self.x[1] - self.x[0]) * share;
            let line = self.line(curve.at(x.clamp(*first, *last)));
            let cell = &mut self.cells[line * self.width + column];
            *cell = if *cell == ' ' { curve.mark } else { '*' };
        }
    }

    fn column(&self, x: f64) -> usize {
        (share(x, self.x) * (self.width - 1) as f64).round() as usize
    }

    fn line(&self, y: f64) -> usize {
        self.height - 1 - (share(y, self.y) * (self.height - 1) as f64).round() as usize
    }

    fn framed(&self, [low, high]: [String; 2], [left, right]: [String; 2], unit: &str) -> String {
        let margin = low.len().max(high.len());
        let mut text = String::new();
        for (line, cells) in self.cells.chunks(self.width).enumerate() {
            let (label, tick) = match line {
                0 => (high.as_str(), '┤'),
                _ if line + 1 == self.height => (low.as_str(), '┤'),
                _ => ("", '│'),
            };
            let cells: String = cells.iter().collect();
            text += format!("{label:>margin$} {tick}{cells}").trim_end();
            text.push('\n');
        }
        text += &format!("{:margin$} └{}\n", "", "─".repeat(self.width));
        let rest = self.width.saturating_sub(left.len());
        text + &format!("{:margin$}  {left}{right:>rest$} {unit}\n", "")
    }
}

impl Axis {
    fn place(self, value: f64) -> f64 {
        match self {
            Self::Linear => value,
            Self::Logarithmic => value.ln(),
        }
    }

    fn value(self, place: f64) -> f64 {
        match self {
            Self::Linear => place,
            Self::Logarithmic => place.exp(),
        }
    }
}

impl Curve {
    /// The points that can be drawn, at their places on the axis.
    fn finite(&self, axis: Axis) -> Self {
        let points = self.points.iter().map(|[x, y]| [axis.place(*x), *y]);
        let points = points.filter(|point| point.iter().all(|value| value.is_finite()));
        Self { mark: self.mark, points: points.collect() }
    }

    /// The value at `x`, which lies between the first point and the last.
    fn at(&self, x: f64) -> f64 {
        let after = self.points.partition_point(|point| point[0] < x);
        let [right, value] = self.points[after];
        match after.checked_sub(1).map(|before| self.points[before]) {
            Some([left, earlier]) => earlier + (value - earlier) * (x - left) / (right - left),
            None => value,
        }
    }
}

/// How far `value` is on the way from `low` to `high`.
fn share(value: f64, [low, high]: [f64; 2]) -> f64 {
    if high > low { (value - low) / (high - low) } else { 0.0 }
}

fn range(values: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    values.map(|value| [value, value]).reduce(|a, b| [a[0].min(b[0]), a[1].max(b[1])])
}
