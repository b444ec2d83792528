//! `mt data stats` of files without a configuration.

use anyhow::Result;
use mt_data::Paths;
use mt_profile::{ColumnProfile, Kind, Profile, Sample};

use crate::args::StatsArgs;
use crate::print;
use crate::progress::Bar;
use crate::report::{Grid, short, thousands};

/// Values of a column in the table; JSON has all that are kept.
const TOP: usize = 3;
/// Characters of a value in the table.
const SHOWN: usize = 24;
/// A value that makes up less than one in so many has no share beside it.
const SHARE: u64 = 200;

pub fn stats(args: &StatsArgs) -> Result<()> {
    let paths = Paths(args.what.iter().map(|path| path.display().to_string()).collect());
    let bar = Bar::bytes("reading", args.json);
    let profile = Profile::read(&paths, &Sample::all(), &|progress| bar.read(&progress))?;
    bar.finish();
    if args.json {
        return print::line(serde_json::to_string(&json(&profile))?);
    }
    print::line(title(&profile))?;
    let mut grid = Grid::new([
        "column",
        "holds",
        "missing",
        "distinct",
        "most often",
        "list length",
        "min",
        "max",
        "mean",
    ]);
    grid.rows = profile.columns.iter().map(row).collect();
    print::line(grid.text())
}

fn json(profile: &Profile) -> serde_json::Value {
    let text = profile.typed < profile.files.len();
    serde_json::json!({
        "files": profile.files,
        "rows": profile.rows,
        "delimiter": text.then_some(profile.csv.delimiter),
        "header": text.then_some(profile.csv.header),
        "columns": profile.columns,
    })
}

/// A line about the files.
fn title(profile: &Profile) -> String {
    let files = match profile.files.len() {
        1 => "1 file".to_owned(),
        n => format!("{} files", thousands(n)),
    };
    let made = if profile.typed == profile.files.len() {
        "Parquet".to_owned()
    } else {
        let header = if profile.csv.header { "with" } else { "without" };
        format!("text, {:?} between cells, {header} header", profile.csv.delimiter)
    };
    let (rows, columns) = (thousands(profile.rows as usize), thousands(profile.columns.len()));
    format!("{rows} rows x {columns} columns of {files}: {made}")
}

fn row(column: &ColumnProfile) -> Vec<String> {
    let percent = |n: u64, of: u64| format!("{:.1} %", 100.0 * n as f64 / of.max(1) as f64);
    let missing = match column.missing {
        0 => "-".to_owned(),
        n => {
            let texts: Vec<String> =
                column.missing_texts.iter().map(|(text, _)| format!(" {text}")).collect();
            percent(n, column.cells) + &texts.concat()
        }
    };
    let over = if column.more { "over " } else { "" };
    let value = |(text, n): &(String, u64)| match *n * SHARE {
        // What is about as rare as all others is but an example.
        n if n < column.values => printable(text),
        _ => format!("{} {}", printable(text), percent(*n, column.values)),
    };
    let often: Vec<String> = column.top.iter().take(TOP).map(value).collect();
    let lengths =
        column.lists.map_or(String::new(), |lists| format!("{}, {} at most", short(lists.mean), lists.max));
    let [min, max, mean] = range(column);
    vec![
        printable(&column.name),
        column.kind.to_string(),
        missing,
        format!("{over}{}", thousands(column.distinct)),
        often.join(", "),
        lengths,
        min,
        max,
        mean,
    ]
}

/// The range and the mean of what is more or less of something; identifiers have none.
fn range(column: &ColumnProfile) -> [String; 3] {
    let Some(range) = column.numbers else { return Default::default() };
    match column.kind {
        Kind::Number | Kind::Flag => [range.min, range.max, range.mean].map(short),
        Kind::Time(unit) => {
            let [min, max] = [range.min, range.max].map(|time| unit.shown(time as i128));
            [min, max, String::new()]
        }
        _ => Default::default(),
    }
}

/// A text on one line, of a long one its beginning.
fn printable(text: &str) -> String {
    let mut shown: String = text.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    shown.extend(text.chars().nth(SHOWN).map(|_| '…'));
    shown
}
