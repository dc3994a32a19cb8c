//! Numbers as people read them: durations, counts, shares, memory.

use std::time::Duration;

/// `42 s`, `4 min 12 s`, `3 h 05 min`, `2 d 04 h`: two units at most, rounded to the smaller one.
pub(crate) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64().round() as u64;
    let minutes = (duration.as_secs_f64() / 60.0).round() as u64;
    let hours = (duration.as_secs_f64() / 3600.0).round() as u64;
    if seconds < 60 {
        format!("{seconds} s")
    } else if seconds < 3600 {
        format!("{} min {:02} s", seconds / 60, seconds % 60)
    } else if minutes < 24 * 60 {
        format!("{} h {:02} min", minutes / 60, minutes % 60)
    } else {
        format!("{} d {:02} h", hours / 24, hours % 24)
    }
}

/// Seconds as [`duration`], or `?` for what is no duration.
pub(crate) fn seconds(seconds: f64) -> String {
    Duration::try_from_secs_f64(seconds).map_or_else(|_| "?".into(), duration)
}

/// `25,557,032`.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A fraction as `98.73 %`.
pub(crate) fn percent(fraction: f64) -> String {
    format!("{:.2} %", fraction * 100.0)
}

/// `412 MB`, in millions of bytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{} MB", count((bytes as f64 / 1e6).round() as u64))
}

/// Six characters or more; powers of ten where four decimals say too little or too much.
pub(crate) fn loss(loss: f64) -> String {
    if loss != 0.0 && loss.is_finite() && !(1e-3..1e3).contains(&loss.abs()) {
        format!("{loss:.1e}")
    } else {
        format!("{loss:.4}")
    }
}

/// A number to four significant digits, as `0.1`, `0.003133` or `1e-7`.
pub(crate) fn four_digits(value: f64) -> String {
    let digits = format!("{value:.3e}");
    let rounded: f64 = digits.parse().unwrap_or(value);
    if rounded != 0.0 && rounded.abs() < 1e-4 {
        format!("{rounded:e}")
    } else {
        rounded.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(found: String, expected: &str) {
        assert_eq!(found, expected);
    }

    #[test]
    fn reads_well() {
        check(seconds(0.4), "0 s");
        check(seconds(59.4), "59 s");
        check(seconds(59.6), "1 min 00 s");
        check(seconds(252.0), "4 min 12 s");
        check(seconds(3599.7), "1 h 00 min");
        check(seconds(11_100.0), "3 h 05 min");
        check(seconds(86_399.0), "1 d 00 h");
        check(seconds(187_200.0), "2 d 04 h");
        check(seconds(f64::NAN), "?");
        check(seconds(-1.0), "?");

        check(count(0), "0");
        check(count(999), "999");
        check(count(1000), "1,000");
        check(count(25_557_032), "25,557,032");

        check(percent(0.98733), "98.73 %");
        check(percent(1.0), "100.00 %");
        check(megabytes(412_400_000), "412 MB");
        check(megabytes(1_040_000_000), "1,040 MB");

        check(loss(0.217_44), "0.2174");
        check(loss(0.0), "0.0000");
        check(loss(0.000_12), "1.2e-4");
        check(loss(123_456.0), "1.2e5");
        check(loss(f64::NAN), "NaN");
        check(loss(f64::INFINITY), "inf");

        check(four_digits(0.1), "0.1");
        check(four_digits(0.4 * 49.0 / 6255.0), "0.003133");
        check(four_digits(1e-7), "1e-7");
        check(four_digits(0.0), "0");
    }
}
