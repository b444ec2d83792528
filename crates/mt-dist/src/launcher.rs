//! Whether this process is one of several, by the environment that MPI's launchers give it.

/// Who has started this process, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Launcher {
    /// The variable that says so.
    pub variable: &'static str,
    /// How many processes there are; `None` where only MPI knows.
    pub size: Option<usize>,
    /// How many of them are on this machine; `None` where only MPI knows.
    pub local_size: Option<usize>,
}

/// A launcher's variables: how many processes there are, and how many on this machine.
const VARIABLES: [(&str, &str); 4] = [
    // `mpirun` of Open MPI.
    ("OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_SIZE"),
    // `mpiexec` of MPICH and its family, `srun --mpi=pmi2`.
    ("PMI_SIZE", "MPI_LOCALNRANKS"),
    // `srun`. `SLURM_NTASKS` is there as well in the script of a job, which runs once.
    ("SLURM_STEP_NUM_TASKS", ""),
    // Whatever else speaks PMIx; it gives no number.
    ("PMIX_RANK", ""),
];

/// The launcher that has started this process, if one has. It may have started one process only.
pub fn launcher() -> Option<Launcher> {
    launcher_of(|variable| std::env::var(variable).ok())
}

fn launcher_of(value: impl Fn(&str) -> Option<String>) -> Option<Launcher> {
    let number = |variable| value(variable).and_then(|text| text.parse().ok()).filter(|&number| number > 0);
    let found = VARIABLES.into_iter().find(|(variable, _)| value(variable).is_some());
    found.map(|(variable, local)| Launcher {
        variable,
        size: (variable != "PMIX_RANK").then(|| number(variable)).flatten(),
        local_size: number(local),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(variables: &[(&str, &str)]) -> Option<(&'static str, Option<usize>, Option<usize>)> {
        let value =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
        launcher_of(value).map(|launcher| (launcher.variable, launcher.size, launcher.local_size))
    }

    #[test]
    fn each_launcher_is_known() {
        assert_eq!(found(&[("PATH", "/bin"), ("SLURM_NTASKS", "8"), ("SLURM_PROCID", "0")]), None);
        let open_mpi =
            [("OMPI_COMM_WORLD_SIZE", "4"), ("OMPI_COMM_WORLD_LOCAL_SIZE", "2"), ("PMIX_RANK", "0")];
        assert_eq!(found(&open_mpi), Some(("OMPI_COMM_WORLD_SIZE", Some(4), Some(2))));
        let mpich = [("PMI_SIZE", "3"), ("PMI_RANK", "0"), ("MPI_LOCALNRANKS", "3")];
        assert_eq!(found(&mpich), Some(("PMI_SIZE", Some(3), Some(3))));
        let srun = [("SLURM_STEP_NUM_TASKS", "16"), ("PMIX_RANK", "3")];
        assert_eq!(found(&srun), Some(("SLURM_STEP_NUM_TASKS", Some(16), None)));
        assert_eq!(found(&[("PMIX_RANK", "3")]), Some(("PMIX_RANK", None, None)));
        assert_eq!(found(&[("PMI_SIZE", "many")]), Some(("PMI_SIZE", None, None)));
    }
}
