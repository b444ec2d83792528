//! What is saved of tables, tensor by tensor, made as it is written: a table of which half of the memory is taken leaves no room for
//! a copy.

use std::io::{Result as IoResult, Write};
use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use safetensors::View;

use crate::shared::Entry;
use crate::storage::Storage;

/// Rows that are copied at once.
const ROWS: usize = 1 << 14;

/// A tensor of what is saved of tables, see [`Embeddings::export`](crate::Embeddings::export).
#[derive(Debug)]
pub struct SavedTensor<'a> {
    /// What it is called.
    pub name: String,
    /// Of which numbers.
    pub dtype: DType,
    /// Its dimensions.
    pub shape: Vec<usize>,
    data: Data<'a>,
}

#[derive(Debug)]
enum Data<'a> {
    Here(Tensor),
    Rows { entry: &'a Entry, places: Arc<Vec<u32>>, what: What },
}

/// What of a table's rows.
#[derive(Debug, Clone, Copy)]
pub(crate) enum What {
    Values,
    /// A part of the optimizer's state of each value.
    Part(usize),
    /// That of each row.
    Sums,
}

impl<'a> SavedTensor<'a> {
    pub(crate) fn here(name: String, tensor: Tensor) -> Self {
        Self { name, dtype: tensor.dtype(), shape: tensor.dims().to_vec(), data: Data::Here(tensor) }
    }

    /// Of the rows at `places`.
    pub(crate) fn rows(name: String, entry: &'a Entry, places: &Arc<Vec<u32>>, what: What) -> Self {
        let (rows, width) = (places.len(), entry.cfg.width);
        let (dtype, shape) = match what {
            What::Values => (entry.cfg.storage.dtype(), vec![rows, width]),
            What::Part(_) => (DType::F32, vec![rows, width]),
            What::Sums => (DType::F32, vec![rows]),
        };
        Self { name, dtype, shape, data: Data::Rows { entry, places: places.clone(), what } }
    }

    /// Writes its numbers, in the order of bytes of safetensors. The table must be as it was when this was made.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn write_to(&self, out: &mut dyn Write) -> IoResult<()> {
        let (entry, places, what) = match &self.data {
            Data::Here(tensor) => return out.write_all(&tensor.data()),
            Data::Rows { entry, places, what } => (entry, places, *what),
        };
        let table = entry.table();
        for places in places.chunks(ROWS) {
            let values = match what {
                What::Values => table.values(places),
                What::Part(part) => table.gather(places, part),
                What::Sums => table.gather_sums(places),
            };
            match (what, entry.cfg.storage) {
                (What::Values, Storage::F16 | Storage::Bf16) => {
                    let values = Tensor::from_vec(values, places.len() * entry.cfg.width, &Device::Cpu);
                    let values = values.and_then(|values| values.to_dtype(self.dtype));
                    out.write_all(&values.map_err(std::io::Error::other)?.data())?;
                }
                // safetensors are little-endian, as are the machines that this is for.
                _ => out.write_all(bytemuck::cast_slice(&values))?,
            }
        }
        Ok(())
    }

    /// All of it.
    ///
    /// # Errors
    /// If there is no such tensor.
    pub fn to_tensor(&self) -> Result<Tensor> {
        if let Data::Here(tensor) = &self.data {
            return Ok(tensor.clone());
        }
        let mut bytes = Vec::with_capacity(self.shape.iter().product::<usize>() * self.dtype.size_in_bytes());
        self.write_to(&mut bytes)?;
        Tensor::from_raw_buffer(&bytes, self.dtype, &self.shape, &Device::Cpu)
    }
}
