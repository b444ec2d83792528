//! Several files as one sequence of numbered blocks, each with the layout of its file.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mt_features::fields::Interner;
use mt_features::{ColumnRef, Schema};
use mt_storage::Storage;

use super::blocks::Blocks;
use super::columns::Columns;
use super::header;
use super::kept::{self, KeptColumn, KeptColumns, KeptForm};
use super::layout::Layout;
#[cfg(feature = "parquet")]
use super::parquet;
use super::partition::append;
use super::plan::Prepared;
use super::prepare::{Coding, prepare};
use super::request::{Labels, Request};
use super::resolve::{mentioned, schema};
use super::side::{self, Side};
use super::text_start::TextStart;
#[cfg(feature = "parquet")]
use super::typed::unit;
#[cfg(feature = "parquet")]
use crate::config::separator_of;
use crate::error::{Error, Result};
use crate::mentioned::Mentioned;

/// A block of rows, to be parsed.
pub(super) struct Block {
    pub content: Content,
    pub layout: Arc<Layout>,
    /// The columns that are kept of a text file.
    pub kept: Arc<Vec<KeptColumn>>,
    /// At a file's first block, the number of its first data line.
    pub opens: Option<u64>,
}

/// The rows of a block.
pub(super) enum Content {
    /// Whole lines, at `lines` of a `buffer` that is used again for later blocks.
    Text { buffer: Vec<u8>, lines: Range<usize> },
    /// Columns of a Parquet file.
    #[cfg(feature = "parquet")]
    Columns(parquet::Stripe),
}

/// The files still to be read and the one being read.
pub(super) struct Stream {
    files: std::vec::IntoIter<PathBuf>,
    request: Request,
    names: Option<Vec<String>>,
    sides: Arc<Vec<Side>>,
    schema: Schema,
    mentioned: Vec<Mentioned>,
    prepared: Option<Prepared>,
    keep: Option<Keep>,
    block: usize,
    open: Option<Open>,
    bytes_done: Arc<AtomicU64>,
}

/// The columns that are kept, and what they are in the first file.
struct Keep {
    names: Vec<String>,
    #[cfg_attr(not(feature = "parquet"), expect(dead_code, reason = "text files have one form"))]
    form: KeptForm,
    first: Option<KeptColumns>,
}

struct Open {
    source: Source,
    layout: Arc<Layout>,
    kept: Arc<Vec<KeptColumn>>,
    /// The first block, if it was read with the header.
    first: Option<Content>,
    /// Until there was a block, the number of its first line.
    opens: Option<u64>,
}

/// An open file.
enum Source {
    Text(Blocks),
    #[cfg(feature = "parquet")]
    Columns(Box<parquet::File>),
}

/// What is known of a file before its layout.
struct Start {
    source: Source,
    names: Vec<String>,
    /// Whether those are real names, not made from positions.
    named: bool,
    first: Option<Content>,
    line: u64,
}

impl Open {
    fn block(&mut self, content: Content) -> Block {
        let (layout, kept, opens) = (self.layout.clone(), self.kept.clone(), self.opens.take());
        Block { content, layout, kept, opens }
    }
}

impl Stream {
    /// Opens the first file. Without a `schema`, it decides on one. The interners know the values that side tables
    /// hold, one a table of the fields.
    pub fn new(
        files: Vec<PathBuf>,
        request: Request,
        schema: Option<&Schema>,
        coding: Coding<'_>,
        block: usize,
    ) -> Result<(Self, Vec<Interner>)> {
        request.csv.check()?;
        let names = request.csv.names.as_deref();
        let names = names.map(|names| header::read_names(&request.data.storage, names)).transpose()?;
        let sides = Arc::new(side::open(&request.data, request.csv.delimiter_byte()?)?);
        let mut stream = Stream {
            files: files.into_iter(),
            request,
            names,
            sides,
            schema: schema.cloned().unwrap_or_default(),
            mentioned: Vec::new(),
            prepared: None,
            keep: None,
            block,
            open: None,
            bytes_done: Arc::default(),
        };
        let interners = stream.open_next(schema.is_none(), coding)?;
        Ok((stream, interners))
    }

    /// Keeps columns of all files from here on; the open one must not have been read yet.
    pub fn keep(&mut self, names: &[String], form: KeptForm) -> Result<()> {
        self.keep = Some(Keep { names: names.to_vec(), form, first: None });
        if let Some(mut open) = self.open.take() {
            open.kept = self.choose_kept(&mut open.source, &open.layout)?;
            self.open = Some(open);
        }
        Ok(())
    }

    /// What the kept columns are.
    pub fn kept_columns(&self) -> KeptColumns {
        let first = self.keep.as_ref().and_then(|keep| keep.first.clone());
        first.unwrap_or_else(|| KeptColumns::texts(Vec::new()))
    }

    /// Finds the kept columns of a file, which must be like those of the files before it.
    fn choose_kept(&mut self, source: &mut Source, layout: &Layout) -> Result<Arc<Vec<KeptColumn>>> {
        let Some(keep) = &mut self.keep else { return Ok(Arc::default()) };
        let own = &layout.names[..layout.slots.len() + layout.partitions.len()];
        let found = kept::find(&keep.names, own, &layout.path)?;
        let names: Vec<String> = found.iter().map(|&column| own[column].clone()).collect();
        let column = |&column: &usize| match layout.partition(column) {
            Some(partition) => KeptColumn::Folder(partition.clone()),
            None => KeptColumn::Cell(column),
        };
        let columns: Vec<KeptColumn> = found.iter().map(column).collect();
        let found = match source {
            Source::Text(_) => KeptColumns::texts(names),
            #[cfg(feature = "parquet")]
            Source::Columns(file) => {
                let data = &self.request.data;
                let separator = |column: usize| separator_of(&data.fields, &data.numbers, &own[column]);
                file.keep(&columns, names, keep.form, separator)?
            }
        };
        #[cfg(feature = "parquet")]
        if let Some(first) = &keep.first {
            first.check(&layout.path, &found)?;
        }
        keep.first.get_or_insert(found);
        Ok(Arc::new(columns))
    }

    fn storage(&self) -> &Storage {
        &self.request.data.storage
    }

    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// What is taken off the numbers of some features, by name.
    pub fn bases(&self) -> &BTreeMap<String, f64> {
        &self.request.bases
    }

    /// Takes more off, from here on.
    pub fn take_off(&mut self, bases: Vec<(String, f64)>) -> Result<()> {
        self.request.bases.extend(bases);
        let Some(open) = &self.open else { return Ok(()) };
        let layout = self.layout_again(&open.layout)?;
        self.open.iter_mut().for_each(|open| open.layout = layout.clone());
        Ok(())
    }

    /// The layout of a file, with all that is taken off.
    pub fn layout_again(&self, layout: &Layout) -> Result<Arc<Layout>> {
        let prepared = self.prepared.as_ref().ok_or(Error::Source { found: "none" })?;
        layout.again(&self.request, &self.schema, prepared).map(Arc::new)
    }

    /// Inputs that expressions name, if this is for training.
    pub fn mentioned(&self) -> &[Mentioned] {
        &self.mentioned
    }

    /// The key of each side table.
    pub fn join_keys(&self) -> Vec<String> {
        self.request.data.join.iter().map(|join| join.key.clone()).collect()
    }

    /// Bytes read so far, before decompression.
    pub fn bytes_done(&self) -> u64 {
        self.bytes_done.load(Ordering::Relaxed)
    }

    /// Whether there may be more blocks.
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// The next block of text, in the memory of `buffer`; `None` behind the last file and before a Parquet file.
    pub fn next_text(&mut self, mut buffer: Vec<u8>) -> Result<Option<Block>> {
        while let Some(open) = &mut self.open {
            let content = match (open.first.take(), &mut open.source) {
                (None, Source::Text(blocks)) => match blocks.next_into(&mut buffer)? {
                    0 => None,
                    length => Some(Content::Text { buffer: std::mem::take(&mut buffer), lines: 0..length }),
                },
                #[cfg(feature = "parquet")]
                (None, Source::Columns(_)) => return Ok(None),
                (first, _) => first,
            };
            if let Some(content) = content {
                return Ok(Some(open.block(content)));
            }
            self.open_next(false, Coding::Unfitted)?;
        }
        Ok(None)
    }

    /// The next block, of whatever kind its file is; `None` behind the last one.
    pub fn next_block(&mut self) -> Option<Result<Block>> {
        #[cfg(feature = "parquet")]
        loop {
            // None before a text file, as text is none before a Parquet file.
            if let Some(block) = self.next_columns(1).pop() {
                return Some(block);
            }
            match self.next_text(Vec::new()).transpose() {
                None if self.is_open() => {}
                block => return block,
            }
        }
        #[cfg(not(feature = "parquet"))]
        self.next_text(Vec::new()).transpose()
    }

    /// The next blocks of Parquet files, up to `most` of them, an error last; none behind the last file and before a text
    /// file. The workers read them: see [`stripes`](parquet::File::stripes).
    #[cfg(feature = "parquet")]
    pub fn next_columns(&mut self, most: usize) -> Vec<Result<Block>> {
        let mut blocks = Vec::new();
        while blocks.len() < most
            && blocks.last().is_none_or(Result::is_ok)
            && let Some(open) = &mut self.open
            && let Source::Columns(file) = &mut open.source
        {
            let stripes = file.stripes(most - blocks.len());
            if stripes.is_empty() {
                blocks.extend(self.open_next(false, Coding::Unfitted).err().map(Err));
            } else {
                blocks.extend(stripes.into_iter().map(|read| Ok(open.block(Content::Columns(read?)))));
            }
        }
        blocks
    }

    /// Opens the next file. The first one prepares for all, with `coding`.
    fn open_next(&mut self, decide: bool, coding: Coding<'_>) -> Result<Vec<Interner>> {
        self.open = None;
        let Some(path) = self.files.next() else { return Ok(Vec::new()) };
        let Start { mut source, mut names, named, first, line } = self.start(&path)?;
        let partitions = &self.storage().partitions(&path)[..];
        append(&mut names, &path, partitions)?;
        let own = names.len();
        let names = side::names(names, &path, &self.sides)?;
        let typed = match &source {
            Source::Text(_) => false,
            #[cfg(feature = "parquet")]
            Source::Columns(_) => true,
        };
        let fields = &self.request.data.fields[..];
        let columns =
            Columns { path: &path, names: &names, named, typed, own, partitions, shifted: false, fields };
        if decide {
            self.schema = schema(columns, &self.request)?;
            self.mentioned = mentioned(columns, &self.request, &self.schema)?;
        }
        let mut interners = Vec::new();
        let prepared = match self.prepared.take() {
            Some(prepared) => prepared,
            None => {
                let sides = self.sides.clone();
                let (prepared, known) = prepare(&self.request, &self.schema, coding, sides, &names, own)?;
                interners = known;
                prepared
            }
        };
        let prepared = self.prepared.insert(prepared);
        let layout = Layout::new(columns, &self.request, &self.schema, prepared)?;
        #[cfg(feature = "parquet")]
        let mut layout = layout;
        #[cfg(feature = "parquet")]
        if let Source::Columns(file) = &mut source {
            let units: Vec<_> = file.types().map(unit).collect();
            file.choose(&layout.plan, &layout.names)?;
            let unit = |&column: &usize| units.get(column).copied().flatten();
            layout.plan.units = layout.plan.kept.iter().map(unit).collect();
        }
        #[cfg(feature = "parquet")]
        layout.plan.check_sides()?;
        let layout = Arc::new(layout);
        let kept = self.choose_kept(&mut source, &layout)?;
        self.open = Some(Open { source, layout, kept, first, opens: Some(line) });
        Ok(interners)
    }

    /// Opens a file and finds its columns.
    fn start(&self, path: &Path) -> Result<Start> {
        if self.request.data.parquet.is_none() && !self.storage().is_typed(path)? {
            return self.start_text(path);
        }
        #[cfg(feature = "parquet")]
        {
            let file = parquet::File::open(self.storage(), path, self.block, self.bytes_done.clone())?;
            let (names, source) = (file.names()?, Source::Columns(Box::new(file)));
            Ok(Start { source, names, named: true, first: None, line: 1 })
        }
        #[cfg(not(feature = "parquet"))]
        Err(Error::no_parquet(path))
    }

    fn start_text(&self, path: &Path) -> Result<Start> {
        let (csv, texts) = (&self.request.csv, !self.request.data.fields.is_empty());
        let bytes = self.bytes_done.clone();
        let TextStart { blocks, buffer, length, at, line, names } =
            TextStart::open(self.storage(), path, csv, texts, self.block, bytes)?;
        let (names, named) = match &self.names {
            _ if csv.header => (names, true),
            None => (names, false),
            Some(given) => (self.given_names(given, names.len(), path)?, true),
        };
        let first = Some(Content::Text { lines: at..length, buffer });
        Ok(Start { source: Source::Text(blocks), names, named, first, line })
    }

    /// The names from the file of names, for a file of `width` columns, with or without the label columns.
    fn given_names(&self, names: &[String], width: usize, path: &Path) -> Result<Vec<String>> {
        if names.len() == width {
            return Ok(names.to_vec());
        }
        let is_label = |(i, name): (usize, &String)| {
            self.request.tasks.iter().any(|task| match &task.label {
                ColumnRef::Index(index) => *index == i,
                ColumnRef::Name(label) => label == name,
            })
        };
        let inputs: Vec<String> =
            names.iter().enumerate().filter(|&column| !is_label(column)).map(|(_, n)| n.clone()).collect();
        let optional = self.request.labels != Labels::Required;
        if optional && inputs.len() == width {
            return Ok(inputs);
        }
        let without_labels = optional.then_some(inputs.len());
        Err(Error::FileWidth { path: path.to_owned(), expected: names.len(), without_labels, found: width })
    }
}
