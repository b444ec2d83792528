//! What files hold before there is a configuration, and what should not be among the inputs once there is one.
//!
//! [`Profile`] looks at columns: types, values, ranges, what is missing. [`leaks()`] finds inputs that give a label away.
//!
//! Cells are split and mean what they do in training: they come through the same reader.
//!
//! ```
//! use mt_profile::{Kind, Profile, Sample};
//!
//! let file = std::env::temp_dir().join("profile-example.csv");
//! std::fs::write(&file, "user_id;age;tags;like\n17;31;a|b;0\n4;NULL;b;1\n17;31;a|c;0\n").expect("writes");
//! let profile = Profile::read(&file.display().to_string().into(), &Sample::default(), &|_| ())?;
//! assert_eq!(profile.csv.delimiter, ';');
//! let kinds: Vec<&Kind> = profile.columns.iter().map(|column| &column.kind).collect();
//! assert_eq!(kinds, [&Kind::Identifier, &Kind::Number, &Kind::List(Some('|')), &Kind::Flag]);
//! assert_eq!(profile.columns[1].missing_texts, [("NULL", 1)]);
//! # Ok::<(), mt_data::Error>(())
//! ```

mod alone;
mod column;
mod dialect;
mod hints;
mod kind;
mod leaks;
mod list;
mod no_numbers;
mod profile;
mod tally;

pub use column::{ColumnProfile, ListLengths, NumberRange};
pub use kind::Kind;
pub use leaks::{Evidence, Leak, leaks};
pub use no_numbers::NoNumbers;
pub use profile::{Profile, Sample};

/// The example of this crate's page, compiled as a doctest.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
