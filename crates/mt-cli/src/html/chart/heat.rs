//! A heat map: shares from 0 to 1, a row of squares a name, a column an epoch.

use std::fmt::Write;

use super::{WIDTH, escape, figure};

/// Height of a row, and the room for the axis below the last.
const ROW: f64 = 18.0;
const AXIS: f64 = 30.0;
/// Where the squares begin, right of the names, and end, left of the last value.
const SIDES: (f64, f64) = (84.0, WIDTH - 34.0);
/// So many letters fit left of the squares. Where one name has more, all stand on lines of their own above them.
const LETTERS: usize = 12;
/// Height of such a line.
const LINE: f64 = 17.0;

/// The map. Each of `rows` is a name and its values from the first column on; columns are numbered from 1.
pub fn heat(title: &str, axis: &str, rows: &[(String, Vec<f64>)]) -> String {
    let columns = rows.iter().map(|(_, values)| values.len()).max().unwrap_or(0).max(1);
    let above = rows.iter().any(|(name, _)| name.chars().count() > LETTERS);
    let (left, line) = if above { (0.0, LINE) } else { (SIDES.0, 0.0) };
    let (width, height) = ((SIDES.1 - left) / columns as f64, line + ROW);
    let mut picture = String::new();
    for (i, (name, values)) in rows.iter().enumerate() {
        let (text, top) = (height * i as f64 + 13.0, height * i as f64 + line);
        let _ = writeln!(picture, "<text class=\"strong\" x=\"0\" y=\"{text}\">{}</text>", escape(name));
        for (column, value) in values.iter().enumerate() {
            let x = left + width * column as f64;
            let opacity = value.clamp(0.0, 1.0);
            let _ = writeln!(
                picture,
                "<rect class=\"s0\" x=\"{x:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{}\" \
                 fill-opacity=\"{opacity:.2}\"/>",
                ROW - 2.0
            );
        }
        if let Some(last) = values.last() {
            let y = top + 13.0;
            let _ = writeln!(picture, "<text class=\"end\" x=\"{WIDTH}\" y=\"{y}\">{last:.2}</text>");
        }
    }
    let bottom = height * rows.len() as f64;
    let y = bottom + 12.0;
    let _ = writeln!(picture, "<text x=\"{left}\" y=\"{y}\">1</text>");
    let _ = writeln!(picture, "<text class=\"end\" x=\"{}\" y=\"{y}\">{columns}</text>", SIDES.1);
    let _ = writeln!(
        picture,
        "<text class=\"middle\" x=\"{}\" y=\"{y}\">{}</text>",
        (left + SIDES.1) / 2.0,
        escape(axis)
    );
    let said = |(name, values): &(String, Vec<f64>)| {
        format!("{name} {:.2}", values.last().copied().unwrap_or_default())
    };
    let said: Vec<String> = rows.iter().map(said).collect();
    figure(title, &format!("{title}, at the end: {}", said.join(", ")), bottom + AXIS, &picture, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_square_is_as_dark_as_its_share() {
        let html =
            heat("Gate of <like>", "epoch", &[("0".into(), vec![0.25, 1.5]), ("1".into(), vec![0.75, 0.0])]);
        assert_eq!(html.matches("<rect").count(), 4);
        assert!(html.contains("fill-opacity=\"0.25\"") && html.contains("fill-opacity=\"1.00\""), "{html}");
        assert!(html.contains("Gate of &lt;like&gt;, at the end: 0 1.50, 1 0.00"), "{html}");
    }

    #[test]
    fn names_that_do_not_fit_beside_the_squares_stand_above_them() {
        let map = |name: &str| heat("Gate", "epoch", &[(name.into(), vec![0.5]), ("0".into(), vec![0.5])]);
        let (short, long) = (map("completion.0"), map("watched_more_than_half.0"));
        assert!(short.contains("y=\"13\">completion.0<") && short.contains("x=\"84.0\" y=\"0\""), "{short}");
        assert!(long.contains("y=\"13\">watched_") && long.contains("x=\"0.0\" y=\"17\""), "{long}");
        assert!(long.contains("y=\"48\">0<") && long.contains("x=\"0.0\" y=\"52\""), "{long}");
    }
}
