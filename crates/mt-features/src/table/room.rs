//! How much memory a table asks for ahead, and gives back.

use super::Table;
use crate::batch::Batch;
use crate::fields::{Ids, grow};
use crate::rows::{Numeric, SparseRows};

impl Table {
    /// Makes room for about `factor` times the rows there are, so that appending them does not copy what there is.
    pub fn reserve(&mut self, factor: f64) {
        self.rows.fields.iter_mut().for_each(|ids| ids.reserve(factor));
        self.labelled.iter_mut().for_each(|labelled| grow(labelled, factor));
        self.groups.iter_mut().for_each(|groups| grow(groups, factor));
        let Batch { numeric, labels, mask, .. } = &mut self.rows;
        grow(labels, factor);
        grow(mask, factor);
        match numeric {
            Numeric::Dense(dense) => grow(&mut dense.values, factor),
            Numeric::Sparse(SparseRows { offsets, columns, values, .. }) => {
                grow(offsets, factor);
                grow(columns, factor);
                grow(values, factor);
            }
        }
    }

    /// Gives unused memory back.
    pub fn shrink(&mut self) {
        let Batch { numeric, fields, labels, mask, .. } = &mut self.rows;
        fields.iter_mut().for_each(Ids::shrink);
        self.labelled.iter_mut().for_each(Vec::shrink_to_fit);
        self.groups.iter_mut().for_each(Vec::shrink_to_fit);
        labels.shrink_to_fit();
        mask.shrink_to_fit();
        match numeric {
            Numeric::Dense(dense) => dense.values.shrink_to_fit(),
            Numeric::Sparse(sparse) => {
                sparse.offsets.shrink_to_fit();
                sparse.columns.shrink_to_fit();
                sparse.values.shrink_to_fit();
            }
        }
    }
}
