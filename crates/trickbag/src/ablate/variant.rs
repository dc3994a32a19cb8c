//! Which variants of a recipe an ablation trains, and what they are called.

use anyhow::{bail, ensure};
use trickbag_recipe::{Document, Recipe};

use super::options::Mode;
use crate::failure::{Failure, Input};

/// A recipe without some of its tricks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cut {
    pub(crate) name: String,
    removed: Vec<&'static str>,
}

impl Cut {
    fn new(name: impl Into<String>, removed: Vec<&'static str>) -> Self {
        Self { name: name.into(), removed }
    }

    /// The variant of `recipe`, in its canonical text.
    pub(crate) fn of(&self, recipe: &Recipe, seed: u64) -> Result<Document, Failure> {
        let kept = recipe.tricks.iter().filter(|trick| !self.removed.contains(&trick.card().name));
        let variant = Recipe { tricks: kept.cloned().collect(), seed, ..recipe.clone() };
        Document::new(format!("the variant `{}`", self.name), format!("{variant}\n")).input()
    }
}

/// The tricks whose worth is asked for, in the order of the recipe's list.
pub(crate) fn axis(recipe: &Recipe, asked: &[String]) -> anyhow::Result<Vec<&'static str>> {
    let all: Vec<&str> = recipe.tricks.iter().map(|trick| trick.card().name).collect();
    ensure!(
        !all.is_empty(),
        "the recipe `{}` has no tricks, so there is nothing to leave out: add some to its `tricks`",
        recipe.name
    );
    if let Some(unknown) = asked.iter().find(|name| !all.contains(&name.as_str())) {
        bail!(
            "the recipe `{}` has no trick `{unknown}`; its tricks are {}",
            recipe.name,
            all.join(", ")
        );
    }
    let chosen = |name: &&str| asked.is_empty() || asked.iter().any(|asked| asked == name);
    Ok(all.into_iter().filter(chosen).collect())
}

/// The variants of a recipe along `axis`, the one that the others are compared with first.
pub(crate) fn cuts(mode: Mode, axis: &[&'static str]) -> Vec<Cut> {
    let baseline = Cut::new("baseline", axis.to_vec());
    let others = |kept: &str| axis.iter().copied().filter(|name| *name != kept).collect();
    let added = |name: &str| format!("+ {name}");
    let first = match mode {
        Mode::LeaveOneOut => Cut::new("full recipe", vec![]),
        Mode::Stack | Mode::Each | Mode::All => baseline,
    };
    if mode == Mode::All {
        return vec![first, Cut::new("+ all of them", vec![])];
    }
    let cut = |(place, name): (usize, &&'static str)| match mode {
        Mode::Stack => Cut::new(added(name), axis[place + 1..].to_vec()),
        Mode::LeaveOneOut => Cut::new(format!("without {name}"), vec![name]),
        Mode::Each | Mode::All => Cut::new(added(name), others(name)),
    };
    std::iter::once(first).chain(axis.iter().enumerate().map(cut)).collect()
}

/// The recipe's seed and those after it.
pub(crate) fn seeds(first: u64, count: u16) -> anyhow::Result<Vec<u64>> {
    match first.checked_add(u64::from(count)) {
        Some(end) => Ok((first..end).collect()),
        None => bail!("there are no {count} seeds from {first} on: give the recipe a smaller seed"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe() -> Recipe {
        let text = r#"Recipe(
            name: "abc", seed: 7, data: Mnist10k, model: ResNet(depth: 8, stem: Cifar),
            batch_size: 100, epochs: 2, optimizer: Sgd(lr: 0.1),
            tricks: [ZeroGamma, Warmup(epochs: 1), LabelSmoothing(0.1)],
        )"#;
        Document::new("abc.ron", text).unwrap().recipe().clone()
    }

    /// Each variant with the tricks that it keeps.
    fn kept(mode: Mode, asked: &[&str]) -> String {
        let (recipe, asked) = (recipe(), asked.iter().map(ToString::to_string).collect::<Vec<_>>());
        let cuts = cuts(mode, &axis(&recipe, &asked).unwrap());
        let lines = cuts.iter().map(|cut| {
            let document = cut.of(&recipe, 8).unwrap();
            assert_eq!(document.recipe().seed, 8);
            let tricks: Vec<_> =
                document.recipe().tricks.iter().map(|trick| trick.card().name).collect();
            format!("{}: {}", cut.name, tricks.join(" "))
        });
        lines.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn modes_remove_what_they_say() {
        let stack = "\
baseline: 
+ ZeroGamma: ZeroGamma
+ Warmup: Warmup ZeroGamma
+ LabelSmoothing: Warmup LabelSmoothing ZeroGamma";
        assert_eq!(kept(Mode::Stack, &[]), stack);
        let leave_one_out = "\
full recipe: Warmup LabelSmoothing ZeroGamma
without ZeroGamma: Warmup LabelSmoothing
without Warmup: LabelSmoothing ZeroGamma
without LabelSmoothing: Warmup ZeroGamma";
        assert_eq!(kept(Mode::LeaveOneOut, &[]), leave_one_out);
        let each = "\
baseline: 
+ ZeroGamma: ZeroGamma
+ Warmup: Warmup
+ LabelSmoothing: LabelSmoothing";
        assert_eq!(kept(Mode::Each, &[]), each);
        let all = "\
baseline: ZeroGamma
+ all of them: Warmup LabelSmoothing ZeroGamma";
        assert_eq!(kept(Mode::All, &["Warmup", "LabelSmoothing"]), all);
        let two = "\
baseline: Warmup
+ ZeroGamma: Warmup ZeroGamma
+ LabelSmoothing: Warmup LabelSmoothing ZeroGamma";
        assert_eq!(kept(Mode::Stack, &["LabelSmoothing", "ZeroGamma", "ZeroGamma"]), two);
    }

    #[test]
    fn a_whole_variant_is_the_recipe() {
        let recipe = recipe();
        let full = cuts(Mode::LeaveOneOut, &axis(&recipe, &[]).unwrap()).remove(0);
        assert_eq!(full.of(&recipe, recipe.seed).unwrap().recipe().hash(), recipe.hash());
    }

    #[test]
    fn refuses_what_it_cannot_measure() {
        let check = |found: anyhow::Error, expected| assert_eq!(found.to_string(), expected);
        check(
            axis(&recipe(), &["WarmUp".to_owned()]).unwrap_err(),
            "the recipe `abc` has no trick `WarmUp`; its tricks are ZeroGamma, Warmup, LabelSmoothing",
        );
        check(
            axis(&Recipe { tricks: vec![], ..recipe() }, &[]).unwrap_err(),
            "the recipe `abc` has no tricks, so there is nothing to leave out: add some to its `tricks`",
        );
        check(
            seeds(u64::MAX, 3).unwrap_err(),
            "there are no 3 seeds from 18446744073709551615 on: give the recipe a smaller seed",
        );
        assert_eq!(seeds(7, 3).unwrap(), [7, 8, 9]);
    }
}
