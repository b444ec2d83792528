//! PLE's schedule of weights. H. Tang et al., *Progressive Layered Extraction (PLE): A Novel Multi-Task Learning Model for
//! Personalized Recommendations*, RecSys 2020, eq. 9-10.
//!
//! `L = Σ_t w_t^(k) L_t`, `w_t^(k) = w_t,0 · γ_t^k`, with `k` the whole epochs before this one, `w_t,0` the task's
//! `train.task_weights`, and `L_t = Σ_i δ_t^i loss_t^i / Σ_i δ_t^i` the mean over the task's own sample space,
//! `tasks[].where`.
//!
//! Differs from the paper: nothing.

/// `γ^k` of each task.
pub(crate) fn weights(gammas: impl Iterator<Item = f64>, epochs: u32) -> Vec<f64> {
    gammas.map(|gamma| gamma.powf(f64::from(epochs))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn two_tasks_drift_apart_epoch_by_epoch() {
        assert_eq!(super::weights([0.5, 1.0].into_iter(), 0), [1.0, 1.0]);
        assert_eq!(super::weights([0.5, 2.0].into_iter(), 3), [0.125, 8.0]);
    }
}
