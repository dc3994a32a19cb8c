//! Numbers as people read them.

/// At most six significant digits: `0.3`, not `0.30000000000000004`.
pub(crate) fn short(value: f64) -> String {
    let rounded: f64 = format!("{value:.5e}").parse().unwrap_or(value);
    if rounded == 0.0 || (1e-4..1e6).contains(&rounded.abs()) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

/// Digits in threes: `25,557,032`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let first = digits.len() % 3;
    let (head, tail) = digits.split_at(first);
    let mut groups: Vec<&str> = if head.is_empty() { vec![] } else { vec![head] };
    groups.extend((0..tail.len()).step_by(3).map(|at| &tail[at..at + 3]));
    groups.join(",")
}

/// Bytes as `1,234 MB`, in millions; `0.4 MB` below ten.
pub(crate) fn megabytes(bytes: u64) -> String {
    let millions = bytes as f64 / 1e6;
    if millions < 10.0 {
        format!("{millions:.1} MB")
    } else {
        format!("{} MB", grouped(millions.round() as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        for (value, text) in [
            (0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (-0.4, "-0.4"),
            (1.0 / 3.0, "0.333333"),
            (5e-4, "0.0005"),
            (1.25e-5, "1.25e-5"),
            (2e6, "2e6"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(value), text);
        }
    }

    #[test]
    fn digits_come_in_threes() {
        for (count, text) in
            [(0, "0"), (12, "12"), (123, "123"), (1234, "1,234"), (25_557_032, "25,557,032")]
        {
            assert_eq!(grouped(count), text);
        }
    }

    #[test]
    fn bytes_are_counted_in_millions() {
        for (bytes, text) in
            [(0, "0.0 MB"), (440_000, "0.4 MB"), (12_400_000, "12 MB"), (1_234_000_000, "1,234 MB")]
        {
            assert_eq!(megabytes(bytes), text);
        }
    }
}
