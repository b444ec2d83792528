//! Input tensors, as JSON or binary.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};

use crate::cell::Cell;
use crate::fault::Fault;

/// One column of a request.
#[derive(serde::Deserialize)]
pub(super) struct Tensor<'a> {
    pub name: String,
    shape: Vec<usize>,
    datatype: String,
    #[serde(default)]
    parameters: Parameters,
    #[serde(borrow, default)]
    data: Option<Data<'a>>,
}

#[derive(Default, serde::Deserialize)]
struct Parameters {
    binary_data_size: Option<usize>,
}

/// Values in order, however they are nested.
struct Data<'a>(Vec<Cell<'a>>);

/// The types that columns can have.
const TYPES: &str = "BOOL, INT8, INT16, INT32, INT64, UINT8, UINT16, UINT32, UINT64, FP32, FP64, BYTES";

impl<'a> Tensor<'a> {
    /// Rows it has.
    pub fn rows(&self) -> Result<usize, Fault> {
        match self.shape[..] {
            [rows] | [rows, _] => Ok(rows),
            _ => Err(self.bad(format!("expected shape [rows] or [rows, values], found {:?}", self.shape))),
        }
    }

    fn bad(&self, problem: impl fmt::Display) -> Fault {
        Fault::bad(format!("input {:?}: {problem}", self.name))
    }

    /// A value a row. Binary data is taken off the front of `binary`.
    pub fn cells(mut self, binary: &mut &'a [u8]) -> Result<Vec<Cell<'a>>, Fault> {
        let rows = self.rows()?;
        let values = match (self.data.take(), self.parameters.binary_data_size) {
            (Some(Data(values)), None) => {
                self.check(&values)?;
                values
            }
            (None, Some(bytes)) => {
                let Some((own, rest)) = binary.split_at_checked(bytes) else {
                    return Err(
                        self.bad(format!("expected {bytes} bytes of binary data, found {}", binary.len()))
                    );
                };
                *binary = rest;
                self.decode(own)?
            }
            _ => return Err(self.bad("expected either data or binary_data_size")),
        };
        let width = self.shape.get(1).copied();
        let expected = rows.checked_mul(width.unwrap_or(1));
        if expected != Some(values.len()) {
            return Err(self.bad(format!("shape {:?} does not fit {} values", self.shape, values.len())));
        }
        Ok(match width {
            None | Some(1) => values,
            Some(0) => vec![Cell::List(Vec::new()); rows],
            Some(width) => {
                let mut values = values.into_iter();
                (0..rows).map(|_| Cell::List(values.by_ref().take(width).collect())).collect()
            }
        })
    }

    /// Whether JSON values are of the type that is claimed.
    fn check(&self, values: &[Cell<'_>]) -> Result<(), Fault> {
        let datatype = self.datatype.as_str();
        let fits = |cell: &Cell<'_>| match (datatype, cell) {
            (_, Cell::Missing) | ("BYTES", Cell::Text(_)) | ("FP32" | "FP64", Cell::Number(_)) => true,
            (kind, Cell::Unsigned(_) | Cell::Integer(_)) => kind != "BYTES",
            _ => false,
        };
        if !TYPES.split(", ").any(|known| known == datatype) {
            return Err(self.bad(format!("datatype {datatype:?} is none of {TYPES}")));
        }
        match values.iter().position(|cell| !fits(cell)) {
            None => Ok(()),
            Some(at) => Err(self.bad(format!("value {at} is no {datatype}"))),
        }
    }

    fn decode(&self, bytes: &'a [u8]) -> Result<Vec<Cell<'a>>, Fault> {
        let cells = match self.datatype.as_str() {
            "BOOL" => numbers(bytes, |[x]| Cell::Unsigned((x != 0).into())),
            "INT8" => numbers(bytes, |x| Cell::Integer(i8::from_le_bytes(x).into())),
            "INT16" => numbers(bytes, |x| Cell::Integer(i16::from_le_bytes(x).into())),
            "INT32" => numbers(bytes, |x| Cell::Integer(i32::from_le_bytes(x).into())),
            "INT64" => numbers(bytes, |x| Cell::Integer(i64::from_le_bytes(x))),
            "UINT8" => numbers(bytes, |x| Cell::Unsigned(u8::from_le_bytes(x).into())),
            "UINT16" => numbers(bytes, |x| Cell::Unsigned(u16::from_le_bytes(x).into())),
            "UINT32" => numbers(bytes, |x| Cell::Unsigned(u32::from_le_bytes(x).into())),
            "UINT64" => numbers(bytes, |x| Cell::Unsigned(u64::from_le_bytes(x))),
            "FP32" => numbers(bytes, |x| Cell::Single(f32::from_le_bytes(x))),
            "FP64" => numbers(bytes, |x| Cell::Number(f64::from_le_bytes(x))),
            "BYTES" => texts(bytes),
            other => return Err(self.bad(format!("datatype {other:?} is none of {TYPES}"))),
        };
        cells.ok_or_else(|| {
            self.bad(format!("{} bytes are no whole number of {}", bytes.len(), self.datatype))
        })
    }
}

fn numbers<'a, const N: usize>(bytes: &[u8], cell: impl Fn([u8; N]) -> Cell<'a>) -> Option<Vec<Cell<'a>>> {
    let (numbers, rest) = bytes.as_chunks();
    rest.is_empty().then(|| numbers.iter().map(|number| cell(*number)).collect())
}

/// Texts, each behind its length in 4 bytes.
fn texts(mut bytes: &[u8]) -> Option<Vec<Cell<'_>>> {
    let mut cells = Vec::new();
    while !bytes.is_empty() {
        let (length, rest) = bytes.split_first_chunk()?;
        let (text, rest) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        cells.push(Cell::Text(Cow::Borrowed(text)));
        bytes = rest;
    }
    Some(cells)
}

impl<'de: 'a, 'a> Deserialize<'de> for Data<'a> {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct DataVisitor;
        impl<'de> Visitor<'de> for DataVisitor {
            type Value = Data<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of values, or of lists of values")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut values = Vec::new();
                while let Some(cell) = items.next_element()? {
                    match cell {
                        Cell::List(row) => values.extend(row),
                        value => values.push(value),
                    }
                }
                Ok(Data(values))
            }
        }
        json.deserialize_seq(DataVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binary_texts_are_read_and_broken_ones_refused() {
        let good = b"\x02\0\0\0ab\0\0\0\0";
        assert_eq!(texts(good).map(|cells| cells.len()), Some(2));
        for end in [1, 3, 5, 7, 9] {
            assert_eq!(texts(&good[..end]), None, "{end}");
        }
        assert_eq!(texts(b"\xff\xff\xff\xffab"), None);
    }
}
