//! The same configurations with several values of some keys.

use anyhow::Result;

use crate::args::Usage;

/// One value for each key that varies.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Variation {
    /// Overrides, as behind `--set`.
    pub set: Vec<String>,
    /// What it is called behind a model's name: the last part of each key, and its value.
    pub name: String,
}

/// All combinations of `KEY=[VALUE, ...]`; a single empty one of none.
pub fn all(vary: &[String]) -> Result<Vec<Variation>> {
    let mut all = vec![Variation::default()];
    for text in vary {
        let bad = || Usage(format!("--vary {text}: expected KEY=[VALUE, VALUE, ...]"));
        let (key, values) = text.split_once('=').ok_or_else(bad)?;
        let values: Vec<serde_yaml::Value> = serde_yaml::from_str(values).map_err(|_| bad())?;
        if key.is_empty() || values.is_empty() {
            return Err(bad().into());
        }
        let mut longer = Vec::new();
        for Variation { set, name } in &all {
            for value in &values {
                // JSON is YAML on one line.
                let value = serde_json::to_string(value)?;
                let short = format!("{}={value}", key.rsplit('.').next().unwrap_or(key));
                // The name is a folder's, too.
                let name = format!("{name} {}", short.replace(['"', '/', '\\'], "")).trim().to_owned();
                longer.push(Variation { set: [&set[..], &[format!("{key}={value}")]].concat(), name });
            }
        }
        all = longer;
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_combination_is_there_in_order() {
        let vary = ["model.gate=[[], [32, 8]]", "train.loss=[a/b]"].map(str::to_owned);
        let all = all(&vary).expect("valid");
        assert_eq!(all[1].set, ["model.gate=[32,8]", "train.loss=\"a/b\""]);
        assert_eq!(
            all.iter().map(|v| v.name.as_str()).collect::<Vec<_>>(),
            ["gate=[] loss=ab", "gate=[32,8] loss=ab"]
        );
    }

    #[test]
    fn what_is_no_list_is_refused() {
        assert_eq!(all(&[]).expect("valid"), [Variation::default()]);
        for text in ["model.gate", "model.gate=3", "model.gate=[]", "=[1]", "a=[1"] {
            let error = all(&[text.to_owned()]).expect_err("must be refused").to_string();
            assert_eq!(error, format!("--vary {text}: expected KEY=[VALUE, VALUE, ...]"));
        }
    }
}
