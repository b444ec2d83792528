//! Which files become which output.

use std::path::{Path, PathBuf};

use anyhow::Result;
use mt_data::{FileFormat, Paths, Storage};

use crate::args::Usage;

/// Extensions that the name of a part does not have before its own.
const EXTENSIONS: [&str; 8] = ["csv", "tsv", "txt", "parquet", "arrow", "arrows", "feather", "ipc"];

/// Where predictions go.
pub enum Target {
    File(Part),
    /// A part for each input file.
    Folder {
        folder: PathBuf,
        parts: Vec<Part>,
    },
}

/// An output file.
pub struct Part {
    /// What it is made of.
    pub inputs: Vec<PathBuf>,
    pub output: PathBuf,
    /// Its path within the folder of all.
    pub name: String,
    pub format: FileFormat,
}

impl Part {
    /// Bytes of the files that it is made of.
    pub fn input_bytes(&self) -> Result<u64> {
        let storage = Storage::default();
        self.inputs.iter().map(|path| Ok(storage.version(path)?.unwrap_or_default().bytes)).sum()
    }
}

/// What `output` stands for, and what becomes of each file of `inputs`.
pub fn plan(inputs: &[String], output: &Path, format: Option<FileFormat>) -> Result<Target> {
    let files = Storage::default().expand(&Paths(inputs.to_vec()))?;
    let target = if is_folder(&files, inputs, output) {
        let part = |input: &PathBuf| part(input, output, format);
        let parts: Vec<Part> = files.iter().map(part).collect::<Result<_>>()?;
        for (second, part) in parts.iter().enumerate() {
            if let Some(first) = parts[..second].iter().find(|first| first.output == part.output) {
                let [first, second] = [first, part].map(|part| part.inputs[0].display());
                let text = format!("{first} and {second} would both become {}", part.output.display());
                return Err(Usage(text).into());
            }
        }
        Target::Folder { folder: output.to_owned(), parts }
    } else {
        let format = format.unwrap_or(FileFormat::of(output));
        let name = output.display().to_string();
        Target::File(Part { inputs: files.clone(), output: output.to_owned(), name, format })
    };
    let parts = match &target {
        Target::File(part) => std::slice::from_ref(part),
        Target::Folder { parts, .. } => parts,
    };
    let real = |path: &Path| path.canonicalize().ok();
    for part in parts.iter().filter(|part| part.output.is_file()) {
        if let Some(input) = files.iter().find(|input| real(input) == real(&part.output)) {
            return Err(Usage(format!("{} would be overwritten by its predictions", input.display())).into());
        }
    }
    Ok(target)
}

/// Whether there is to be a part for each file.
fn is_folder(files: &[PathBuf], inputs: &[String], output: &Path) -> bool {
    let ends_so = output.as_os_str().as_encoded_bytes().last().is_some_and(|&b| b == b'/');
    let one = matches!((files, inputs), ([file], [input]) if file.as_os_str() == input.as_str());
    let named = output.extension().is_some_and(|extension| {
        extension.eq_ignore_ascii_case("csv") || extension.eq_ignore_ascii_case("parquet")
    });
    output.is_dir() || (!output.exists() && (ends_so || !(one || named)))
}

fn part(input: &Path, folder: &Path, format: Option<FileFormat>) -> Result<Part> {
    let found = || {
        Ok::<_, anyhow::Error>(if Storage::default().is_typed(input)? {
            FileFormat::Parquet
        } else {
            FileFormat::Csv
        })
    };
    let format = format.map_or_else(found, Ok)?;
    let strip = |name: PathBuf, of: &[&str]| {
        let known =
            name.extension().is_some_and(|ext| of.iter().any(|known| ext.eq_ignore_ascii_case(known)));
        if known { name.with_extension("") } else { name }
    };
    let name = strip(strip(input.file_name().unwrap_or_default().into(), &["gz", "zst"]), &EXTENSIONS);
    let mut name = name.into_os_string();
    name.push(".");
    name.push(format.extension());
    // A partition stays one.
    let within = Storage::default().partition_folders(input).join(name);
    let (output, name) = (folder.join(&within), within.to_string_lossy().into_owned());
    Ok(Part { inputs: vec![input.to_owned()], output, name, format })
}

/// Paths as a configuration would have them.
pub fn names(paths: &[PathBuf]) -> Result<Vec<String>> {
    let name = |path: &PathBuf| {
        let name = path.to_str().map(str::to_owned);
        name.ok_or_else(|| Usage(format!("{}: a name that is not UTF-8", path.display())).into())
    };
    paths.iter().map(name).collect()
}
