//! For tests of other crates, behind the feature `testing`: a network and a loss that no registry has by itself.

mod product;
mod softplus;

pub use product::product;
pub use softplus::softplus;
