//! Files of tensors, written piece by piece, with their checksum.

use std::io::{self, Write};
use std::path::Path;

use candle_core::{DType, Tensor};
use mt_tables::SavedTensor;
use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, View};

use crate::contents::Contents;
use crate::disk::write_with;
use crate::error::{Error, Result};

/// A tensor that is written to a file.
#[derive(Debug)]
#[non_exhaustive]
pub enum Stored<'a> {
    /// One that is in memory.
    Tensor(Tensor),
    /// One of embedding tables.
    Saved(SavedTensor<'a>),
}

impl Stored<'_> {
    fn info(&self) -> (DType, &[usize]) {
        match self {
            Self::Tensor(tensor) => (tensor.dtype(), tensor.dims()),
            Self::Saved(saved) => (saved.dtype, &saved.shape),
        }
    }

    fn write_to(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Self::Tensor(tensor) => out.write_all(&tensor.data()),
            Self::Saved(saved) => saved.write_to(out),
        }
    }
}

/// The format of the files.
const FORMAT: u32 = 1;

/// Writes tensors by name as safetensors, those of wider numbers first, as [`safetensors::serialize`] does; memory is taken for one
/// tensor of [`Stored::Tensor`] at a time. Comes out what the file holds.
///
/// # Errors
/// [`Error::Io`] if the file cannot be written; an older one stays as it was.
pub fn write_tensors<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (String, Stored<'a>)>,
) -> Result<Contents> {
    let mut tensors: Vec<(Dtype, String, Stored)> =
        tensors.into_iter().map(|(name, stored)| (stored.info().0.into(), name, stored)).collect();
    tensors.sort_by(|(a, one, _), (b, other, _)| b.cmp(a).then(one.cmp(other)));
    let place = |end: &mut usize, (dtype, name, stored): &(Dtype, String, Stored)| {
        let (own, shape) = stored.info();
        let begin = *end;
        *end += shape.iter().product::<usize>() * own.size_in_bytes();
        Some((name.clone(), TensorInfo { dtype: *dtype, shape: shape.to_vec(), data_offsets: (begin, *end) }))
    };
    let infos = tensors.iter().scan(0, place).collect();
    // A single metadata key: with more, they would be written in random order.
    let format = serde_json::json!({ "format": FORMAT }).to_string();
    let fail = |problem: String| Error::File { path: path.to_owned(), problem };
    let header = Metadata::new(Some([("mt".to_owned(), format)].into()), infos);
    let header = serde_json::to_string(&header.map_err(|error| fail(error.to_string()))?);
    let mut header = header.map_err(|error| fail(error.to_string()))?.into_bytes();
    header.resize(header.len().next_multiple_of(size_of::<u64>()), b' ');
    write_with(path, |file| {
        Contents::written(file, |out| {
            out.write_all(&(header.len() as u64).to_le_bytes())?;
            out.write_all(&header)?;
            tensors.iter().try_for_each(|(_, _, stored)| stored.write_to(out))
        })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use candle_core::Device;

    use super::*;

    #[test]
    fn the_bytes_are_those_of_safetensors() {
        let floats =
            Tensor::arange(0f32, 35.0, &Device::Cpu).and_then(|t| t.reshape((5, 7))).expect("a tensor");
        let tensors: BTreeMap<String, Tensor> = [
            ("b.values".to_owned(), floats.to_dtype(DType::BF16).expect("rounded")),
            ("a.values".to_owned(), floats.clone()),
            ("a.ids".to_owned(), Tensor::new(&[3u32, 4, 5], &Device::Cpu).expect("a tensor")),
            ("z".to_owned(), Tensor::new(&[7i64], &Device::Cpu).expect("a tensor")),
            ("none".to_owned(), Tensor::zeros((0, 4), DType::F32, &Device::Cpu).expect("a tensor")),
        ]
        .into();
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("t.safetensors");
        let stored = tensors.iter().map(|(name, tensor)| (name.clone(), Stored::Tensor(tensor.clone())));
        let contents = write_tensors(&path, stored).expect("written");
        assert_eq!(contents, Contents::of(&path).expect("a file"));
        let metadata = Some([("mt".to_owned(), "{\"format\":1}".to_owned())].into());
        let expected = safetensors::serialize(tensors.iter(), metadata).expect("bytes");
        assert!(std::fs::read(&path).expect("a file") == expected);
    }
}
