//! A forest plot: effects with their intervals below each other, around zero.

use std::fmt::Write;

use super::scale::Scale;
use super::{WIDTH, escape, figure};

/// Room for an effect: a line of text, and the interval below it.
const ROW: f64 = 36.0;
const TEXT: f64 = 17.0;
/// The first row begins here, and the axis takes so much below the last.
const TOP: f64 = 4.0;
const AXIS: f64 = 34.0;
const SIDES: (f64, f64) = (16.0, WIDTH - 16.0);

/// One row.
#[derive(Debug, Clone)]
pub struct Effect {
    pub name: String,
    /// Said on the right, beside the name.
    pub note: String,
    pub value: f64,
    pub interval: Option<(f64, f64)>,
    /// `wins`, `loses` or `stays`, a class of the style sheet; `None` where that was not tested.
    pub class: Option<&'static str>,
}

/// The plot. `axis` says what the values are.
pub fn forest(title: &str, axis: &str, effects: &[Effect]) -> String {
    let bottom = TOP + ROW * effects.len() as f64;
    let ends = |e: &Effect| e.interval.map_or([e.value; 2], |(low, high)| [low, high]);
    let scale = Scale::new(effects.iter().flat_map(ends).chain([0.0]), SIDES);
    let mut picture = String::new();
    let ticks = scale.ticks();
    let row_top = |i: usize| TOP + ROW * i as f64;
    // Seven wide texts would touch: then every other is said, zero among them.
    let zero = ticks.iter().position(|(_, text)| text == "0").unwrap_or(0);
    let every = if ticks.len() > 6 { 2 } else { 1 };
    for (i, (at, text)) in ticks.iter().enumerate() {
        let class = if i == zero { "reference" } else { "grid" };
        // Not through the text.
        let piece = |row| format!("M{at:.1} {}V{}", row_top(row) + TEXT, row_top(row) + ROW);
        let line: String = (0..effects.len()).map(piece).collect();
        let _ = writeln!(picture, "<path class=\"{class}\" d=\"{line}\"/>");
        if i % every == zero % every {
            let y = bottom + 14.0;
            let _ = writeln!(picture, "<text class=\"middle\" x=\"{at:.1}\" y=\"{y}\">{text}</text>");
        }
    }
    let (axis_x, axis_y) = (WIDTH / 2.0, bottom + 29.0);
    let _ = writeln!(picture, "<text class=\"middle\" x=\"{axis_x}\" y=\"{axis_y}\">{}</text>", escape(axis));
    for (i, effect) in effects.iter().enumerate() {
        let (text, middle) = (row_top(i) + 13.0, row_top(i) + 26.0);
        let (name, note) = (escape(&effect.name), escape(&effect.note));
        let class = effect.class.unwrap_or("untested");
        let _ = writeln!(picture, "<text class=\"strong\" x=\"0\" y=\"{text}\">{name}</text>");
        let _ = writeln!(picture, "<text class=\"strong end\" x=\"{WIDTH}\" y=\"{text}\">{note}</text>");
        if let Some((low, high)) = effect.interval {
            let (low, high) = (scale.at(low), scale.at(high));
            let _ = writeln!(picture, "<path class=\"line {class}\" d=\"M{low:.1} {middle}H{high:.1}\"/>");
        }
        let (x, y) = (scale.at(effect.value) - 4.0, middle - 4.0);
        let _ =
            writeln!(picture, "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y}\" width=\"8\" height=\"8\"/>");
    }
    let said = |e: &Effect| {
        [Some(e.name.as_str()), e.class, Some(&e.note)].into_iter().flatten().collect::<Vec<_>>().join(" ")
    };
    let said: Vec<String> = effects.iter().map(said).collect();
    figure(title, &format!("{title}, {axis}: {}", said.join("; ")), bottom + AXIS, &picture, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn effects_stand_left_or_right_of_zero_with_their_intervals() {
        let effect = |name: &str, value: f64, class| Effect {
            name: name.into(),
            note: format!("{value:+}"),
            value,
            interval: Some((value - 1.0, value + 1.0)),
            class: Some(class),
        };
        let html = forest("like", "gain", &[effect("a<", 2.0, "wins"), effect("b", -2.0, "loses")]);
        // From -4 to 4: zero is in the middle, 2 three quarters of the way.
        assert!(html.contains("<path class=\"reference\" d=\"M160.0 21V40M160.0 57V76\"/>"), "{html}");
        assert!(html.contains("<rect class=\"wins\" x=\"228.0\""), "{html}");
        assert!(html.contains("<path class=\"line loses\" d=\"M52.0 66H124.0\"/>"), "{html}");
        assert!(html.contains("like, gain: a&lt; wins +2; b loses -2"), "{html}");
    }

    #[test]
    fn an_effect_without_an_interval_is_a_mark_alone() {
        let effect = Effect { name: "a".into(), note: "+0".into(), value: 0.0, interval: None, class: None };
        let html = forest("t", "gain", &[effect]);
        assert!(html.contains("<rect class=\"untested\"") && !html.contains("line untested"), "{html}");
        assert!(html.contains("t, gain: a +0") && !html.contains("stays"), "{html}");
    }
}
