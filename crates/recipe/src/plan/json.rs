//! A plan as data: every field with its value and its origins.

use serde::ser::{Error as _, SerializeMap};
use serde::{Serialize, Serializer};
use trickbag_models::LayerSummary;
use trickbag_param_groups::{Group, Table};
use trickbag_schedules::Schedule;

use super::explain::key_steps;
use super::origin::Origin;
use super::{AppliedTrick, Explanation, Memory, Plan, Unfrozen};
use crate::error::Place;

impl Serialize for Explanation<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let plan = self.plan;
        let mut entries = Entries { explanation: self, map: serializer.serialize_map(None)? };
        entries.add("name", &plan.name)?;
        entries.add("seed", &plan.seed)?;
        entries.add("recipe_hash", &plan.recipe_hash)?;
        entries.add("data", &plan.data)?;
        entries.add("facts", &plan.facts)?;
        entries.add("subset", &plan.subset)?;
        entries.add("label_noise", &plan.label_noise)?;
        entries.add("normalize", &plan.normalize)?;
        entries.add("augment", &plan.augment)?;
        entries.add("train_size", &plan.train_size)?;
        entries.add("progressive_resizing", &plan.progressive_resizing)?;
        entries.add("test_views", &plan.test_views)?;
        entries.add("order", &plan.order)?;
        entries.add("architecture", &plan.architecture)?;
        entries.add("network", &Network::of(plan).map_err(S::Error::custom)?)?;
        entries.add("macs", &plan.macs)?;
        entries.add("zero_gamma", &format!("{:?}", plan.zero_gamma))?;
        entries.add("batch_size", &plan.batch_size)?;
        entries.add("epochs", &plan.epochs)?;
        entries.add("steps_per_epoch", &plan.steps_per_epoch)?;
        entries.add("total_steps", &plan.total_steps)?;
        entries.add("optimizer", &plan.optimizer)?;
        entries.add("learning_rate", &Curve::of(&plan.learning_rate, plan.total_steps))?;
        let momentum = plan.momentum.as_ref().map(|curve| Curve::of(curve, plan.total_steps));
        entries.add("momentum", &momentum)?;
        entries.add("groups", &groups(&plan.groups))?;
        entries.add("unfreeze", &plan.unfreeze.as_ref().map(Thawed::of))?;
        entries.add("targets", &plan.targets)?;
        entries.add("loss", &plan.loss)?;
        entries.add("mixing", &plan.mixing)?;
        entries.add("clip", &plan.clip)?;
        entries.add("init_from", &plan.init_from)?;
        entries.add("micro_batch", &plan.micro_batch)?;
        entries.add("sam", &plan.sam)?;
        entries.add("lookahead", &plan.lookahead)?;
        entries.add("average", &plan.average)?;
        entries.add("precision", &plan.precision)?;
        entries.add("loss_scaling", &plan.loss_scaling)?;
        entries.add("tricks", &self.applied())?;
        let memory = Memory::of(plan).map_err(S::Error::custom)?;
        entries.map.serialize_entry("memory", &memory)?;
        entries.map.end()
    }
}

impl Explanation<'_> {
    fn applied(&self) -> Vec<Applied<'_>> {
        let applied = |trick| Applied { trick, places: self.places(trick) };
        self.plan.tricks.iter().map(applied).collect()
    }

    fn places(&self, trick: &AppliedTrick) -> Vec<String> {
        let places = self.document.places(&format!("tricks[{}]", trick.name));
        places.iter().map(Place::to_string).collect()
    }
}

#[derive(Serialize)]
struct Applied<'a> {
    #[serde(flatten)]
    trick: &'a AppliedTrick,
    places: Vec<String>,
}

struct Entries<'a, M> {
    explanation: &'a Explanation<'a>,
    map: M,
}

impl<M: SerializeMap> Entries<'_, M> {
    /// Adds the plan's field `field`.
    fn add(&mut self, field: &'static str, value: &impl Serialize) -> Result<(), M::Error> {
        let Explanation { plan, document, .. } = *self.explanation;
        let from = plan.origins(field, document);
        self.map.serialize_entry(field, &Entry { value, from })
    }
}

#[derive(Serialize)]
struct Entry<'a, T> {
    value: &'a T,
    from: Vec<Origin>,
}

#[derive(Serialize)]
struct Network {
    parameters: usize,
    tensors: usize,
    layers: Vec<Layer>,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    output: [usize; 3],
    parameters: usize,
    macs: u64,
}

impl Network {
    fn of(plan: &Plan) -> Result<Self, trickbag_models::Error> {
        let rows = plan.network.summary(plan.facts.height, plan.facts.width)?;
        Ok(Self {
            parameters: plan.network.parameter_count(),
            tensors: plan.network.parameters().len(),
            layers: rows.into_iter().map(Layer::from).collect(),
        })
    }
}

impl From<LayerSummary> for Layer {
    fn from(LayerSummary { name, output, parameters, macs }: LayerSummary) -> Self {
        Self { name, output, parameters, macs }
    }
}

#[derive(Serialize)]
struct Curve<'a> {
    schedule: &'a Schedule,
    points: Vec<Point>,
}

#[derive(Serialize)]
struct Point {
    step: u64,
    value: f64,
}

impl<'a> Curve<'a> {
    fn of(schedule: &'a Schedule, steps: u64) -> Self {
        let point = |step| Point { step, value: schedule.at(step) };
        Self { schedule, points: key_steps(steps - 1).into_iter().map(point).collect() }
    }
}

#[derive(Serialize)]
struct Members<'a> {
    #[serde(flatten)]
    group: Group,
    parameters: Vec<&'a str>,
}

fn groups(table: &Table) -> Vec<Members<'_>> {
    let groups = table.groups().into_iter();
    groups.map(|(group, parameters)| Members { group, parameters }).collect()
}

#[derive(Serialize)]
struct Thawed<'a> {
    step: u64,
    groups: Vec<Members<'a>>,
}

impl<'a> Thawed<'a> {
    fn of(unfrozen: &'a Unfrozen) -> Self {
        Self { step: unfrozen.step, groups: groups(&unfrozen.groups) }
    }
}
