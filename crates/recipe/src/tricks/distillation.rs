//! A teacher's answers beside the labels.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use trickbag_losses::Distillation as Settings;

use super::{Card, Effect, Slot};
use crate::document::Document;
use crate::plan::{Draft, Loss, Plan, Teacher};
use crate::problem::{Fault, Problem};

/// Learns from labels and from the answers of a trained network:
///
/// ```ron
/// Distillation(
///     recipe: "runs/cifar10-resnet56/1/recipe.ron",
///     checkpoint: "runs/cifar10-resnet56/1/checkpoints/model.safetensors",
///     temperature: 20,
///     weight: 0.5,
/// )
/// ```
///
/// The teacher's recipe says what its network is; it must normalise images as this one does.
/// `checkpoint` holds its values, in torchvision's names. Both paths start at the current folder.
///
/// Source: Hinton et al. 2015 (arXiv 1503.02531); Bag of Tricks (arXiv 1812.01187), section 5.3.
///
/// Convention: (1 - w) · cross entropy + w · T² · KL(teacher ‖ student) at temperature T. The teacher
/// sees the same images as the student, augmented and mixed alike, and uses its running statistics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distillation {
    /// The recipe that the teacher was trained with.
    pub recipe: PathBuf,
    /// The teacher's values: a safetensors file.
    pub checkpoint: PathBuf,
    /// What the logits of both are divided by, T; positive.
    pub temperature: f64,
    /// Share of the teacher in the loss, w, from 0 to 1.
    pub weight: f64,
}

pub(super) const CARD: Card = Card {
    name: "Distillation",
    slot: Slot::Loss,
    source: "Hinton et al. 2015; Bag of Tricks, 5.3",
    line: "Distillation(recipe: \"teacher.ron\", checkpoint: \"t.safetensors\", temperature: 20, \
           weight: 0.5)",
    what: "Trains towards the answers of a better network as well as towards the labels. They say \
           which wrong classes are nearly right.",
    convention: "(1 - w) * cross entropy + w * T^2 * KL(teacher || student) at temperature T; the \
                 paper adds the two without w, its authors' code has w = 1/2. The teacher sees the \
                 same mixed images.",
    measured: "Bag of Tricks, teacher ResNet-152-D, T = 20: ResNet-50-D 78.31 to 78.67 % (about), but \
               Inception-V3 78.40 to 78.26 and MobileNet 72.93 to 71.97 %. Not measured by Trickbag.",
    hurts: "Where the teacher is of another family (the two falls above), and with label smoothing, \
            which blurs what the labels add. Each step also pays for the teacher's forward pass.",
    changes: &["loss"],
};

impl Effect for Distillation {
    fn card(&self) -> &'static Card {
        &CARD
    }

    fn apply(&self, draft: &mut Draft) -> Result<String, Fault> {
        let settings = self.settings()?;
        let refused = |error| Problem::Teacher(Box::new(error)).at("recipe");
        let document = Document::read(&self.recipe).map_err(refused)?;
        let Plan { name, network, normalize, .. } =
            Plan::new(&document, &draft.facts).map_err(refused)?;
        if normalize != draft.normalize {
            let (found, expected) = (format!("{normalize:?}"), format!("{:?}", draft.normalize));
            return Err(Problem::TeacherNormalize { found, expected }.at("recipe"));
        }
        let checkpoint = self.checkpoint.clone();
        draft.loss = Loss::Taught { settings, teacher: Teacher { network, checkpoint } };
        let Settings { temperature, weight } = settings;
        Ok(format!("share {weight} from {name} at temperature {temperature}"))
    }
}

impl Distillation {
    fn settings(&self) -> Result<Settings, Fault> {
        let settings = Settings { temperature: self.temperature, weight: self.weight };
        settings.validate().map_err(|error| {
            let at = match &error {
                trickbag_losses::Error::Setting { field, .. } => field,
                _ => "",
            };
            Problem::Loss(error).at(at)
        })?;
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tricks::tests::check;

    fn taught_by(recipe: &str) -> Distillation {
        let (recipe, checkpoint) = (recipe.into(), "teacher.safetensors".into());
        Distillation { recipe, checkpoint, temperature: 4.0, weight: 0.5 }
    }

    fn write(folder: &tempfile::TempDir, normalize: &str) -> String {
        let recipe = folder.path().join("teacher.ron");
        let text = format!(
            "(name: \"teacher\", seed: 1, data: Mnist10k, model: ResNet(depth: 8, stem: Cifar),
            batch_size: 8, epochs: 1, optimizer: Sgd(lr: 0.1), {normalize})"
        );
        std::fs::write(&recipe, text).unwrap();
        recipe.display().to_string()
    }

    #[test]
    fn the_teachers_network_comes_from_its_recipe() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = write(&folder, "normalize: (mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5])");
        let draft = check(&taught_by(&recipe), Ok("share 0.5 from teacher at temperature 4"));
        let Loss::Taught { teacher, .. } = draft.loss else { panic!("{:?}", draft.loss) };
        assert_eq!((teacher.network.in_channels(), teacher.network.classes()), (3, 10));
    }

    #[test]
    fn another_view_of_the_images_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let recipe = write(&folder, "normalize: (mean: [0, 0, 0], std: [1, 1, 1])");
        let refused = "the teacher normalises images with Normalize { mean: [0.0, 0.0, 0.0], std: \
                       [1.0, 1.0, 1.0] }, this recipe with Normalize { mean: [0.5, 0.5, 0.5], std: \
                       [0.5, 0.5, 0.5] }";
        check(&taught_by(&recipe), Err(("recipe", refused)));
    }

    #[test]
    fn impossible_settings_and_absent_recipes_are_refused() {
        let cold = Distillation { temperature: 0.0, ..taught_by("absent.ron") };
        let refused = "`temperature` is 0, expected a positive number";
        check(&cold, Err(("temperature", refused)));
        let mut draft = Draft::example();
        let fault = taught_by("absent.ron").apply(&mut draft).unwrap_err();
        assert!(fault.problem.to_string().starts_with("the teacher's recipe: absent.ron: cannot"));
    }
}
