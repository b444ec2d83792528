//! Losses with other outputs, where configurations are compared and varied.

use crate::support::{Folder, rows};

#[test]
fn ziln_is_compared_with_other_losses_and_no_part_of_a_sweep() {
    let folder = Folder::new();
    folder.write("rows.csv", rows(400, 3));
    let config = |losses: &str| {
        format!(
            "version: 1\ndata: {{csv: {{train: rows.csv}}, valid_fraction: 0.25, test_fraction: 0.25}}\ntasks: [{{name: spend, \
             label: 'if(watched, 3, 0) + 2 * liked', kind: regression}}]\nmodel: {{kind: shared-bottom, bottom: [4]}}\ntrain: \
             {{epochs: 1{losses}}}\n"
        )
    };
    folder.write("mse.yaml", config(""));
    folder.write("ziln.yaml", config(", task_losses: {spend: ziln}"));
    let said = folder.mt(&["compare", "mse.yaml", "ziln.yaml", "--out", "out"]).done();
    assert!(said.contains("mse") && said.contains("ziln"), "{said}");
    let over = "train.task_losses=[{}, {spend: ziln}]";
    let refused = folder.mt(&["sweep", "mse.yaml", "--over", over, "--out", "sweep"]);
    assert!(refused.err.contains("a loss with other outputs, as ziln is"), "{}", refused.err);
}
