//! The generator's rows as a text file.

use std::io::Write;
use std::path::Path;

use super::{SynthConfig, column_names, generate};
use crate::error::Result;
use crate::writer::Output;

/// Writes the generator's rows to `path`, with a header: labels, then features. The text of a number reads back
/// as the very same number. Returns the number of rows.
///
/// # Errors
/// Settings out of range, or a file that cannot be written.
pub fn write_csv(config: &SynthConfig, path: &Path) -> Result<usize> {
    let table = generate(config)?.table.into_batch();
    let mut output = Output::create(path)?;
    let features = table.numeric.to_dense();
    output.write(|file| {
        writeln!(file, "{}", column_names(config).join(","))?;
        for (row, labels) in table.labels.chunks_exact(table.tasks).enumerate() {
            for (i, value) in labels.iter().chain(features.row(row)).enumerate() {
                let comma = if i > 0 { "," } else { "" };
                write!(file, "{comma}{value}")?;
            }
            file.write_all(b"\n")?;
        }
        Ok(())
    })?;
    output.finish()?;
    Ok(config.rows)
}
