//! Breaks text into lines.

/// The words of `text` in lines of at most `columns` characters, where the words allow it; at least
/// one line.
pub(crate) fn lines(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut taken = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if taken > 0 && taken + 1 + width > columns {
            lines.push(String::new());
            taken = 0;
        }
        if let Some(line) = lines.last_mut() {
            if taken > 0 {
                line.push(' ');
                taken += 1;
            }
            line.push_str(word);
            taken += width;
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole() {
        for (text, expected) in [
            ("", &[""] as &[&str]),
            ("one", &["one"]),
            ("one two  three", &["one two", "three"]),
            ("seventeenletters a b", &["seventeenletters", "a b"]),
            ("½½½½ ½½½", &["½½½½ ½½½"]),
        ] {
            assert_eq!(lines(text, 8), expected, "{text}");
        }
    }
}
