//! Lines over one axis: learning curves, ROC, calibration.

use std::fmt::Write;

use super::scale::Scale;
use super::{WIDTH, escape, figure};

const HEIGHT: f64 = 220.0;
/// Where the lines are: left, top, right, bottom. Room for six digits on the left, for ticks and a name below.
const PLOT: [f64; 4] = [46.0, 20.0, WIDTH - 10.0, HEIGHT - 34.0];
/// Colours of the style sheet; further lines take them again.
const COLOURS: usize = 7;

/// What a line goes through: x and y.
pub type Points = Vec<(f64, f64)>;

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shade {
    /// Thin and pale: what comes in many noisy points.
    Faint,
    /// With a dot at each point, whose value shows under the pointer.
    Dotted,
    /// The dots alone: what has no order.
    Dots,
    /// Plain.
    Plain,
}

/// A line.
#[derive(Debug, Clone)]
pub struct Series {
    /// Lines of one name and colour share a place in the legend.
    pub name: String,
    pub colour: usize,
    pub shade: Shade,
    pub points: Points,
}

/// An axis.
#[derive(Debug, Clone, Copy, Default)]
pub struct Axis<'a> {
    pub name: &'a str,
    /// What the axis holds besides the points.
    pub holds: Option<(f64, f64)>,
}

/// A chart of lines.
#[derive(Debug, Clone, Copy)]
pub struct LineChart<'a> {
    pub title: &'a str,
    pub x: Axis<'a>,
    pub y: Axis<'a>,
    /// Whether the line of equal x and y is drawn, as something to compare with.
    pub diagonal: bool,
    pub series: &'a [Series],
}

impl LineChart<'_> {
    /// The chart, or a line that says that there is nothing to draw.
    pub fn html(&self) -> String {
        let points = || self.series.iter().flat_map(|series| &series.points);
        if points().next().is_none() {
            let none = "<p class=\"none\">nothing to draw</p>\n";
            return format!("<figure>\n<figcaption>{}</figcaption>\n{none}</figure>\n", escape(self.title));
        }
        let ends = |axis: &Axis| axis.holds.into_iter().flat_map(|(low, high)| [low, high]);
        let [left, top, right, bottom] = PLOT;
        let x = Scale::new(points().map(|point| point.0).chain(ends(&self.x)), (left, right));
        let y = Scale::new(points().map(|point| point.1).chain(ends(&self.y)), (bottom, top));
        let mut picture = self.axes(&x, &y);
        if self.diagonal {
            // Where both axes still are.
            let (low, high) = (x.low().max(y.low()), x.high().min(y.high()));
            let (x0, y0, x1, y1) = (x.at(low), y.at(low), x.at(high), y.at(high));
            let _ = writeln!(picture, "<path class=\"reference\" d=\"M{x0:.1} {y0:.1}L{x1:.1} {y1:.1}\"/>");
        }
        for series in self.series {
            picture += &series.svg(&x, &y);
        }
        figure(self.title, &self.label(), HEIGHT, &picture, &self.legend())
    }

    fn axes(&self, x: &Scale, y: &Scale) -> String {
        let [left, top, right, bottom] = PLOT;
        let mut svg = String::new();
        for (at, text) in y.ticks() {
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{left} {at:.1}H{right}\"/>");
            let (text_x, text_y) = (left - 5.0, at + 4.0);
            let _ = writeln!(svg, "<text class=\"end\" x=\"{text_x}\" y=\"{text_y:.1}\">{text}</text>");
        }
        for (at, text) in x.ticks() {
            let _ = writeln!(svg, "<path class=\"grid\" d=\"M{at:.1} {top}V{bottom}\"/>");
            let text_y = bottom + 14.0;
            let _ = writeln!(svg, "<text class=\"middle\" x=\"{at:.1}\" y=\"{text_y}\">{text}</text>");
        }
        let (x_name, y_name) = (escape(self.x.name), escape(self.y.name));
        let _ = writeln!(svg, "<text class=\"end\" x=\"{right}\" y=\"{}\">{x_name}</text>", HEIGHT - 4.0);
        let _ = writeln!(svg, "<text x=\"2\" y=\"10\">{y_name}</text>");
        svg
    }

    fn label(&self) -> String {
        let end = |series: &Series| {
            let last = series.drawn().last().map_or("no points".into(), |(_, y)| format!("ends at {y:.4}"));
            format!("{} {last}", series.name)
        };
        let ends: Vec<String> = self.series.iter().map(end).collect();
        format!("{}: {} over {}; {}", self.title, self.y.name, self.x.name, ends.join(", "))
    }

    /// What each line is; nothing where a single one is what the title says.
    fn legend(&self) -> String {
        let mut items: Vec<String> = Vec::new();
        for series in self.series {
            let (class, name) = (series.class(), escape(&series.name));
            let item = format!("<li class=\"{class}\"><span>{name}</span></li>\n");
            if !items.contains(&item) {
                items.push(item);
            }
        }
        match items.len() {
            1 => String::new(),
            _ => format!("<ul class=\"legend\">\n{}</ul>\n", items.concat()),
        }
    }
}

impl Series {
    fn class(&self) -> String {
        let faint = if self.shade == Shade::Faint { " faint" } else { "" };
        format!("s{}{faint}", self.colour % COLOURS)
    }

    /// The points that have a place.
    fn drawn(&self) -> impl Iterator<Item = &(f64, f64)> {
        self.points.iter().filter(|(x, y)| x.is_finite() && y.is_finite())
    }

    fn svg(&self, x: &Scale, y: &Scale) -> String {
        let mut path = String::new();
        for (i, &(px, py)) in self.drawn().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if i == 0 { 'M' } else { 'L' }, x.at(px), y.at(py));
        }
        let mut svg = String::new();
        if self.shade != Shade::Dots {
            let _ = writeln!(svg, "<path class=\"line {}\" d=\"{path}\"/>", self.class());
        }
        if matches!(self.shade, Shade::Dotted | Shade::Dots) {
            for &(px, py) in self.drawn() {
                let (cx, cy, class, name) = (x.at(px), y.at(py), self.class(), escape(&self.name));
                let _ = writeln!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{cx:.1}\" cy=\"{cy:.1}\" r=\"2.5\"><title>{name}: {px:.4}, \
                     {py:.4}</title></circle>"
                );
            }
        }
        svg
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(name: &str, shade: Shade, points: &[(f64, f64)]) -> Series {
        Series { name: name.into(), colour: 8, shade, points: points.to_vec() }
    }

    fn chart(series: &[Series]) -> String {
        let (x, y) = (Axis { name: "x<", holds: None }, Axis { name: "y", holds: Some((0.0, 1.0)) });
        LineChart { title: "a title", x, y, diagonal: false, series }.html()
    }

    #[test]
    fn a_line_goes_through_its_points_from_the_lower_left_upwards() {
        let html = chart(&[series("a", Shade::Plain, &[(0.0, 0.0), (4.0, 1.0)])]);
        assert!(html.contains("<path class=\"line s1\" d=\"M46.0 186.0L310.0 20.0\"/>"), "{html}");
        assert!(html.contains("aria-label=\"a title: y over x&lt;; a ends at 1.0000\""), "{html}");
        assert!(!html.contains("legend"), "one line needs none: {html}");
    }

    #[test]
    fn dots_say_their_values_and_lines_of_one_name_share_the_legend() {
        let dotted = series("<b>", Shade::Dotted, &[(1.0, 0.25), (2.0, f64::NAN)]);
        let html = chart(&[dotted.clone(), dotted, series("c", Shade::Faint, &[(1.0, 0.5)])]);
        assert_eq!(html.matches("<title>&lt;b&gt;: 1.0000, 0.2500</title>").count(), 2);
        assert!(!html.contains("NaN"), "{html}");
        assert!(html.contains("<li class=\"s1\"><span>&lt;b&gt;</span></li>\n<li class=\"s1 faint\"><span>c</span></li>\n</ul>"), "{html}");
    }

    #[test]
    fn a_chart_without_points_says_so() {
        assert!(chart(&[series("a", Shade::Plain, &[])]).contains("nothing to draw"));
    }
}
