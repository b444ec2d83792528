//! Rows that lie in no file: a `Source` of 30 lines, which the workspace's own trainer reads, goes on with and exports.

use std::error::Error;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use candle_core::Device;
use mt_data::arrow_array::{Int64Array, RecordBatch, StringArray};
use mt_data::arrow_schema::SchemaRef;
use mt_data::{Part, RecordBatches, Source, Storage};
use mt_tables::TableFormat;
use mt_bundle::{Export, Predictor};
use mt_train::{Config, RunDir, load, train};

/// Visits of users to pages: a program's own, made up here.
#[derive(Debug)]
struct Visits;

/// Those of an hour.
fn visits(hour: i64) -> io::Result<RecordBatch> {
    let (users, pages) = ((0..500).map(|i| (hour * 7 + i * 13) % 40), (0..500).map(|i| (i * 17 + hour) % 25));
    let bought = users.clone().zip(pages.clone()).map(|(user, page)| i64::from((user + 2 * page) % 5 < 2));
    let users = StringArray::from_iter_values(users.map(|user| format!("user {user}")));
    let (pages, bought) = (Int64Array::from_iter_values(pages), Int64Array::from_iter_values(bought));
    RecordBatch::try_from_iter([
        ("user", Arc::new(users) as _),
        ("page", Arc::new(pages) as _),
        ("bought", Arc::new(bought) as _),
    ])
    .map_err(io::Error::other)
}

impl Source for Visits {
    fn schema(&self) -> io::Result<SchemaRef> {
        Ok(visits(0)?.schema())
    }

    fn parts(&self) -> io::Result<Vec<Part>> {
        Ok((0..10).map(|hour| Part::new(hour.to_string())).collect())
    }

    fn read(&self, part: &Part, columns: &[usize]) -> io::Result<RecordBatches> {
        let hour = part.name.parse().map_err(io::Error::other)?;
        let batch = visits(hour)?.project(columns).map_err(io::Error::other);
        Ok(Box::new(std::iter::once(batch)))
    }
}

const CONFIG: &str = "
version: 1
data:
  csv: {train: 'visits://all', features: none}
  fields: [{column: user}, {column: page}, {name: both, value: 'cross(user, page)'}]
tasks: [{name: bought, label: bought}]
model: {kind: mmoe, experts: 2, expert: [16]}
train: {epochs: 2, batch_size: 64, optimizer: {lr: 0.01}}
";

/// A storage cannot be written into a configuration: a program hands it over each time.
fn with_visits(mut cfg: Config) -> Config {
    cfg.data.storage = Storage::default().with_source("visits://all", Arc::new(Visits));
    cfg
}

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("visits-{}", std::process::id()));
    let done = run(&folder);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn run(folder: &Path) -> Result<(), Box<dyn Error>> {
    let path = folder.join("run");
    let (stop, device) = (AtomicBool::new(false), Device::Cpu);
    {
        let cfg = with_visits(Config::parse(CONFIG, "visits.yaml", &[])?);
        let run = RunDir::create(&path, &cfg)?;
        train(&cfg, &load(&cfg, Some(&run), &|_| ())?, &device, &run, &stop, &mut |_| ())?;
    }
    // Later, for longer.
    let (run, cfg) = RunDir::extend(&path, &["train.epochs=6".to_owned()])?;
    let cfg = with_visits(cfg);
    let outcome = train(&cfg, &load(&cfg, Some(&run), &|_| ())?, &device, &run, &stop, &mut |_| ())?;
    let best = outcome.best.ok_or("no epoch was evaluated")?;
    println!("{} epochs, validation AUC {:.4?}", outcome.epochs, best.value);
    let bundle = folder.join("bundle");
    let config = cfg.to_yaml()?;
    let export = Export {
        checkpoint: &run.checkpoint(best.epoch),
        tables: TableFormat::F32,
        rows: Vec::new(),
        config: &config,
        registry: mt_models::Registry::default(),
    };
    export.write(&bundle, |_| Ok::<_, mt_bundle::Error>("Visits.\n".to_owned()))?;
    let predictor = Predictor::load(&bundle, &device)?;
    let mut rows = predictor.rows();
    rows.push([("user", "user 1".into()), ("page", 2.into())])?; // 1 + 2 x 2 = 5: bought
    rows.push([("user", "user 3".into()), ("page", 0.into())])?; // 3: not
    let predicted = predictor.predict_rows(&rows)?;
    println!("{predicted:?}");
    match best.value {
        Some(auc) if auc > 0.9 => Ok(()),
        value => Err(format!("expected an AUC above 0.9, found {value:?}").into()),
    }
}
