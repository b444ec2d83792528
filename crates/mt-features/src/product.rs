//! A prediction that is a product of probabilities, as conversion chains have it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The heads whose probabilities a task's prediction is the product of: `click * cvr`.
///
/// X. Ma et al., *Entire Space Multi-Task Model: An Effective Approach for Estimating Post-Click Conversion Rate*, SIGIR 2018,
/// eq. 1: of all impressions `p(click, buy) = p(click) · p(buy | click)`, so the second factor is learned without a sample
/// of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Product {
    heads: Vec<String>,
}

impl Product {
    /// The heads' names, in order; two or more, each once.
    pub fn heads(&self) -> &[String] {
        &self.heads
    }
}

impl FromStr for Product {
    type Err = String;

    /// Reads names with `*` between them.
    fn from_str(text: &str) -> Result<Self, String> {
        let heads: Vec<String> = text.split('*').map(|head| head.trim().to_owned()).collect();
        let twice = (0..heads.len()).find(|&i| heads[..i].contains(&heads[i]));
        let problem = if heads.len() < 2 {
            "a task without `prediction` has a head of its own".to_owned()
        } else if let Some(unfit) = heads.iter().find_map(|head| unfit(head).map(|why| (head, why))) {
            format!("{:?} cannot name a head: {}", unfit.0, unfit.1)
        } else if let Some(i) = twice {
            format!("head {:?} comes twice", heads[i])
        } else {
            return Ok(Self { heads });
        };
        Err(format!(
            "expected a product of two heads or more, such as `click * cvr`, found {text:?}: {problem}"
        ))
    }
}

impl TryFrom<String> for Product {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Product> for String {
    fn from(product: Product) -> Self {
        product.to_string()
    }
}

impl fmt::Display for Product {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.heads.join(" * "))
    }
}

/// Why a name cannot be part of parameter names, if it cannot.
pub(crate) fn unfit(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        Some("it is empty")
    } else if name == "shared" {
        Some("it is reserved for the experts that all tasks share")
    } else if name.contains(|c: char| c == '.' || c == '/' || c.is_whitespace() || c.is_control()) {
        Some("dots, slashes and blanks have a meaning in parameter names")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_read_and_written() {
        let product: Product = "click*  cart *buy".parse().unwrap();
        assert_eq!(product.heads(), ["click", "cart", "buy"]);
        assert_eq!(product.to_string(), "click * cart * buy");
        for (text, problem) in [
            ("cvr", "a task without `prediction` has a head of its own"),
            ("click * click", "head \"click\" comes twice"),
            ("click * ", "\"\" cannot name a head: it is empty"),
            (
                "click * 2.5",
                "\"2.5\" cannot name a head: dots, slashes and blanks have a meaning in parameter names",
            ),
        ] {
            let found = text.parse::<Product>().unwrap_err();
            assert!(found.ends_with(&format!("found {text:?}: {problem}")), "{found}");
        }
    }
}
