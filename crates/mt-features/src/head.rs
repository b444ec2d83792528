//! Heads: what a network computes, apart from the tasks that are predicted with it.

use crate::message::Nearest;
use crate::task::{Task, TaskKind};

/// The logits that a network computes for a task, or for a factor of the predictions of several.
///
/// A task has a label, a loss and metrics; a head has a gate, a tower and whatever else the network owns for each, under
/// its name. Most tasks have a head each. One with a [`prediction`](Task::prediction) uses those it names, and of these
/// some may be of no other task: they have no label of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// That of its task; part of parameter names.
    pub name: String,
    /// The kind of its task, [`TaskKind::Binary`] without one.
    pub kind: TaskKind,
}

impl Head {
    /// Logits a row.
    pub fn outputs(&self) -> usize {
        self.kind.outputs()
    }
}

/// The heads that these tasks need: those of tasks with one of their own, in order, then those without a label, in order of
/// first mention, then those that only a loss reads ([`Task::imputed`]).
pub fn heads(tasks: &[Task]) -> Vec<Head> {
    let head = |task: Task| Head { name: task.name, kind: task.kind };
    let imputed = tasks.iter().filter_map(|task| Some(Task::new(task.imputed.clone()?, TaskKind::Binary)));
    let own = predicted(tasks).into_iter().filter(|task| task.prediction.is_none());
    own.chain(imputed).map(head).collect()
}

/// Of each of these tasks the columns of the logits `(B, L)` of their [`heads`] that its prediction reads: those of its head, or
/// one of each factor.
pub fn logit_columns(tasks: &[Task]) -> Vec<Vec<usize>> {
    columns(tasks, |_| None)
}

/// The same that its loss reads: behind those of its prediction the one that is [imputed](Task::imputed), if there is one.
pub fn loss_columns(tasks: &[Task]) -> Vec<Vec<usize>> {
    columns(tasks, |task| task.imputed.as_ref())
}

fn columns(tasks: &[Task], also: impl Fn(&Task) -> Option<&String>) -> Vec<Vec<usize>> {
    let mut end = 0;
    let place = |head: Head| {
        end += head.outputs();
        (head.name.clone(), end - head.outputs()..end)
    };
    let places: Vec<(String, std::ops::Range<usize>)> = heads(tasks).into_iter().map(place).collect();
    let of = |head: &String| {
        let place = places.iter().find(|(name, _)| name == head);
        place.map_or(0..0, |(_, columns)| columns.clone())
    };
    let columns = |task: &Task| {
        let own = std::slice::from_ref(&task.name);
        let read = task.prediction.as_ref().map_or(own, |product| product.heads());
        read.iter().chain(also(task)).flat_map(of).collect()
    };
    tasks.iter().map(columns).collect()
}

/// All that a model of these tasks predicts: the tasks, and behind them each head without a label, as a binary task of its
/// own.
pub fn predicted(tasks: &[Task]) -> Vec<Task> {
    let mut all = tasks.to_vec();
    for name in tasks.iter().filter_map(|task| task.prediction.as_ref()).flat_map(|product| product.heads()) {
        if !all.iter().any(|known| known.name == *name) {
            all.push(Task::new(name, TaskKind::Binary));
        }
    }
    all
}

/// Of each head without a label that is named nearly as a task is, so that it may be meant, what to say.
pub fn nearly_tasks(tasks: &[Task]) -> Vec<String> {
    let names: Vec<String> = tasks.iter().map(|task| task.name.clone()).collect();
    let doubt = |head: &Task| {
        let Nearest(task) = Nearest::of(&head.name, &names);
        let task = task?;
        Some(format!(
            "no task is called {:?}, so this factor of a prediction is a head without a label; if task {task:?} is meant, write \
             that",
            head.name
        ))
    };
    predicted(tasks)[tasks.len()..].iter().filter_map(doubt).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_without_a_label_stand_behind_those_of_tasks() {
        let chain = |name: &str, product: &str| Task {
            prediction: Some(product.parse().unwrap()),
            ..Task::new(name, TaskKind::Binary)
        };
        let tasks = [
            chain("buy", "click * cart * pay"),
            Task { imputed: Some("missed".to_owned()), ..Task::new("click", TaskKind::Binary) },
            chain("put", "click * cart"),
            Task::new("tab", TaskKind::Multiclass { classes: 3 }),
        ];
        let names = |heads: &[Head]| heads.iter().map(|head| head.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&heads(&tasks)), ["click", "tab", "cart", "pay", "missed"]);
        assert_eq!(heads(&tasks).iter().map(Head::outputs).sum::<usize>(), 7);
        let columns: [&[usize]; 4] = [&[0, 4, 5], &[0], &[0, 4], &[1, 2, 3]];
        assert_eq!(logit_columns(&tasks), columns);
        assert_eq!(loss_columns(&tasks)[..2], [vec![0, 4, 5], vec![0, 6]]);
        let all = predicted(&tasks);
        assert_eq!(all[..4], tasks);
        assert_eq!(all[4..].iter().map(|task| &*task.name).collect::<Vec<_>>(), ["cart", "pay"]);
        assert_eq!(heads(&all), heads(&tasks));
        assert!(nearly_tasks(&tasks).is_empty());
        let doubts = nearly_tasks(&[tasks[1].clone(), chain("buy", "clik * cvr")]);
        assert!(doubts.len() == 1 && doubts[0].contains("\"clik\"") && doubts[0].contains("\"click\""));
    }
}
