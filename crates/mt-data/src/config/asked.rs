//! Computed columns as a configuration asks for them.

#[cfg(feature = "parquet")]
use mt_features::expression::Expression;
use mt_features::{Computed, Error, FieldConfig, Result};

/// A computed column as a configuration asks for it.
pub(crate) struct Asked {
    /// The configuration key up to `name` and `value`.
    pub key: String,
    pub column: Computed,
    /// Whether it is a field's, not a number.
    pub of_field: bool,
}

/// The computed columns that `data.fields` and `data.numbers` ask for: those of fields first.
pub(crate) fn asked(fields: &[FieldConfig], numbers: &[Computed]) -> Vec<Asked> {
    let fields = fields.iter().enumerate().filter_map(|(i, field)| {
        let (name, value) = (field.name.clone()?, field.value.clone()?);
        Some(Asked { key: format!("data.fields[{i}]"), column: Computed { name, value }, of_field: true })
    });
    let numbers = numbers.iter().cloned().enumerate();
    let numbers =
        numbers.map(|(i, column)| Asked { key: format!("data.numbers[{i}]"), column, of_field: false });
    fields.chain(numbers).collect()
}

/// What stands between the values of a column's lists, where they are written as texts: as fields read them, else as the
/// expression of an input writes it.
#[cfg(feature = "parquet")]
pub(crate) fn separator_of(fields: &[FieldConfig], numbers: &[Computed], column: &str) -> Option<char> {
    let of_expression = |asked: &Asked| {
        let expression = Expression::parse_value(&asked.column.value).ok()?;
        let mention = expression.columns().iter().find(|mention| mention.name == column)?;
        mention.list.flatten()
    };
    let of_fields = mt_features::fields::separator_of(fields, column);
    of_fields.or_else(|| asked(fields, numbers).iter().find_map(of_expression))
}

/// Checks the names of computed columns against each other.
pub(super) fn check(fields: &[FieldConfig], numbers: &[Computed]) -> Result<()> {
    let asked = asked(fields, numbers);
    for (i, Asked { key, column, .. }) in asked.iter().enumerate() {
        let refuse =
            |expected, found: String| Err(Error::Entry { key: format!("{key}.name"), expected, found });
        if column.name.is_empty() {
            return refuse("a name", "\"\"".to_owned());
        }
        if asked[..i].iter().any(|other| other.column.name == column.name) {
            return refuse(
                "another name for each input that is computed",
                format!("{:?} again", column.name),
            );
        }
    }
    Ok(())
}
