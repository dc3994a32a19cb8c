//! The settings of every parameter, as they are at a step.

use trickbag_param_groups::{Group, Table};
use trickbag_recipe::Plan;

/// The groups of the first steps, and those from a later step on.
#[derive(Debug)]
pub(crate) struct Groups {
    first: Vec<Group>,
    later: Option<(u64, Vec<Group>)>,
}

impl Groups {
    pub(crate) fn of(plan: &Plan) -> Self {
        let list = |table: &Table| table.rows().iter().map(|row| row.group).collect();
        let later = plan.unfreeze.as_ref();
        Self {
            first: list(&plan.groups),
            later: later.map(|unfrozen| (unfrozen.step, list(&unfrozen.groups))),
        }
    }

    /// Those of the update after `step` others.
    pub(crate) fn at(&self, step: u64) -> &[Group] {
        match &self.later {
            Some((from, later)) if step >= *from => later,
            _ => &self.first,
        }
    }
}
