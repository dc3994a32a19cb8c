//! The method card: the one page on a trick.

use super::Slot;

/// What a trick is, where it comes from, what it is worth, and when it hurts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
