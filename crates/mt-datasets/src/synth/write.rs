//! The generator's rows as text.

use std::io::{self, Write};

use super::config::{SynthConfig, TASKS, column_names};
use super::rows;
use super::world::World;
use crate::error::{Error, Result};

/// Rows made at once: what is written may be more than memory holds.
const AT_ONCE: usize = 1 << 16;

/// Writes the generator's rows to `to`, with a header: labels, then features. The text of a number reads back
/// as the very same number.
///
/// # Errors
/// [`Error::Setting`] for settings out of range, [`Error::Write`].
pub fn write_csv(config: &SynthConfig, to: &mut impl Write) -> Result<()> {
    config.check()?;
    write(config, to).map_err(|source| Error::Write { what: "the rows", source })
}

fn write(config: &SynthConfig, to: &mut impl Write) -> io::Result<()> {
    let (world, width) = (World::new(config), config.width());
    writeln!(to, "{}", column_names(config).join(","))?;
    for first in (0..config.rows).step_by(AT_ONCE) {
        let rows = rows(&world, width, first..(first + AT_ONCE).min(config.rows));
        for (labels, values) in rows.labels.chunks_exact(TASKS.len()).zip(rows.values.chunks_exact(width)) {
            for (i, value) in labels.iter().chain(values).enumerate() {
                let comma = if i > 0 { "," } else { "" };
                write!(to, "{comma}{value}")?;
            }
            to.write_all(b"\n")?;
        }
    }
    to.flush()
}
