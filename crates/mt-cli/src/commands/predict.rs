//! `mt predict`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use mt_data::{Labels, Paths, Table, Task, TaskKind};
use mt_models::Predictor;
use rayon::prelude::*;

use crate::args::PredictArgs;
use crate::{device, source};

pub fn run(args: &PredictArgs) -> Result<()> {
    let device = device::device(&args.device.device)?;
    let (cfg, dir) = source::model(&args.model, &args.checkpoint, "mt predict")?;
    let predictor = Predictor::load(&dir, &device)?;
    let paths = Paths(vec![args.input.clone()]);
    let reader = source::reader(&cfg, predictor.signature(), paths, Labels::Optional)?;
    match &args.output {
        None => write(&predictor, reader, &mut std::io::stdout().lock()),
        Some(path) => write_file(&predictor, reader, path),
    }
}

/// Writes to a temporary name first: a failure in the middle leaves no half file. What is no plain file, such as
/// `/dev/stdout`, is written to as it is: a rename would put a file in its place.
fn write_file(predictor: &Predictor, reader: mt_data::TableReader, path: &Path) -> Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    if path.metadata().is_ok_and(|metadata| !metadata.is_file()) {
        let file = File::options().write(true).open(path).with_context(cannot)?;
        return write(predictor, reader, &mut BufWriter::new(file));
    }
    let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let partial = path.with_file_name(format!(".{name}.partial"));
    let written = File::create(&partial).with_context(cannot).and_then(|file| {
        let mut out = BufWriter::new(file);
        write(predictor, reader, &mut out)?;
        out.into_inner()
            .map_err(std::io::IntoInnerError::into_error)
            .and_then(|file| file.sync_all())
            .with_context(cannot)
    });
    let renamed = written.and_then(|()| std::fs::rename(&partial, path).with_context(cannot));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    renamed
}

fn write(predictor: &Predictor, mut reader: mt_data::TableReader, out: &mut dyn Write) -> Result<()> {
    let header: Vec<String> = predictor.signature().schema.tasks.iter().flat_map(columns).collect();
    let cannot = "cannot write the predictions";
    writeln!(out, "{}", header.join(",")).context(cannot)?;
    loop {
        let blocks: Vec<Table> = reader.by_ref().take(BLOCKS).collect::<Result<_, _>>()?;
        if blocks.is_empty() {
            break;
        }
        for text in lines(predictor, &blocks)? {
            out.write_all(&text).context(cannot)?;
        }
    }
    source::report_skipped(reader.skipped());
    out.flush().context(cannot)
}

/// What a task's predictions are called: its name, of a multiclass task with the class behind it.
fn columns(task: &Task) -> Vec<String> {
    match task.kind {
        TaskKind::Multiclass { classes } => (0..classes).map(|c| format!("{}.{c}", task.name)).collect(),
        _ => vec![task.name.clone()],
    }
}

/// Blocks of text predicted at once: a single one, 1 MiB, has too few rows of a wide file to keep all threads busy.
const BLOCKS: usize = 16;

/// Rows a task of the parallel loop predicts and prints.
const ROWS: usize = 512;

/// The lines of consecutive tables, in order.
fn lines(predictor: &Predictor, tables: &[Table]) -> Result<Vec<Vec<u8>>> {
    let width = predictor.width();
    let starts = |table: &Table| (0..table.len()).step_by(ROWS);
    let chunks: Vec<_> =
        tables.iter().flat_map(|table| starts(table).map(move |start| (table, start))).collect();
    let chunk = |&(table, start): &(&Table, usize)| -> Result<Vec<u8>> {
        let batch = table.slice(start..(start + ROWS).min(table.len()));
        let predictions = predictor.predict(batch.numeric, batch.fields)?;
        // "0.12345678," and a little more for the smallest.
        let mut text = Vec::with_capacity(predictions.len() * 14);
        for row in predictions.chunks_exact(width) {
            for (i, prediction) in row.iter().enumerate() {
                if i > 0 {
                    text.push(b',');
                }
                write!(text, "{prediction}")?;
            }
            text.push(b'\n');
        }
        Ok(text)
    };
    chunks.par_iter().map(chunk).collect()
}
