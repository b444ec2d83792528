//! Open MPI and MPICH of the distribution, unpacked into a folder: nothing is installed, and no rights are needed.

use super::implementation::{FOLDER, find, missing};
use crate::command::{self, command};
use anyhow::{Context, Result};
use std::fs;

/// What apt keeps.
const APT: &str = "target/mpi/apt";

/// Downloads both, unless they are here, with what they need that is not, and unpacks them; needs Debian's or Ubuntu's apt.
pub fn install() -> Result<()> {
    if missing(&find()).is_empty() {
        return Ok(());
    }
    let apt = std::env::current_dir()?.join(APT);
    let (lists, archives) = (apt.join("lists"), apt.join("archives"));
    for folder in [&lists, &archives] {
        fs::create_dir_all(folder.join("partial"))?;
    }
    let apt_get = |line: &str| {
        let options = [
            "Dir::State::lists=".to_owned() + &lists.to_string_lossy(),
            "Dir::Cache=".to_owned() + &apt.to_string_lossy(),
        ];
        let mut command = command("apt-get --quiet --quiet -o Debug::NoLocking=1");
        command.args(options.iter().flat_map(|option| ["-o", option])).args(line.split_whitespace());
        println!("$ apt-get {line}");
        command::run(&mut command)
            .context("the packages openmpi-bin and mpich are needed, by apt or otherwise")
    };
    apt_get("update")?;
    apt_get("install --yes --no-install-recommends --download-only openmpi-bin mpich")?;
    // Whole or not there.
    let unfinished = format!("{FOLDER}.part");
    _ = fs::remove_dir_all(&unfinished);
    fs::create_dir_all(&unfinished)?;
    for entry in fs::read_dir(&archives)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            command::run(command("dpkg -x").arg(&path).arg(&unfinished))?;
        }
    }
    _ = fs::remove_dir_all(FOLDER);
    Ok(fs::rename(&unfinished, FOLDER)?)
}
