//! Which library is MPI here.

use super::functions::{Functions, open};
use crate::error::{Error, Result};
use crate::launcher::Launcher;
use std::ffi::{OsStr, OsString};

/// Names a library; else the usual names are tried.
pub(super) const VARIABLE: &str = "MT_MPI_LIBRARY";

const OPEN_MPI: &str = "libmpi.so.40";
/// The first is MPICH's own name and Intel's, the second Debian's.
const MPICH: [&str; 2] = ["libmpi.so.12", "libmpich.so.12"];
/// Of the standard's own binary interface, whoever has made it.
const STANDARD: &str = "libmpi_abi.so.1";

/// Opens the library that is named, or the first there is, the launcher's own before others: one does not know the processes of
/// another's launcher. Returns its name too.
pub(super) fn find(launcher: Option<&Launcher>) -> Result<(Box<dyn Functions>, OsString)> {
    if let Some(name) = std::env::var_os(VARIABLE) {
        let functions = open(&name).map_err(|problem| Error::Library(format!("{VARIABLE}: {problem}")))?;
        return Ok((functions, name));
    }
    let variable = launcher.map(|launcher| launcher.variable);
    let (names, package) = candidates(variable);
    let mut tried = Vec::new();
    for name in names {
        match open(OsStr::new(name)) {
            Ok(functions) => return Ok((functions, name.into())),
            Err(problem) => tried.push(problem),
        }
    }
    let why = variable
        .map_or(String::new(), |variable| format!(" ({variable} says that there are several processes)"));
    let problem = format!(
        "MPI is needed{why} and cannot be opened: install {package}, or name its library with {VARIABLE}; tried {}",
        tried.join("; ")
    );
    Err(Error::Library(problem))
}

/// What to try in this order, and what to install.
fn candidates(variable: Option<&str>) -> ([&'static str; 4], &'static str) {
    let [mpich, debian] = MPICH;
    match variable {
        Some("OMPI_COMM_WORLD_SIZE") => {
            ([OPEN_MPI, STANDARD, mpich, debian], "Open MPI (on Debian the package openmpi-bin)")
        }
        Some("PMI_SIZE") => ([mpich, debian, STANDARD, OPEN_MPI], "MPICH (on Debian the package mpich)"),
        _ => (
            [STANDARD, OPEN_MPI, mpich, debian],
            "the MPI of the launcher (on Debian the package openmpi-bin or mpich)",
        ),
    }
}
