//! What a column of a Parquet file holds.

use ::parquet::basic::{ConvertedType, LogicalType, Type as Physical};
use ::parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type};

/// A column, that is a field of the schema's root.
#[derive(Debug, Clone)]
pub(super) struct Column {
    /// The first of the stored columns below it, and its only one if it can be read.
    pub leaf: usize,
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// One value a row.
    Value,
    /// Any number of values a row.
    List,
    /// What cannot be read, in words for a message.
    Unreadable(String),
}

/// The columns of a file, in order.
pub(super) fn columns(schema: &SchemaDescriptor) -> Vec<Column> {
    let mut columns: Vec<Column> = Vec::new();
    for leaf in 0..schema.num_columns() {
        let root = schema.get_column_root(leaf);
        if schema.get_column_root_idx(leaf) == columns.len() {
            columns.push(Column { leaf, content: content(root, &schema.column(leaf)) });
        } else if let Some(Column { content, .. }) = columns.last_mut() {
            *content = Content::Unreadable(group(root).to_owned());
        }
    }
    columns
}

/// What the column `root` holds if `leaf` is all there is below it.
fn content(root: &Type, leaf: &ColumnDescriptor) -> Content {
    let depth = leaf.path().parts().len();
    let listed = matches!(root.get_basic_info().logical_type_ref(), Some(LogicalType::List))
        || root.get_basic_info().converted_type() == ConvertedType::LIST;
    // A list is a group of a repeated group of a value; old writers leave one or both of the groups out.
    let list = leaf.max_rep_level() == 1 && (depth == 1 || (listed && depth <= 3));
    match (unreadable(leaf), list) {
        (_, false) if depth > 1 => Content::Unreadable(group(root).to_owned()),
        (Some(found), _) => Content::Unreadable(found),
        (None, true) => Content::List,
        (None, false) => Content::Value,
    }
}

/// What to call a column of several stored columns.
fn group(root: &Type) -> &'static str {
    match (root.get_basic_info().logical_type_ref(), root.get_basic_info().converted_type()) {
        (Some(LogicalType::Map), _) | (_, ConvertedType::MAP | ConvertedType::MAP_KEY_VALUE) => "a map",
        (Some(LogicalType::List), _) | (_, ConvertedType::LIST) => "a list of more than plain values",
        _ => "a struct",
    }
}

/// The type of stored values that are neither numbers nor texts.
fn unreadable(leaf: &ColumnDescriptor) -> Option<String> {
    let physical = leaf.physical_type();
    let bare = matches!(
        physical,
        Physical::BOOLEAN
            | Physical::INT32
            | Physical::INT64
            | Physical::FLOAT
            | Physical::DOUBLE
            | Physical::BYTE_ARRAY
    );
    match (leaf.logical_type_ref(), leaf.converted_type()) {
        (Some(LogicalType::Decimal { .. }), _) | (_, ConvertedType::DECIMAL) => Some("DECIMAL".to_owned()),
        (Some(LogicalType::Bson), _) | (_, ConvertedType::BSON) => Some("BSON".to_owned()),
        _ if bare => None,
        _ => Some(physical.to_string()),
    }
}

/// Whether whole numbers count from 0, so that the highest bit is no sign.
pub(super) fn unsigned(leaf: &ColumnDescriptor) -> bool {
    let converted = matches!(
        leaf.converted_type(),
        ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64
    );
    converted || matches!(leaf.logical_type_ref(), Some(LogicalType::Integer(int)) if !int.is_signed)
}
