//! Implementations of MPI: which are here, and how a program is run by one.

use crate::command;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Where `install` unpacks both.
pub const FOLDER: &str = "target/mpi/unpacked";
/// Seconds after which a job hangs.
const PATIENCE: &str = "120";

/// What is known of an implementation before it is found.
struct Known {
    name: &'static str,
    /// Names the folder in which it is installed.
    variable: &'static str,
    /// Its launcher, by the names that it may have.
    launchers: &'static [&'static str],
    /// What one of these says of its version.
    says: &'static [&'static str],
    arguments: &'static [&'static str],
    package: &'static str,
}

const KNOWN: [Known; 2] = [
    Known {
        name: "Open MPI",
        variable: "MT_OPENMPI",
        launchers: &["mpirun.openmpi", "mpirun"],
        says: &["Open MPI", "OpenRTE"],
        arguments: &["--oversubscribe", "--allow-run-as-root"],
        package: "openmpi-bin",
    },
    Known {
        name: "MPICH",
        variable: "MT_MPICH",
        launchers: &["mpiexec.hydra", "mpiexec"],
        says: &["HYDRA"],
        arguments: &[],
        package: "mpich",
    },
];

/// An implementation of MPI on this machine.
pub struct Implementation {
    name: &'static str,
    launcher: PathBuf,
    arguments: &'static [&'static str],
    environment: Vec<(&'static str, OsString)>,
}

impl Implementation {
    /// The program that starts the others.
    pub fn launcher(&self) -> impl fmt::Display {
        self.launcher.display()
    }
}

impl Implementation {
    /// What tests that start several processes are told.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, OsString)> {
        let launcher = self.launcher.clone().into();
        let named = [("MT_MPIRUN", launcher), ("MT_MPIRUN_ARGUMENTS", self.arguments.join(" ").into())];
        self.environment.iter().cloned().chain(named)
    }
}

impl fmt::Display for Implementation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)
    }
}

/// Those that there are: in the folder that is named, else in ours, else on the path.
pub fn find() -> Vec<Implementation> {
    KNOWN.iter().filter_map(Known::find).collect()
}

/// Says what is not among those that were found, and how to get it.
pub fn missing(found: &[Implementation]) -> Vec<String> {
    let missing = KNOWN.iter().filter(|known| found.iter().all(|found| found.name != known.name));
    let line = |Known { name, package, variable, .. }: &Known| {
        format!(
            "{name}: none here; install the package {package}, name its folder with {variable}, or use `cargo xtask mpi --install`"
        )
    };
    missing.map(line).collect()
}

impl Known {
    fn find(&self) -> Option<Implementation> {
        let named = std::env::var_os(self.variable).map(PathBuf::from);
        let folder = named.or_else(|| Path::new(FOLDER).is_dir().then(|| FOLDER.into()));
        let folder = folder.and_then(|folder| std::fs::canonicalize(folder).ok());
        folder.and_then(|folder| self.inside(&folder)).or_else(|| self.installed())
    }

    /// In a folder: installed there as a prefix, or packages unpacked there.
    fn inside(&self, folder: &Path) -> Option<Implementation> {
        let environment = environment(folder);
        let launchers =
            self.launchers.iter().flat_map(|name| ["bin", "usr/bin"].map(|bin| folder.join(bin).join(name)));
        self.first(launchers, environment)
    }

    fn installed(&self) -> Option<Implementation> {
        self.first(self.launchers.iter().map(PathBuf::from), Vec::new())
    }

    /// The first of the launchers that is one of this implementation.
    fn first(
        &self,
        launchers: impl Iterator<Item = PathBuf>,
        environment: Vec<(&'static str, OsString)>,
    ) -> Option<Implementation> {
        let says = |launcher: &PathBuf| {
            let said =
                command::output(Command::new(launcher).arg("--version").envs(environment.iter().cloned()));
            said.is_ok_and(|said| self.says.iter().any(|word| said.contains(word)))
        };
        let launcher = { launchers }.find(says)?;
        Some(Implementation { name: self.name, launcher, arguments: self.arguments, environment })
    }
}

/// What makes programs in a folder find what lies there.
fn environment(folder: &Path) -> Vec<(&'static str, OsString)> {
    let usr = if folder.join("usr").is_dir() { folder.join("usr") } else { folder.to_owned() };
    let libraries: Vec<_> = [folder.join("lib"), usr.join("lib")].into_iter().flat_map(libraries).collect();
    let mut environment = vec![
        ("OPAL_PREFIX", usr.into()),
        // Of networks that are not here.
        ("OMPI_MCA_mca_base_component_show_load_errors", "0".into()),
        ("PMIX_MCA_pcompress_base_silence_warning", "1".into()),
    ];
    environment.extend(std::env::join_paths(libraries).ok().map(|paths| ("LD_LIBRARY_PATH", paths)));
    environment
}

/// A folder of libraries and, as Debian has them, those in it of an architecture.
fn libraries(folder: PathBuf) -> Vec<PathBuf> {
    let triplet = |path: &PathBuf| path.is_dir() && path.to_string_lossy().ends_with("-linux-gnu");
    let entries = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = entries.filter(triplet).collect();
    found.push(folder);
    found
}

/// How a job has ended.
pub struct Ended {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// What it wrote to standard output, if it has succeeded.
    pub fn output(&self) -> Result<&str> {
        ensure!(self.success, "the job failed: {}", self.stderr.trim());
        Ok(&self.stdout)
    }
}

/// Runs `program` in `ranks` processes to their end; an error if that takes too long.
pub fn launch(implementation: &Implementation, ranks: usize, program: &Path, args: &[&str]) -> Result<Ended> {
    // It ends the launcher, and that its processes.
    let mut command = Command::new("timeout");
    command.args(["--kill-after=10", PATIENCE]).arg(&implementation.launcher);
    command.args(implementation.arguments).args(["-n", &ranks.to_string()]).arg(program).args(args);
    command.envs(implementation.environment.iter().cloned()).env("RUST_BACKTRACE", "0");
    let output = command.output().with_context(|| format!("can't start {command:?}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    if [Some(124), Some(137)].contains(&output.status.code()) {
        bail!("{implementation}, {ranks} ranks: not ended after {PATIENCE} s: {stderr}");
    }
    Ok(Ended { success: output.status.success(), stdout, stderr })
}
