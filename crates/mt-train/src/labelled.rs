//! Labels, masks and groups of a batch.

use mt_features::Batch;

/// What a batch should have predicted.
#[derive(Debug, Clone)]
pub struct Labelled {
    /// Number of rows `B`.
    pub rows: usize,
    /// `(B, T)`, row-major.
    pub labels: Vec<f32>,
    /// `(B, T)`, row-major: the row's weight where there is a label, 0 elsewhere.
    pub mask: Vec<f32>,
    /// The group of each row `(B)`, for losses that [look at it](mt_models::LossRows::groups).
    pub groups: Option<Vec<u32>>,
}

impl Labelled {
    /// What the rows of a batch should have predicted, taken out of it, with their groups.
    pub(crate) fn take(batch: &mut Batch, groups: Option<Vec<u32>>) -> Self {
        let rows = batch.rows();
        let [labels, mask] = [&mut batch.labels, &mut batch.mask].map(std::mem::take);
        Self { rows, labels, mask, groups }
    }
}

/// The rows of several batches, one after the other. No step looks at their groups any more.
pub(crate) fn together(batches: Vec<Labelled>) -> Labelled {
    let append = |mut all: Labelled, mut next: Labelled| {
        all.rows += next.rows;
        all.labels.append(&mut next.labels);
        all.mask.append(&mut next.mask);
        all
    };
    let none = Labelled { rows: 0, labels: Vec::new(), mask: Vec::new(), groups: None };
    batches.into_iter().reduce(append).unwrap_or(none)
}
