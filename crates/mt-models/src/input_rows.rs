//! Which rows of which parameters belong to which input.

use std::collections::BTreeMap;

use mt_features::Head;

use crate::config::{ModelConfig, error};
use crate::error::Result;
use crate::inputs::{HeadColumns, Inputs};
use crate::inventory::inventory;

/// A parameter with rows that belong to columns of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputRows {
    /// Along which of its axes they lie.
    pub axis: usize,
    /// The first of them: before them are rows of something else, as of a tower's stream.
    pub start: usize,
    /// The column of each, ascending. Behind them may be rows of columns that [stages append](crate::Stage::appends).
    pub columns: Vec<u32>,
}

impl ModelConfig {
    /// The parameters of the model, by name, that have rows which belong to columns of `inputs`: first layers of bottoms
    /// and experts, of gates by what `gate_fields` say, and of towers with `tower_fields`.
    ///
    /// # Errors
    /// As [`inventory`](crate::inventory()).
    pub fn input_rows(&self, inputs: &Inputs, heads: &[Head]) -> Result<BTreeMap<String, InputRows>> {
        let HeadColumns { gates, towers } = self.head_columns(inputs, heads)?;
        let all: Vec<u32> = (0..inputs.width() as u32).collect();
        let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
        // What stages and the trunk read.
        let mut widths: Vec<usize> = self.stage_columns(inputs)?.iter().map(|stage| stage.inputs).collect();
        widths.push(self.read_width(inputs)?);
        // What reads the input is what grows with it.
        let [inventory, wider] =
            [inputs, &inputs.with_one_more()].map(|inputs| inventory(self, inputs, heads));
        let inventory = inventory?;
        let mut of_trunk = Vec::new();
        for (name, shape) in wider? {
            let Some(before) = inventory.get(&name).filter(|before| **before != shape) else { continue };
            let dims = before.dims().iter().zip(shape.dims()).enumerate();
            let grown: Vec<usize> =
                dims.filter(|(_, (before, after))| before != after).map(|(at, _)| at).collect();
            match grown[..] {
                [axis] if widths.contains(&before.dims()[axis]) => {
                    of_trunk.push((name, InputRows { axis, start: 0, columns: all.clone() }));
                }
                _ => {
                    let problem = format!(
                        "which of the values of {name} belong to which input cannot be told: it has the shape {before:?}, with \
                         one input more {shape:?}"
                    );
                    return Err(error("kind", problem));
                }
            }
        }
        let facts = self.resolve()?.facts(&names);
        let of_gate = facts
            .gates
            .into_iter()
            .zip(gates)
            .filter_map(|(name, own)| Some((name, InputRows { axis: 0, start: 0, columns: own? })));
        let of_tower = |(head, columns): (&&str, Option<Vec<u32>>)| {
            let (name, columns) = (format!("towers.{head}.0.weight"), columns?);
            let start = inventory.get(&name)?.dims()[1] - columns.len();
            Some((name, InputRows { axis: 1, start, columns }))
        };
        Ok(of_trunk.into_iter().chain(of_gate).chain(names.iter().zip(towers).filter_map(of_tower)).collect())
    }
}

#[cfg(test)]
mod tests {

    use super::*;
    use mt_features::{Schema, Task, TaskKind};

    fn schema(numbers: usize) -> Schema {
        let task = |name: &str| Task::new(name, TaskKind::Binary);
        let numeric = (0..numbers).map(|i| format!("n{i}")).collect();
        Schema { numeric, tasks: vec![task("like"), task("buy")], ..Schema::default() }
    }

    #[test]
    fn first_layers_have_a_row_for_each_input() {
        let cases: [(&str, &[&str]); 9] = [
            (r#"{"kind": "shared-bottom", "bottom": [5, 4]}"#, &["bottom"]),
            (r#"{"kind": "single-task", "bottom": [4]}"#, &["bottoms.buy", "bottoms.like"]),
            (r#"{"kind": "aitm", "bottom": [7, 4]}"#, &["bottoms.buy", "bottoms.like"]),
            (r#"{"kind": "dbmtl", "bottom": [7], "specific": [7]}"#, &["bottom"]),
            (
                r#"{"kind": "dbmtl", "experts": 3, "expert": [4], "specific": [7]}"#,
                &["experts", "gates.buy", "gates.like"],
            ),
            (
                r#"{"kind": "ppnet", "bottom": [5, 4]}"#,
                &["bottoms.buy.0", "bottoms.like.0", "gates.buy", "gates.like"],
            ),
            (
                r#"{"kind": "mmoe", "experts": 3, "expert": [4], "gate": [6]}"#,
                &["experts", "gates.buy", "gates.like"],
            ),
            (
                r#"{"kind": "cgc", "shared_experts": 1, "expert": [5, 4], "norm": "batch"}"#,
                &["experts.buy", "experts.like", "experts.shared", "gates.buy", "gates.like"],
            ),
            (
                r#"{"kind": "ple", "experts_per_task": 1, "expert": [4], "levels": 3, "tower": [3]}"#,
                &[
                    "levels.0.experts.buy",
                    "levels.0.experts.like",
                    "levels.0.experts.shared",
                    "levels.0.gates.buy",
                    "levels.0.gates.like",
                    "levels.0.gates.shared",
                ],
            ),
        ];
        for (kind, banks) in cases {
            let cfg: ModelConfig = serde_json::from_str(kind).expect("a model");
            let schema = schema(7);
            let rows = cfg.input_rows(&cfg.inputs(&schema).expect("inputs"), &schema.heads()).expect("rows");
            let names: Vec<String> = banks.iter().map(|bank| format!("{bank}.0.weight")).collect();
            assert_eq!(rows.keys().collect::<Vec<_>>(), names.iter().collect::<Vec<_>>(), "{kind}");
            for InputRows { axis, start, columns } in rows.values() {
                assert_eq!((*axis, *start, columns.len()), (0, 0, 7), "{kind}");
            }
        }
    }

    #[test]
    fn a_gate_over_the_input_has_rows_for_each_input_on_both_of_its_sides() {
        let text = r#"{"kind": "mmoe", "stages": [{"kind": "epnet", "fields": ["n2"], "hidden": 3}]}"#;
        let cfg: ModelConfig = serde_json::from_str(text).expect("a model");
        let schema = schema(7);
        let rows = cfg.input_rows(&cfg.inputs(&schema).expect("inputs"), &schema.heads()).expect("rows");
        for (name, axis) in [("0.weight", 0), ("1.weight", 2), ("1.bias", 1)] {
            let of = &rows[&format!("stages.0.{name}")];
            assert_eq!((of.axis, of.start, of.columns.len()), (axis, 0, 7), "{name}");
        }
        assert!(!rows.contains_key("stages.0.0.bias"));
    }

    #[test]
    fn columns_that_stages_append_have_rows_behind_those_of_the_inputs() {
        let text = r#"{"kind": "mmoe", "stages": [{"kind": "fm", "fields": ["n2", "n0"]}, {"kind": "cross"}, {"kind": "fm",
                       "fields": ["n1", "n3"]}], "gate_fields": {"buy": ["n2", "n5"]}}"#;
        let cfg: ModelConfig = serde_json::from_str(text).expect("a model");
        let schema = schema(7);
        let inputs = cfg.inputs(&schema).expect("inputs");
        let (rows, all) =
            (cfg.input_rows(&inputs, &schema.heads()).expect("rows"), (0..7).collect::<Vec<u32>>());
        let shapes = crate::inventory(&cfg, &inputs, &schema.heads()).expect("parameters");
        for (name, length) in [("experts.0.weight", 9), ("gates.like.0.weight", 9), ("stages.1.0.into", 8)] {
            assert_eq!((shapes[name].dims()[0], &rows[name].columns), (length, &all), "{name}");
        }
        assert_eq!(rows["gates.buy.0.weight"].columns, [2, 5]);
    }

    /// A weight with two rows for each input.
    #[derive(Debug)]
    struct Twice;

    impl crate::Architecture for Twice {
        fn build(
            &self,
            sizes: crate::Sizes<'_>,
            _: &[Option<mt_layers::Columns>],
            vb: candle_nn::VarBuilder<'_>,
        ) -> candle_core::Result<Box<dyn crate::Trunk>> {
            vb.get((2 * sizes.inputs, 3), "twice")?;
            let cfg = crate::SharedBottomConfig {
                bottom: vec![3],
                init: Default::default(),
                norm: mt_layers::Norm::None,
            };
            Ok(Box::new(crate::SharedBottom::new(&cfg, sizes, vb)?))
        }

        fn facts(&self, _: &[&str]) -> crate::Facts {
            crate::Facts::default()
        }
    }

    #[test]
    fn rows_that_cannot_be_told_apart_are_refused() {
        let registry = crate::Registry::default().with("twice", |_| Ok(Box::new(Twice)));
        let cfg = ModelConfig { registry, ..ModelConfig::new("twice") };
        let schema = schema(7);
        let refused =
            cfg.input_rows(&cfg.inputs(&schema).expect("inputs"), &schema.heads()).expect_err("refused");
        assert!(refused.to_string().contains("values of twice belong to which input"), "{refused}");
    }

    #[test]
    fn gates_and_towers_with_columns_of_their_own_have_rows_for_these() {
        let text = r#"{"kind": "mmoe", "experts": 3, "expert": [4], "gate_fields": {"buy": ["n2", "n5"]},
                       "tower_fields": {"like": ["n6", "n1"]}}"#;
        let cfg: ModelConfig = serde_json::from_str(text).expect("a model");
        let schema = schema(7);
        let rows = cfg.input_rows(&cfg.inputs(&schema).expect("inputs"), &schema.heads()).expect("rows");
        let of = |axis, start, columns: &[u32]| InputRows { axis, start, columns: columns.to_vec() };
        assert_eq!(rows["gates.buy.0.weight"], of(0, 0, &[2, 5]));
        assert_eq!(rows["towers.like.0.weight"], of(1, 4, &[1, 6]));
        assert_eq!(rows.len(), 4, "experts and the other gate read everything: {rows:?}");
    }
}
