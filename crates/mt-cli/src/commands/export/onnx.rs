//! `mt export --format onnx`.

use std::path::Path;

use anyhow::{Context, Result};
use mt_models::Registry;
use mt_onnx::Export;
use serde_json::json;

use crate::args::{ExportArgs, FormatArg, Usage};
use crate::print;
use crate::report::{Grid, thousands};

pub fn run(args: &ExportArgs, checkpoint: &Path, registry: Registry) -> Result<()> {
    let tables = match args.tables.unwrap_or(FormatArg::F32) {
        FormatArg::F32 => true,
        FormatArg::None => false,
        FormatArg::F16 | FormatArg::Bf16 | FormatArg::Int8 => {
            return Err(Usage("--tables: an ONNX file has them in f32, or none".into()).into());
        }
    };
    Export { model: checkpoint, tables, registry }.write(&args.out)?;
    let mut files = Vec::new();
    for name in [Export::FILE, Export::DATA, Export::ENCODERS] {
        let path = args.out.join(name);
        if path.exists() {
            let bytes = path.metadata().with_context(|| format!("cannot read {}", path.display()))?.len();
            files.push((name, bytes));
        }
    }
    if args.json {
        let files: serde_json::Map<_, _> =
            files.into_iter().map(|(name, bytes)| (name.to_owned(), bytes.into())).collect();
        return print::line(json!({ "onnx": args.out, "files": files }));
    }
    let mut grid = Grid::new(["file", "bytes"]);
    grid.rows.extend(files.iter().map(|(name, bytes)| vec![(*name).to_owned(), thousands(*bytes as usize)]));
    print::line(format_args!("onnx {}\n{}", args.out.display(), grid.text()))
}
