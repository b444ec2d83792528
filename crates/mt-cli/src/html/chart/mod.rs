//! Charts as SVG.
//!
//! All are drawn in a box of the same width and fill what the style sheet gives them, about as wide, so that text comes
//! out at its size. Colours are classes `s0` to `s6` of the style sheet.

mod forest;
mod heat;
mod line;
mod scale;

pub use forest::{Effect, forest};
pub use heat::heat;
pub use line::{Axis, LineChart, Points, Series, Shade};

use super::escape;

/// Width of the box.
const WIDTH: f64 = 320.0;

/// A figure: title, picture, what is below it. `label` is what a screen reader says of the picture.
fn figure(title: &str, label: &str, height: f64, picture: &str, below: &str) -> String {
    format!(
        "<figure>\n<figcaption>{}</figcaption>\n<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
         aria-label=\"{}\">\n{picture}</svg>\n{below}</figure>\n",
        escape(title),
        escape(label),
    )
}
