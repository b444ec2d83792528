//! One file a subcommand.

pub mod bench;
pub mod compare;
pub mod data;
pub mod eval;
pub mod explain;
pub mod export;
pub mod infer;
pub mod init;
pub mod inspect;
pub mod predict;
pub mod serve;
pub mod sweep;
pub mod train;
