//! Typed columns, as Parquet files and Arrow's arrays have them.

use std::ops::Range;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type,
    Float16Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType,
    Time32SecondType, Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int64Array, UInt64Array,
};
use arrow_buffer::{NullBuffer, ScalarBuffer};
use arrow_schema::{DataType, TimeUnit};
use mt_features::{Unit, Value, number::narrow};

/// The values of one column. Numbers are as wide as they come; times are whole numbers in the column's own unit.
#[derive(Debug)]
pub(super) enum Typed {
    /// True is 1 and false is 0.
    Flags(BooleanArray),
    Signed(Int64Array),
    Unsigned(UInt64Array),
    Single(Float32Array),
    Double(Float64Array),
    Text(BinaryArray),
    /// Each value is one of a few.
    Coded {
        codes: Codes,
        values: Box<Typed>,
    },
    /// Several values a row, all rows' one after the other.
    List {
        lists: Lists,
        values: Box<Typed>,
    },
}

/// The codes of a dictionary.
#[derive(Debug)]
pub(super) struct Codes {
    codes: ScalarBuffer<i32>,
    nulls: Option<NullBuffer>,
}

impl Codes {
    /// The code of a row, if it has a value.
    #[inline]
    pub fn code(&self, row: usize) -> Option<usize> {
        let there = self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        there.then(|| self.codes[row] as usize)
    }
}

/// Where the values of each row are.
#[derive(Debug)]
pub(super) struct Lists {
    offsets: ScalarBuffer<i32>,
    nulls: Option<NullBuffer>,
}

impl Lists {
    /// The values of a row, if it has a list.
    #[inline]
    pub fn range(&self, row: usize) -> Option<Range<usize>> {
        let there = self.nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row));
        there.then(|| self.offsets[row] as usize..self.offsets[row + 1] as usize)
    }
}

impl Typed {
    /// The values of an array; a type that has none is an error, and says what it is.
    pub fn new(array: &ArrayRef) -> Result<Self, String> {
        fn whole<T: ArrowPrimitiveType>(array: &ArrayRef) -> Typed
        where
            T::Native: Into<i64>,
        {
            let array = array.as_primitive::<T>();
            let values = array.values().iter().map(|&x| x.into()).collect();
            Typed::Signed(Int64Array::new(values, array.nulls().cloned()))
        }
        fn natural<T: ArrowPrimitiveType>(array: &ArrayRef) -> Typed
        where
            T::Native: Into<u64>,
        {
            let array = array.as_primitive::<T>();
            let values = array.values().iter().map(|&x| x.into()).collect();
            Typed::Unsigned(UInt64Array::new(values, array.nulls().cloned()))
        }
        // Without a copy.
        fn long<T: ArrowPrimitiveType<Native = i64>>(array: &ArrayRef) -> Typed {
            let array = array.as_primitive::<T>();
            Typed::Signed(Int64Array::new(array.values().clone(), array.nulls().cloned()))
        }
        Ok(match array.data_type() {
            DataType::Boolean => Typed::Flags(array.as_boolean().clone()),
            DataType::Int8 => whole::<Int8Type>(array),
            DataType::Int16 => whole::<Int16Type>(array),
            DataType::Int32 => whole::<Int32Type>(array),
            DataType::Int64 => long::<Int64Type>(array),
            DataType::UInt8 => natural::<UInt8Type>(array),
            DataType::UInt16 => natural::<UInt16Type>(array),
            DataType::UInt32 => natural::<UInt32Type>(array),
            DataType::UInt64 => Typed::Unsigned(array.as_primitive::<UInt64Type>().clone()),
            DataType::Date32 => whole::<Date32Type>(array),
            DataType::Date64 => long::<Date64Type>(array),
            DataType::Time32(TimeUnit::Second) => whole::<Time32SecondType>(array),
            DataType::Time32(_) => whole::<Time32MillisecondType>(array),
            DataType::Time64(TimeUnit::Microsecond) => long::<Time64MicrosecondType>(array),
            DataType::Time64(_) => long::<Time64NanosecondType>(array),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => long::<TimestampSecondType>(array),
                TimeUnit::Millisecond => long::<TimestampMillisecondType>(array),
                TimeUnit::Microsecond => long::<TimestampMicrosecondType>(array),
                TimeUnit::Nanosecond => long::<TimestampNanosecondType>(array),
            },
            DataType::Float16 => {
                let array = array.as_primitive::<Float16Type>();
                let values = array.values().iter().map(|x| x.to_f32()).collect();
                Typed::Single(Float32Array::new(values, array.nulls().cloned()))
            }
            DataType::Float32 => Typed::Single(array.as_primitive::<Float32Type>().clone()),
            DataType::Float64 => Typed::Double(array.as_primitive::<Float64Type>().clone()),
            DataType::Decimal32(..) => decimals::<Decimal32Type>(array),
            DataType::Decimal64(..) => decimals::<Decimal64Type>(array),
            DataType::Decimal128(..) => decimals::<Decimal128Type>(array),
            DataType::Decimal256(..) => decimals::<Decimal256Type>(array),
            DataType::Utf8 => Typed::Text(array.as_string::<i32>().clone().into()),
            DataType::Binary => Typed::Text(array.as_binary::<i32>().clone()),
            DataType::LargeUtf8 => Typed::Text(array.as_string::<i64>().iter().collect_bytes()),
            DataType::LargeBinary => Typed::Text(array.as_binary::<i64>().iter().collect_bytes()),
            DataType::Utf8View => Typed::Text(array.as_string_view().iter().collect_bytes()),
            DataType::BinaryView => Typed::Text(array.as_binary_view().iter().collect_bytes()),
            DataType::FixedSizeBinary(_) => Typed::Text(array.as_fixed_size_binary().iter().collect_bytes()),
            DataType::Dictionary(..) => {
                let array = array.as_any_dictionary();
                let codes = match array.keys().as_primitive_opt::<Int32Type>() {
                    Some(keys) => keys.values().clone(),
                    // So many values that their codes are wider have no dictionary.
                    None => array.normalized_keys().into_iter().map(|code| code as i32).collect(),
                };
                let codes = Codes { codes, nulls: array.keys().nulls().cloned() };
                Typed::Coded { codes, values: Box::new(Typed::new(array.values())?) }
            }
            DataType::List(_) => {
                let array = array.as_list::<i32>();
                list(array.offsets(), array.values(), array.nulls())?
            }
            DataType::LargeList(_) => {
                let array = array.as_list::<i64>();
                list(array.offsets(), array.values(), array.nulls())?
            }
            DataType::FixedSizeList(_, length) => {
                let array = array.as_fixed_size_list();
                let length = i64::from(*length);
                let offsets: Vec<i64> = (0..=array.len() as i64).map(|row| row * length).collect();
                list(&offsets, array.values(), array.nulls())?
            }
            DataType::Map(..) => return Err("a map".to_owned()),
            DataType::Struct(_) => return Err("a struct".to_owned()),
            other => return Err(other.to_string()),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Typed::Flags(array) => array.len(),
            Typed::Signed(array) => array.len(),
            Typed::Unsigned(array) => array.len(),
            Typed::Single(array) => array.len(),
            Typed::Double(array) => array.len(),
            Typed::Text(array) => array.len(),
            Typed::Coded { codes, .. } => codes.codes.len(),
            Typed::List { lists, .. } => lists.offsets.len().saturating_sub(1),
        }
    }

    /// The value of a row; of lists it is never there. What is not a number is the text "NaN", as a text file would have it.
    #[inline]
    pub fn value(&self, row: usize) -> Value<'_> {
        let there = |nulls: Option<&NullBuffer>| nulls.is_none_or(|nulls| nulls.is_valid(row));
        match self {
            Typed::Flags(array) if there(array.nulls()) => Value::Unsigned(array.value(row).into()),
            Typed::Signed(array) if there(array.nulls()) => Value::Integer(array.value(row)),
            Typed::Unsigned(array) if there(array.nulls()) => Value::Unsigned(array.value(row)),
            Typed::Single(array) if there(array.nulls()) => match array.value(row) {
                x if x.is_nan() => Value::Text(b"NaN"),
                x => Value::Single(x),
            },
            Typed::Double(array) if there(array.nulls()) => match array.value(row) {
                x if x.is_nan() => Value::Text(b"NaN"),
                x => Value::Number(x),
            },
            Typed::Text(array) if there(array.nulls()) => Value::Text(array.value(row).trim_ascii()),
            Typed::Coded { codes, values } => {
                codes.code(row).map_or(Value::Missing, |code| values.value(code))
            }
            _ => Value::Missing,
        }
    }

    /// All of them as numbers, where each is there and finite.
    pub fn plain_numbers(&self) -> Option<Vec<f32>> {
        fn all<T: Copy>(values: &[T], nulls: Option<&NullBuffer>, of: impl Fn(T) -> f32) -> Option<Vec<f32>> {
            let whole = nulls.is_none_or(|nulls| nulls.null_count() == 0);
            let numbers: Vec<f32> = whole.then(|| values.iter().map(|&x| of(x)).collect())?;
            numbers.iter().all(|x| x.is_finite()).then_some(numbers)
        }
        match self {
            Typed::Signed(array) => all(array.values(), array.nulls(), |x| x as f32),
            Typed::Unsigned(array) => all(array.values(), array.nulls(), |x| x as f32),
            Typed::Single(array) => all(array.values(), array.nulls(), |x| x),
            Typed::Double(array) => all(array.values(), array.nulls(), narrow),
            _ => None,
        }
    }
}

/// Lists that hold the values between each two offsets.
fn list<T: Copy + Into<i64>>(
    offsets: &[T],
    values: &ArrayRef,
    nulls: Option<&NullBuffer>,
) -> Result<Typed, String> {
    let first = offsets.first().map_or(0, |&first| first.into());
    let from_first: Result<Vec<i32>, _> =
        offsets.iter().map(|&at| i32::try_from(at.into() - first)).collect();
    let offsets = from_first.map_err(|_| "lists of more than 2,147,483,647 values in a batch".to_owned())?;
    let length = offsets.last().map_or(0, |&last| last as usize);
    match Typed::new(&values.slice(first as usize, length))? {
        Typed::List { .. } => Err("a list of more than plain values".to_owned()),
        values => {
            let lists = Lists { offsets: offsets.into(), nulls: nulls.cloned() };
            Ok(Typed::List { lists, values: Box::new(values) })
        }
    }
}

/// In what a column of this type counts time, if it does.
pub(super) fn unit(stored: &DataType) -> Option<Unit> {
    match stored {
        DataType::Date32 => Some(Unit::Days),
        DataType::Timestamp(TimeUnit::Second, _) => Some(Unit::Seconds),
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => Some(Unit::Milliseconds),
        DataType::Timestamp(TimeUnit::Microsecond, _) => Some(Unit::Microseconds),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => Some(Unit::Nanoseconds),
        _ => None,
    }
}

/// Decimals by their digits, which no binary number has.
fn decimals<T: arrow_array::types::DecimalType>(array: &ArrayRef) -> Typed {
    let array = array.as_primitive::<T>();
    let text = |row: usize| array.is_valid(row).then(|| array.value_as_string(row));
    Typed::Text((0..array.len()).map(text).collect_bytes())
}

/// Texts one after the other.
trait CollectBytes {
    fn collect_bytes(self) -> BinaryArray;
}

impl<T: AsRef<[u8]>, I: Iterator<Item = Option<T>>> CollectBytes for I {
    fn collect_bytes(self) -> BinaryArray {
        self.collect()
    }
}
