//! The method card: the one page on a trick.

use std::fmt;

use serde::Serialize;

use super::{CARDS, Slot};
use crate::nearest::nearest;
use crate::paragraph::lines;

/// What a trick is, where it comes from, what it is worth, and when it hurts.
///
/// `Display` writes it as a page of at most 100 columns.
///
/// ```
/// use trickbag_recipe::tricks::card;
///
/// let page = card("Warmup").unwrap().to_string();
/// assert!(page.starts_with("Warmup: how the learning rate rises\n\n    Warmup(epochs: 5)\n"));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Card {
    /// Its name in a recipe.
    pub name: &'static str,
    /// The part of a plan that it writes.
    pub slot: Slot,
    /// Papers and their sections, short.
    pub source: &'static str,
    /// The line of a recipe, with the settings that most people want.
    pub line: &'static str,
    /// What it does and why that helps.
    pub what: &'static str,
    /// What Trickbag does where implementations disagree.
    pub convention: &'static str,
    /// What it is worth, by whose measurement.
    pub measured: &'static str,
    /// When it costs more than it gives.
    pub hurts: &'static str,
    /// The fields of a [`Plan`](crate::Plan) that change with the line, and no others.
    pub changes: &'static [&'static str],
}

/// The page on the trick called `name`.
pub fn card(name: &str) -> Option<&'static Card> {
    CARDS.iter().find(|card| card.name == name)
}

/// The page on the trick whose name is most like `name`, if one is like it at all.
///
/// ```
/// use trickbag_recipe::tricks::nearest_card;
///
/// assert_eq!(nearest_card("mixup").unwrap().name, "MixUp");
/// assert_eq!(nearest_card("recipe"), None);
/// ```
pub fn nearest_card(name: &str) -> Option<&'static Card> {
    let names: Vec<&str> = CARDS.iter().map(|card| card.name).collect();
    nearest(name, &names).and_then(card)
}

const COLUMNS: usize = 100;
/// Columns of the headings of the entries.
const MARGIN: usize = 13;

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}\n\n    {}\n", self.name, self.slot, self.line)?;
        writeln!(f, "{}\n", lines(self.what, COLUMNS).join("\n"))?;
        let changes = format!("{} of the plan", self.changes.join(", "));
        entry(f, "convention", self.convention)?;
        entry(f, "measured", self.measured)?;
        entry(f, "hurts", self.hurts)?;
        entry(f, "changes", &changes)?;
        entry(f, "source", self.source)
    }
}

fn entry(f: &mut fmt::Formatter<'_>, heading: &str, text: &str) -> fmt::Result {
    for (number, line) in lines(text, COLUMNS - MARGIN).iter().enumerate() {
        let heading = if number == 0 { heading } else { "" };
        writeln!(f, "  {heading:<0$}{line}", MARGIN - 2)?;
    }
    Ok(())
}
