//! The joint losses: which they are, and what they go with.

use mt_features::Task;
use mt_models::{Coupling, JointLoss};

use super::Config;
use super::train::known;
use crate::error::{Error, Result};

impl Config {
    /// The joint losses, each with its weight.
    ///
    /// # Errors
    /// [`Error::Model`] for one that the registry has not, or a key of it that cannot be.
    pub(crate) fn joint_losses(&self) -> Result<Vec<(f64, Box<dyn JointLoss>)>> {
        let written = self.train.joint_losses.iter().enumerate();
        let read = |(i, written)| {
            Ok(self.model.registry.joint_loss(&format!("train.joint_losses[{i}]"), written)?)
        };
        written.map(read).collect()
    }

    /// Checks that they are there, are of their tasks' kinds, and fit how the tasks are trained.
    ///
    /// # Errors
    /// [`Error::Config`], naming the key, which `place` locates. Where rows are there already (not `sourced`) it is they that have
    /// groups or not.
    pub(super) fn check_joint_losses(
        &self,
        place: &dyn Fn(&str) -> String,
        check: &dyn Fn(&str, bool, String) -> Result<()>,
        sourced: bool,
    ) -> Result<()> {
        let all = self.joint_losses().map_err(|error| error.placed(place))?;
        for (i, ((_, loss), written)) in all.iter().zip(&self.train.joint_losses).enumerate() {
            let (name, key) = (&written.name, format!("train.joint_losses[{i}]"));
            for of in loss.tasks() {
                let (good, problem) = known(&self.tasks, of);
                check(&key, good, problem)?;
                let task = self.tasks.iter().find(|task| task.name == *of);
                let good = task.is_none_or(|task| task.prediction.is_none() && loss.is_for(task.kind));
                let problem =
                    format!("{name} does not read tasks like {of}, by their kind or as a product of heads");
                check(&key, good, problem)?;
            }
            let kind = self.train.balance.kind;
            let problem = format!("{kind} weighs gradients of the tasks' losses alone, which {name} is not");
            check("train.balance.kind", !kind.of_gradients(), problem)?;
            let shards = self.train.shards;
            let problem =
                format!("{name} is a mean over all of a step, and it has {shards} shards; expected 1");
            check("train.shards", shards == 1, problem)?;
            if sourced && self.data.group.is_none() && loss.coupling() == Coupling::Group {
                return Err(Error::ungrouped(place(&key), &key, name));
            }
        }
        Ok(())
    }

    /// Where among `tasks` those of a joint loss are.
    ///
    /// # Errors
    /// [`Error::Config`] for one that is not there, or of another kind.
    pub(crate) fn joint_places(loss: &dyn JointLoss, tasks: &[Task]) -> Result<Vec<usize>> {
        let place = |name: &String| {
            let place = tasks.iter().position(|task| task.name == *name);
            let fits = |&place: &usize| loss.is_for(tasks[place].kind) && tasks[place].prediction.is_none();
            place.filter(fits).ok_or_else(|| Error::Config {
                at: "train.joint_losses".to_owned(),
                problem: format!(
                    "the rows were read for another task {name:?}; read them with this configuration"
                ),
            })
        };
        loss.tasks().iter().map(place).collect()
    }
}
