//! Values numbered within a block, renumbered as they are in the whole input.

use std::sync::Arc;

use mt_features::{Table, fields::Interner};

use super::encode::Extra;
use super::layout::Layout;
use crate::error::Result;

/// What has been seen of the input so far.
#[derive(Default)]
pub(super) struct Known {
    /// The values of each table, where fields hold their numbers.
    pub interned: Vec<Interner>,
    pub groups: Interner,
    /// For each row, 0 for training, 1 for validation, 2 for the test; empty without `data.split`.
    pub parts: Vec<u8>,
    /// For each join, the rows read and those without partner.
    pub lost: Vec<(u64, u64)>,
}

impl Known {
    /// Puts what a plan made of a block's rows beside them. Blocks come in input order, so numbers do not depend on
    /// threads.
    pub fn merge(&mut self, table: Table, extra: Extra, layout: &Layout) -> Result<Table> {
        let Extra { mut fields, interned, groups, group_values, labelled, parts, lost } = extra;
        let plan = &layout.plan;
        for (ids, field) in fields.iter_mut().zip(&plan.fields) {
            let coder = &plan.coders[field.table];
            match &field.codes {
                // Codes of side tables are those of the whole input already.
                Some(codes) => ids.keys.clone_from(&codes.keys),
                None if coder.numbers() => {
                    self.interned[field.table].renumber(&interned[field.table], &mut ids.rows);
                }
                None if coder.lists_keys() => ids.keys = Some(Arc::new(interned[field.table].keys())),
                None => {}
            }
        }
        self.parts.extend(parts);
        self.lost.resize(lost.len().max(self.lost.len()), (0, 0));
        for (all, lost) in self.lost.iter_mut().zip(lost) {
            *all = (all.0 + table.len() as u64, all.1 + lost);
        }
        let mut table = table.with_fields(fields)?;
        if plan.restricted {
            table = table.with_labelled(labelled)?;
        }
        if plan.group.is_some() {
            let numbers: Vec<u32> = group_values.iter().map(|value| self.groups.intern(value)).collect();
            table = table.with_groups(groups.iter().map(|&group| numbers[group as usize]).collect())?;
        }
        Ok(table)
    }
}
