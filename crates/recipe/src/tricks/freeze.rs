//! Parameters that are not trained.

use serde::{Deserialize, Serialize};
use trickbag_param_groups::{Error, Group, Rule, Training, resolve};

use super::{Card, Effect, Slot};
use crate::plan::{Draft, parameters};
use crate::problem::{Fault, Problem};

/// Keeps parameters as they are: `Freeze(["conv1.*", "layer1.*"])`.
///
/// Each entry is a glob over the whole name of a parameter, as `explain` prints it: `*` stands for
/// any characters, `?` for one, `[ab]` for one of some, `{a,b}` for either.
///
/// Source: Yosinski et al. 2014 (arXiv 1411.1792).
///
/// Convention: neither gradient nor decay moves a frozen parameter. The running statistics of a
/// frozen batch norm still move with the batches, as they do in PyTorch in training mode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Freeze(pub Vec<String>);

pub(super) const CARD: Card = Card {
    name: "Freeze",
    slot: Slot::Frozen,
    source: "Yosinski et al. 2014",
    line: "Freeze([\"conv1.*\", \"bn1.*\", \"layer1.*\"])",
    what: "Keeps parameters as they are, which protects what a pretrained network knows from a few \
           images, and saves their part of the backward pass.",
    convention: "By globs over names. Neither gradient nor weight decay moves a frozen parameter. The \
                 running statistics of a frozen batch norm still move with the batches (PyTorch in \
                 training mode).",
    measured: "Not measured by Trickbag. Yosinski et al. 2014: on another task, frozen early layers \
               cost little, frozen late ones more.",
    hurts: "From scratch: a random layer stays random. On images unlike those that the network was \
            trained on.",
    changes: &["groups"],
};

impl Effect for Freeze {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let network = draft.network().map_err(|error| Problem::Model(error).at(""))?;
        let rules: Vec<Rule> = self.0.iter().map(Rule::frozen).collect();
        let table = resolve(&rules, Group::with_decay(0.0), &parameters(&network)).map_err(at)?;
        let frozen = |group: &Group| group.training == Training::Frozen;
        let count = table.rows().iter().filter(|row| frozen(&row.group)).count();
        if count == 0 || count == table.rows().len() {
            let expected = "globs that match some of the parameters, not all";
            let found = format!("{:?}", self.0);
            return Err(Problem::impossible(CARD.name, found, expected).at(""));
        }
        draft.freezes = rules;
        Ok(format!("{count} of {} tensors stay as they are", table.rows().len()))
    }
}

/// The entry that a rule stands for.
fn at(error: Error) -> Fault {
    let path = match &error {
        Error::NoMatch { number, .. } | Error::Glob { number, .. } => format!("[{}]", number - 1),
        _ => String::new(),
    };
    Problem::Groups(error).at(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    fn freeze(names: &[&str]) -> Freeze {
        Freeze(names.iter().map(|name| name.to_string()).collect())
    }

    #[test]
    fn names_are_frozen() {
        let words = "33 of 161 tensors stay as they are";
        let draft = check(&freeze(&["conv1.*", "bn1.*", "layer1.*"]), Ok(words));
        assert_eq!(draft.freezes[2], Rule::frozen("layer1.*"));
    }

    #[test]
    fn what_freezes_nothing_or_everything_is_refused() {
        let refused = "`Freeze` is [], expected globs that match some of the parameters, not all";
        check(&freeze(&[]), Err(("", refused)));
        let refused =
            r#"`Freeze` is ["*"], expected globs that match some of the parameters, not all"#;
        check(&freeze(&["*"]), Err(("", refused)));
        let refused = "rule 2 (name `layer9.*`) matches no parameter; the nearest names are \
                       layer1.0.bn1.bias, layer1.0.bn2.bias, layer1.0.bn3.bias; correct the rule or \
                       remove it";
        check(&freeze(&["conv1.*", "layer9.*"]), Err(("[1]", refused)));
    }
}
