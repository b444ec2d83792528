//! Several processes of one command.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use mt_dist::{Collective, Solo};

use crate::args::{Command, Usage};
use crate::print;

/// Time for the first process to say what all have found, before another one ends them all.
const FIRST: Duration = Duration::from_secs(2);

/// The processes that a launcher such as `mpirun` has started for a command; only the first says anything from here on.
///
/// # Errors
/// Where there are several, and no MPI library, or a command that would do the same work in each.
pub fn open(command: &Command) -> Result<Arc<dyn Collective>> {
    if !matches!(command, Command::Train(_) | Command::Predict(_)) {
        return match mt_dist::launcher().and_then(|launcher| launcher.size).unwrap_or(1) {
            1 => Ok(Arc::new(Solo)),
            count => Err(Usage(format!(
                "{count} processes were started, and would all do the same: only mt train and mt predict share their work"
            ))
            .into()),
        };
    }
    let ranks: Arc<dyn Collective> = mt_dist::open()?.into();
    if ranks.rank() > 0 {
        print::be_silent();
    }
    Ok(ranks)
}

/// Ends all processes because this one has failed, and says why.
pub fn abort(ranks: &dyn Collective, error: &anyhow::Error) {
    // What is wrong for all is said by the first.
    if ranks.rank() > 0 {
        std::thread::sleep(FIRST);
    }
    ranks.abort(&format!("{error:#}"));
}

/// A path that the first process has.
///
/// # Errors
/// If the others do not answer.
pub fn path(ranks: &dyn Collective, own: Option<&std::path::Path>) -> Result<PathBuf> {
    let mut bytes = own.map(|path| path.to_string_lossy().into_owned().into_bytes()).unwrap_or_default();
    ranks.broadcast(0, &mut bytes)?;
    Ok(PathBuf::from(String::from_utf8_lossy(&bytes).into_owned()))
}
