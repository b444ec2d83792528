//! The columns of a trunk's input: what they are of, and which of them a head's gate and tower read.

use std::collections::BTreeMap;
use std::ops::Range;

use mt_features::error::Nearest;
use mt_features::{Head, Schema};
use mt_layers::Side;

use crate::config::{ModelConfig, error};
use crate::error::Result;

/// Columns of a trunk's input, by the fields and numeric columns that they are of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inputs {
    width: usize,
    named: Vec<(String, Range<usize>)>,
    sequences: Vec<(String, Vec<Side>)>,
}

/// Columns of the input that heads read in another way than the rest of the network; one entry a head, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeadColumns {
    /// What each head's gate reads; `None` is all of them.
    pub gates: Vec<Option<Vec<u32>>>,
    /// What each head's tower reads beside its stream.
    pub towers: Vec<Option<Vec<u32>>>,
}

impl Inputs {
    /// Number of columns `D`.
    pub fn width(&self) -> usize {
        self.width
    }

    /// The fields, then the numeric columns, each with its columns of the input.
    pub fn named(&self) -> &[(String, Range<usize>)] {
        &self.named
    }

    /// Lists that are read with attention, by the name of the first field of each: what it and those beside it fill, of what.
    pub fn sequences(&self) -> &[(String, Vec<Side>)] {
        &self.sequences
    }

    /// These and another column, of no name that a configuration has.
    fn with_one_more(&self) -> Self {
        let mut more = self.clone();
        more.named.push((String::new(), more.width..more.width + 1));
        more.width += 1;
        more
    }

    /// The columns of a field or a numeric column. Where both have the name, it is the field's.
    pub(crate) fn columns(&self, name: &str) -> Option<Range<usize>> {
        self.named.iter().find(|(own, _)| own == name).map(|(_, columns)| columns.clone())
    }
}

/// So many columns without names.
impl From<usize> for Inputs {
    fn from(width: usize) -> Self {
        Self { width, named: Vec::new(), sequences: Vec::new() }
    }
}

impl From<&Inputs> for Inputs {
    fn from(inputs: &Inputs) -> Self {
        inputs.clone()
    }
}

impl ModelConfig {
    /// The embedding tables of a schema's fields in order of first mention, with the values a row of each.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) if `embedding` is about tables that the schema has not.
    pub fn table_widths(&self, schema: &Schema) -> Result<Vec<(String, usize)>> {
        let cfg = self.embedding.clone().unwrap_or_default();
        let mut tables: Vec<(String, usize)> = Vec::new();
        for field in &schema.fields {
            if !tables.iter().any(|(name, _)| *name == field.table) {
                let width = cfg.widths.get(&field.table).copied().unwrap_or(cfg.width);
                tables.push((field.table.clone(), width));
            }
        }
        if self.embedding.is_some() && tables.is_empty() {
            return Err(error("embedding", "the data has no fields (data.fields)"));
        }
        if let Some(unknown) = cfg.widths.keys().find(|key| !tables.iter().any(|(name, _)| name == *key)) {
            let known: Vec<&str> = tables.iter().map(|(name, _)| name.as_str()).collect();
            let problem = format!("there is no such table; the tables are {}", known.join(", "));
            return Err(error(&format!("embedding.widths.{unknown}"), problem));
        }
        Ok(tables)
    }

    /// Columns of the trunk's input: the embeddings of all fields, then the numeric columns.
    ///
    /// # Errors
    /// As [`ModelConfig::table_widths`], [`Architecture::check`](crate::Architecture::check), [`ModelConfig::head_columns`] and [`ModelConfig::stage_columns`], and if a list is
    /// read with attention of a field whose embeddings are not as wide.
    pub fn inputs(&self, schema: &Schema) -> Result<Inputs> {
        let tables = self.table_widths(schema)?;
        let of_fields = schema.fields.iter().map(|field| {
            let table = tables.iter().find(|(name, _)| *name == field.table);
            (&field.name, table.map_or(0, |(_, width)| *width))
        });
        let mut inputs = Inputs::from(0);
        for (name, width) in of_fields.chain(schema.numeric.iter().map(|name| (name, 1))) {
            let start = inputs.width;
            inputs.width += width;
            inputs.named.push((name.clone(), start..inputs.width));
        }
        for fields in schema.sequences() {
            let sides = fields.iter().map(|&f| self.side(schema, &inputs, f)).collect::<Result<_>>()?;
            inputs.sequences.push((schema.fields[fields[0]].name.clone(), sides));
        }
        if self.attention.is_some() && inputs.sequences.is_empty() {
            return Err(error("attention", "no field of the data is pooled with attention (data.fields)"));
        }
        let heads = schema.heads();
        self.resolve()?.check(&heads.iter().map(|head| head.name.as_str()).collect::<Vec<_>>())?;
        self.head_columns(&inputs, &heads)?;
        self.stage_columns(&inputs)?;
        Ok(inputs)
    }

    /// What the list of field `f` fills, and of what.
    fn side(&self, schema: &Schema, inputs: &Inputs, f: usize) -> Result<Side> {
        let field = &schema.fields[f];
        let query = field.attention().map_or("", |attention| &attention.query);
        let of = |name: &str| inputs.columns(name).unwrap_or_default();
        let (own, candidate) = (of(&field.name), of(query));
        if own.len() != candidate.len() {
            let problem = format!(
                "field {:?} is pooled with attention of {query:?}: expected embeddings of one width, found {} and {} values",
                field.name,
                own.len(),
                candidate.len()
            );
            return Err(error("embedding.widths", problem));
        }
        Ok(Side { query: candidate.start, out: own.start, width: own.len() })
    }

    /// What `gate_fields` and `tower_fields` name of these inputs.
    ///
    /// # Errors
    /// [`Error::Config`](crate::Error::Config) for a head, or a field or numeric column, that is not there.
    pub fn head_columns(&self, inputs: &Inputs, heads: &[Head]) -> Result<HeadColumns> {
        let of = |key: &str, fields: &BTreeMap<String, Vec<String>>| {
            if let Some(unknown) = fields.keys().find(|name| !heads.iter().any(|head| head.name == **name)) {
                let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
                let problem = format!("there is no such head; the heads are {}", names.join(", "));
                return Err(error(&format!("{key}.{unknown}"), problem));
            }
            let own = |head: &Head| {
                let names = fields.get(&head.name);
                names.map(|names| columns(&format!("{key}.{}", head.name), inputs, names)).transpose()
            };
            heads.iter().map(own).collect()
        };
        Ok(HeadColumns {
            gates: of("gate_fields", &self.gate_fields)?,
            towers: of("tower_fields", &self.tower_fields)?,
        })
    }
}

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
        let (inventory, wider) = (crate::inventory(self, inputs, heads)?, inputs.with_one_more());
        let mut of_trunk = Vec::new();
        for (name, shape) in crate::inventory(self, wider, heads)? {
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

pub(crate) fn columns(key: &str, inputs: &Inputs, names: &[String]) -> Result<Vec<u32>> {
    let mut columns = Vec::new();
    for name in names {
        let Some(own) = inputs.columns(name) else {
            let nearest = Nearest::of(name, inputs.named.iter().map(|(name, _)| name));
            let problem = format!("the data has no field or numeric column {name:?}{nearest}");
            return Err(error(key, problem));
        };
        columns.extend(own.map(|column| column as u32));
    }
    columns.sort_unstable();
    Ok(columns)
}

#[cfg(test)]
mod tests {

    use super::*;
    use mt_features::{Task, TaskKind};

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
