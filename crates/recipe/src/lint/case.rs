//! What a rule sees, and what it says.

use trickbag_data::Augment;
use trickbag_models::{Architecture, ResNet};

use super::Evidence;
use crate::plan::Plan;
use crate::recipe::Recipe;
use crate::tricks::{Slot, Trick};

/// A recipe, what it resolves to, and what is known of its data.
pub(crate) struct Case<'a> {
    pub(crate) recipe: &'a Recipe,
    pub(crate) plan: &'a Plan,
    pub(crate) evidence: &'a Evidence,
}

/// A mistake: its path in the recipe, and what was found there, with numbers.
pub(crate) struct Hit {
    pub(crate) at: String,
    pub(crate) message: String,
}

impl Hit {
    pub(crate) fn new(at: impl Into<String>, message: String) -> Self {
        Self { at: at.into(), message }
    }
}

impl<'a> Case<'a> {
    /// What `pick` takes from the first trick that has it, and the trick's path.
    pub(crate) fn trick<T>(&self, pick: impl Fn(&'a Trick) -> Option<T>) -> Option<(T, String)> {
        first("tricks", &self.recipe.tricks, pick)
    }

    /// The path of the trick that writes `slot`.
    pub(crate) fn writer(&self, slot: Slot) -> Option<String> {
        let writes = |trick: &Trick| (trick.card().slot == slot).then_some(());
        self.trick(writes).map(|((), at)| at)
    }

    /// What `pick` takes from the first change of images that has it, and the change's path.
    pub(crate) fn augment<T>(
        &self,
        pick: impl Fn(&'a Augment) -> Option<T>,
    ) -> Option<(T, String)> {
        first("augment", &self.recipe.augment, pick)
    }

    /// The highest learning rate.
    pub(crate) fn peak(&self) -> f64 {
        self.plan.learning_rate.upper_bound()
    }

    /// The shorter side of an image as the network sees it, in pixels.
    pub(crate) fn side(&self) -> usize {
        self.plan.facts.height.min(self.plan.facts.width)
    }

    pub(crate) fn resnet(&self) -> Option<&'a ResNet> {
        match &self.recipe.model {
            Architecture::ResNet(resnet) => Some(resnet),
            _ => None,
        }
    }
}

fn first<'a, E, T>(
    list: &str,
    entries: &'a [E],
    pick: impl Fn(&'a E) -> Option<T>,
) -> Option<(T, String)> {
    let mut numbered = entries.iter().enumerate();
    numbered.find_map(|(i, entry)| Some((pick(entry)?, format!("{list}[{i}]"))))
}
