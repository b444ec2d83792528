//! What the best epoch is chosen by.

use mt_features::{Layout, Numeric, SparseRows, Table, Task, TaskKind};
use mt_train::{Evaluation, Select, SelectMetric};

/// Two binary tasks on four rows: the first is ranked without a mistake, the second with one of four pairs wrong.
fn evaluation() -> Evaluation {
    let numeric = Numeric::Sparse(SparseRows { offsets: vec![0; 5], ..SparseRows::empty(1) });
    let labels = vec![1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0];
    let predictions = [0.9, 0.9, 0.2, 0.5, 0.8, 0.4, 0.1, 0.3];
    let mut table = Table::new(numeric, labels, vec![1.0; 8], 2).expect("a table");
    table.set_layout(Layout::Dense);
    let task = |name: &str| Task::new(name, TaskKind::Binary);
    Evaluation::new(&predictions, &table, &[task("a"), task("b")])
}

fn value(metric: SelectMetric, weights: &[(&str, f64)]) -> Option<f64> {
    let weights = weights.iter().map(|(task, weight)| ((*task).to_owned(), *weight)).collect();
    let mut select = Select::new(metric);
    select.weights = weights;
    select.value(&evaluation())
}

#[test]
fn tasks_count_by_their_weights() {
    let auc = |weights| value(SelectMetric::Auc, weights).expect("a value");
    let (a, b) = (auc(&[("a", 1.0)]), auc(&[("b", 2.0)]));
    assert_eq!((a, b), (1.0, 0.75));
    assert_eq!(auc(&[]), (a + b) / 2.0);
    assert_eq!(auc(&[("a", 1.0), ("b", 1.0)]), (a + b) / 2.0);
    approx::assert_relative_eq!(auc(&[("a", 0.3), ("b", 0.7)]), 0.3 * a + 0.7 * b);
    assert_eq!(auc(&[("a", 0.0), ("b", 5.0)]), b);
    let loss = |weights| value(SelectMetric::LogLoss, weights).expect("a value");
    let mixed = 0.25 * loss(&[("a", 1.0)]) + 0.75 * loss(&[("b", 1.0)]);
    approx::assert_relative_eq!(loss(&[("a", 1.0), ("b", 3.0)]), mixed);
    assert_eq!(value(SelectMetric::Auc, &[("none", 1.0)]), None);
}

#[test]
fn a_choice_says_what_it_is_made_by() {
    let select = |text: &str| serde_yaml::from_str::<Select>(text).expect("a choice").to_string();
    assert_eq!(select("{}"), "AUC, mean of all tasks");
    assert_eq!(select("{metric: log-loss, task: like}"), "log loss, like");
    assert_eq!(select("{weights: {completion: 0.3, like: 0.7}}"), "AUC, mean of 0.3 completion + 0.7 like");
}

#[test]
fn an_undefined_value_is_better_than_none() {
    for (metric, larger) in [(SelectMetric::Auc, true), (SelectMetric::LogLoss, false)] {
        let select = Select::new(metric);
        assert!(!select.is_better(None, None) && !select.is_better(None, Some(0.1)));
        assert!(select.is_better(Some(0.1), None));
        assert_eq!(select.is_better(Some(0.2), Some(0.1)), larger);
        let best = select.best(&[None, Some(0.3), None, None]).expect("a best epoch");
        assert_eq!((best.epoch, best.value), (2, Some(0.3)));
    }
    // Without validation rows.
    assert_eq!(Select::new(SelectMetric::Auc).best(&[None; 3]).map(|best| best.epoch), Some(3));
    assert_eq!(Select::new(SelectMetric::Auc).best(&[]), None);
}
