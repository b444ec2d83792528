//! From a trained model's folder to a folder with an ONNX file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use candle_core::Device;
use mt_bundle::{Predictor, Signature, write_file, write_folder, write_json};
use mt_features::fields::TableEncoder;
use mt_features::{Computed, Encoder, Encoders, Field, MissingPolicy};
use mt_models::Registry;
use prost::Message;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::proto::{self, Entry};
use crate::{input, readout};

/// What goes into an ONNX file.
#[derive(Debug, Clone)]
pub struct Export<'a> {
    /// The folder of a bundle or checkpoint.
    pub model: &'a Path,
    /// Whether embedding tables are part of it. Without them, the input of a field is its pooled embedding.
    pub tables: bool,
    /// What the network may be: `Registry::default()` but for one of your own.
    pub registry: Registry,
}

/// What a client needs to turn values into inputs; written beside the graph.
#[derive(Serialize)]
struct Encoding<'a> {
    /// Columns of the input of numbers, in order.
    numeric: &'a [String],
    /// The other inputs: which column and table they are about, and how several values are separated.
    fields: &'a [Field],
    /// Columns that are computed, which numbers and fields may name: the graph takes their values.
    #[serde(skip_serializing_if = "<[Computed]>::is_empty")]
    computed: &'a [Computed],
    missing: &'a MissingPolicy,
    encoders: &'a Encoders,
}

impl Export<'_> {
    /// Name of the file.
    pub const FILE: &'static str = "model.onnx";
    /// Name of the file with the constants of a graph that would pass the 2 GB a protocol buffer may have.
    pub const DATA: &'static str = "model.onnx.data";
    /// Name of the file with the encoders: how values become table rows.
    pub const ENCODERS: &'static str = "encoders.json";

    /// Writes the folder `dir`, which must not exist.
    ///
    /// # Errors
    /// [`Error::Model`] if the model is damaged or `dir` is there already or cannot be written, [`Error::Name`] if a
    /// field, a task or the input `numeric` share a name, [`Error::Growing`] of a model with a table that grows. Then there is no folder.
    pub fn write(self, dir: &Path) -> Result<()> {
        if dir.exists() {
            return Err(mt_bundle::Error::Exists { path: dir.to_owned() }.into());
        }
        let predictor = Predictor::load_with(self.model, &Device::Cpu, &self.registry)?;
        let grows = |table: &&TableEncoder| matches!(table.encoder, Encoder::Growing(_));
        if let Some(table) = predictor.signature().encoders.tables.iter().find(grows) {
            return Err(Error::Growing { table: table.name.clone() });
        }
        let mut model = self.convert(&predictor)?;
        write_folder(dir, |partial| -> Result<()> {
            if model.encoded_len() > LIMIT {
                move_out(&mut model, &partial.join(Self::DATA))?;
            }
            write_file(&partial.join(Self::FILE), &model.encode_to_vec())?;
            let Signature { schema, missing, encoders, .. } = predictor.signature();
            let (numeric, fields) = (&schema.numeric[..], &schema.fields[..]);
            let computed = &schema.computed[..];
            let encoding = Encoding { numeric, fields, computed, missing, encoders };
            Ok(write_json(&partial.join(Self::ENCODERS), &encoding)?)
        })
    }

    fn convert(self, predictor: &Predictor) -> Result<proto::Model> {
        let signature = predictor.signature();
        let weights = self.model.join(Signature::WEIGHTS);
        let mut graph = Graph::new(candle_core::safetensors::load(weights, &Device::Cpu)?);
        let (heads, predicted) = (signature.schema.heads(), signature.schema.predicted());
        let names: Vec<&str> = heads.iter().map(|head| head.name.as_str()).collect();
        let tasks: Vec<&str> = predicted.iter().map(|task| task.name.as_str()).collect();
        let mut xs = input::input(&mut graph, predictor, self.tables)?;
        let inputs = signature.model.inputs(&signature.schema)?;
        let stages = signature.model.stages()?.into_iter().zip(signature.model.stage_columns(&inputs)?);
        for (i, (stage, columns)) in stages.enumerate() {
            xs = stage.graph(&mut graph, &format!("stages.{i}"), &xs, &columns.own)?;
        }
        let columns = signature.model.head_columns(&inputs, &heads)?;
        // What each head's gate reads, on the first level.
        let gathered = |graph: &mut Graph, own: &Option<Vec<u32>>| match own {
            Some(own) => graph.columns(&xs, own),
            None => xs.clone(),
        };
        let gates: Vec<String> = columns.gates.iter().map(|own| gathered(&mut graph, own)).collect();
        let mut streams = signature.model.resolve()?.graph(&mut graph, &names, &xs, &gates)?;
        for (stream, own) in streams.iter_mut().zip(&columns.towers) {
            if let Some(own) = own {
                let own = graph.columns(&xs, own);
                *stream = graph.concat(&[stream.clone(), own], 1);
            }
        }
        readout::outputs(&mut graph, signature, &streams)?;
        let json = |value: serde_json::Value| value.to_string();
        let facts = [
            ("kind", signature.model.kind.clone()),
            ("numeric", json(signature.schema.numeric.clone().into())),
            ("tasks", json(tasks.clone().into())),
            ("encoders", format!("{:016x}", signature.encoders.fingerprint())),
        ];
        let entry = |(key, value): (&str, String)| Entry { key: key.to_owned(), value };
        Ok(proto::Model {
            ir_version: 8,
            producer_name: "mt".to_owned(),
            producer_version: env!("CARGO_PKG_VERSION").to_owned(),
            doc_string: format!("{} predicting {}", signature.model.kind, tasks.join(", ")),
            graph: Some(graph.finish()?),
            opset_import: vec![proto::Opset { domain: String::new(), version: 17 }],
            metadata_props: facts.into_iter().map(entry).collect(),
        })
    }
}

/// Protocol buffers of 2 GB are refused by readers.
const LIMIT: usize = i32::MAX as usize;

/// Constants up to so many bytes stay in the graph: shapes and axes, which runtimes need before they read another file.
const SMALL: usize = 1024;

/// Where constants begin in their file: at pages, so that runtimes can map them.
const PAGE: u64 = 4096;

/// Moves the large constants to the file `path`, next to the graph's.
fn move_out(model: &mut proto::Model, path: &Path) -> Result<()> {
    let mut write = || -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut end = 0;
        for constant in model.graph.iter_mut().flat_map(|graph| &mut graph.initializer) {
            let Some(values) = constant.raw_data.take_if(|values| values.len() > SMALL) else { continue };
            let start = u64::next_multiple_of(end, PAGE);
            io::copy(&mut io::Read::take(io::repeat(0), start - end), &mut file)?;
            file.write_all(&values)?;
            end = start + values.len() as u64;
            let entry = |key: &str, value: String| Entry { key: key.to_owned(), value };
            constant.external_data = vec![
                entry("location", Export::DATA.to_owned()),
                entry("offset", start.to_string()),
                entry("length", values.len().to_string()),
            ];
            constant.data_location = Some(proto::EXTERNAL);
        }
        file.into_inner()?.sync_all()
    };
    write().map_err(|source| Error::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_constants_move_to_pages_of_their_own_and_small_ones_stay() {
        let constant = |name: &str, bytes: Vec<u8>| proto::Tensor {
            dims: vec![bytes.len() as i64],
            data_type: proto::BOOL,
            name: name.to_owned(),
            raw_data: Some(bytes),
            ..Default::default()
        };
        let (first, shape, second) = (vec![1; 5_000], vec![0; 3], vec![2; 2_000]);
        let constants =
            vec![constant("a", first.clone()), constant("b", shape.clone()), constant("c", second.clone())];
        let graph = proto::Graph { initializer: constants, ..Default::default() };
        let mut model = proto::Model { graph: Some(graph), ..Default::default() };
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(Export::DATA);
        move_out(&mut model, &path).unwrap();
        let read = proto::Model::decode(&model.encode_to_vec()[..]).unwrap().graph.unwrap().initializer;
        let data = std::fs::read(path).unwrap();
        for (constant, expected) in read.iter().zip([Some(first), None, Some(second)]) {
            let Some(expected) = expected else {
                assert_eq!((&constant.raw_data, constant.data_location), (&Some(shape.clone()), None));
                continue;
            };
            let entry = |key: &str| {
                constant.external_data.iter().find(|entry| entry.key == key).unwrap().value.as_str()
            };
            let number = |key: &str| entry(key).parse::<usize>().unwrap();
            assert_eq!((entry("location"), number("offset") % 4096), (Export::DATA, 0));
            assert_eq!(data[number("offset")..][..number("length")], expected);
            assert_eq!((&constant.raw_data, constant.data_location), (&None, Some(proto::EXTERNAL)));
        }
    }
}
