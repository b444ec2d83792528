//! The columns of a network's input, found by name in another network's.

use candle_core::{DType, Device, Tensor};
use mt_bundle::Signature;
use mt_features::Schema;
use mt_models::{InputRows, Inputs, ModelConfig};
use serde::Serialize;
use std::collections::BTreeMap;

use crate::error::Result;

/// The inputs of a model that began from another, field by field and number by number.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TakenInputs {
    /// Inputs whose rows of first layers go on.
    pub known: usize,
    /// Those of them that are at another place there.
    pub moved: usize,
    /// Numeric inputs that are scaled as there.
    pub scaled: usize,
    /// Inputs that are not there, or are fields of another width there: their rows start fresh.
    pub fresh: Vec<String>,
    /// Inputs that are there and not here.
    pub unexpected: Vec<String>,
}

/// Where each column of the input here is in that of another model.
pub(crate) struct InputMap {
    columns: Vec<Option<u32>>,
    here: BTreeMap<String, InputRows>,
    there: BTreeMap<String, InputRows>,
    pub report: TakenInputs,
}

/// A network and what it reads.
struct Side<'a> {
    inputs: Inputs,
    schema: &'a Schema,
}

impl<'a> Side<'a> {
    fn new(model: &ModelConfig, schema: &'a Schema) -> Result<Self> {
        Ok(Self { inputs: model.inputs(schema)?, schema })
    }

    /// Inputs with their columns; a field and a number may have one name.
    fn named(&self) -> impl Iterator<Item = ((bool, &str), std::ops::Range<usize>)> {
        let fields = self.schema.fields.len();
        let named = self.inputs.named().iter().enumerate();
        named.map(move |(i, (name, columns))| ((i < fields, name.as_str()), columns.clone()))
    }
}

impl InputMap {
    /// Between the model of `here` and that of `there`.
    pub fn new(here: &Signature, there: &Signature) -> Result<Self> {
        let (ours, theirs) = (Side::new(&here.model, &here.schema)?, Side::new(&there.model, &there.schema)?);
        let known: BTreeMap<_, _> = theirs.named().collect();
        let mut columns = vec![None; ours.inputs.width()];
        let mut report = TakenInputs::default();
        for (name, own) in ours.named() {
            match known.get(&name) {
                Some(other) if other.len() == own.len() => {
                    report.known += 1;
                    report.moved += usize::from(other.start != own.start);
                    own.zip(other.clone()).for_each(|(column, other)| columns[column] = Some(other as u32));
                }
                _ => report.fresh.push(name.1.to_owned()),
            }
        }
        let ours_by_name: BTreeMap<_, _> = ours.named().collect();
        let lost = theirs.named().filter(|(name, _)| !ours_by_name.contains_key(name));
        report.unexpected = lost.map(|((_, name), _)| name.to_owned()).collect();
        let scaling = |s: &Signature, i: usize| s.normalizer.columns.get(i).copied();
        let same = |(i, name): &(usize, &String)| {
            let other = there.schema.numeric.iter().position(|own| own == *name);
            // What missing cells are filled with is no part of the scale.
            let scale = |s: mt_features::Scaling| (s.log1p, s.base, s.shift, s.scale);
            other.is_some_and(|other| scaling(here, *i).map(scale) == scaling(there, other).map(scale))
        };
        report.scaled = here.schema.numeric.iter().enumerate().filter(same).count();
        let rows = |signature: &Signature, inputs: &Inputs| {
            signature.model.input_rows(inputs, &signature.schema.heads())
        };
        let (here, there) = (rows(here, &ours.inputs)?, rows(there, &theirs.inputs)?);
        Ok(Self { columns, here, there, report })
    }

    /// Whether rows of the parameter `name` here belong to inputs.
    pub fn reads(&self, name: &str) -> bool {
        self.here.contains_key(name)
    }

    /// The tensor `there` of the other model's parameter `other` as one of the parameter `name` here, rows by the names of
    /// their inputs; those of inputs that are not there are the rows of `fresh`, which has the shape it has here. `None` where
    /// the two do not fit otherwise, or have no input in common.
    pub fn tensor(&self, name: &str, other: &str, there: &Tensor, fresh: &Tensor) -> Result<Option<Tensor>> {
        let (Some(ours), Some(theirs)) = (self.here.get(name), self.there.get(other)) else {
            return Ok(None);
        };
        let axis = ours.axis;
        let fits = (there.rank() == fresh.rank())
            && (0..fresh.rank()).all(|i| i == axis || fresh.dims()[i] == there.dims()[i]);
        if (theirs.axis, theirs.start) != (axis, ours.start) || !fits {
            return Ok(None);
        }
        let (length, mut common) = (there.dims()[axis], false);
        let of_row = |(row, &column): (usize, &u32)| {
            let place =
                self.columns[column as usize].and_then(|column| theirs.columns.binary_search(&column).ok());
            common |= place.is_some();
            match place {
                Some(place) => (theirs.start + place) as u32,
                None => (length + ours.start + row) as u32,
            }
        };
        // Rows of what stages append are taken over where there are as many.
        let behind = |length: usize, rows: &InputRows| length - rows.start - rows.columns.len();
        let (own, others) = (behind(fresh.dims()[axis], ours), behind(length, theirs));
        let first = if own == others { length - own } else { length + fresh.dims()[axis] - own };
        let columns = ours.columns.iter().enumerate().map(of_row);
        let rows: Vec<u32> =
            (0..ours.start as u32).chain(columns).chain((first..first + own).map(|row| row as u32)).collect();
        if !common {
            return Ok(None);
        }
        if rows.len() == length && rows.iter().enumerate().all(|(row, &from)| row == from as usize) {
            return Ok(Some(there.clone()));
        }
        let fresh = fresh.to_device(&Device::Cpu)?.to_dtype(there.dtype())?;
        let both = Tensor::cat(&[there, &fresh], axis)?;
        Ok(Some(both.index_select(&Tensor::new(rows, &Device::Cpu)?, axis)?))
    }

    /// As [`InputMap::tensor`], of an optimizer's state: rows of inputs that are not there begin with nothing.
    pub fn state(&self, name: &str, other: &str, there: &Tensor, shape: &[usize]) -> Result<Option<Tensor>> {
        self.tensor(name, other, there, &Tensor::zeros(shape, DType::F32, &Device::Cpu)?)
    }
}
