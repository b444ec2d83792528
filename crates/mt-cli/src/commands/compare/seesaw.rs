//! The seesaw: what learning tasks together gains on one task and costs on another, against a model that does not.

use mt_train::Config;

use super::outcome::Outcome;
use super::row::Row;
use crate::html::Effect;
use crate::report::p_value;

/// What must be said of so few seeds; `None` of enough.
pub fn caveat(seeds: usize) -> Option<&'static str> {
    match seeds {
        0 | 1 => Some(
            "one seed each: p and intervals are over rows only, of these trained models; another seed may turn a \
             difference round (--seeds 3 takes that into account)",
        ),
        2 => Some(
            "two seeds each may leave a single degree of freedom, so that only a difference of 13 standard errors has \
             p < 0.05; take --seeds 3 or more",
        ),
        _ => None,
    }
}

/// Which configuration the others are compared with: the first single-task model, else the first of all.
pub fn baseline(configs: &[Config]) -> usize {
    configs.iter().position(|cfg| cfg.model.kind == "single-task").unwrap_or(0)
}

/// A sentence a model: which tasks win, lose, stay, and which were not tested. None for the baseline. Of several seeds.
pub fn verdicts(rows: &[Row], baseline: &str) -> Vec<String> {
    let models = rows.chunk_by(|a, b| a.model == b.model).filter(|rows| rows[0].model != baseline);
    models.map(verdict).collect()
}

fn verdict(rows: &[Row]) -> String {
    let with = |outcome: Option<Outcome>| rows.iter().filter(move |row| row.outcome == outcome);
    let moved = |row: &Row| {
        let gain = row.difference.map(|gain| format!(" ({gain:+.4})")).unwrap_or_default();
        format!("{}{gain}", row.task)
    };
    let moves = |verb: &str, outcome| {
        let tasks: Vec<String> = with(outcome).map(moved).collect();
        (!tasks.is_empty()).then(|| format!("{verb} {}", tasks.join(", ")))
    };
    let stay: Vec<&str> = with(Some(Outcome::Stays)).map(|row| row.task.as_str()).collect();
    let stays = match stay[..] {
        [] => None,
        [task] => Some(format!("{task} stays")),
        _ => Some(format!("{} stay", stay.join(", "))),
    };
    let parts = [
        moves("wins", Some(Outcome::Wins)),
        moves("loses", Some(Outcome::Loses)),
        stays,
        moves("not tested:", None),
    ];
    format!("{}: {}", rows[0].model, parts.into_iter().flatten().collect::<Vec<_>>().join("; "))
}

/// By task: the gain of every model but the baseline, where there is one.
pub fn gains(rows: &[Row], tasks: usize, baseline: &str) -> Vec<Vec<Effect>> {
    let mut gains = vec![Vec::new(); tasks];
    for (i, row) in rows.iter().enumerate() {
        let (false, Some(value)) = (row.model == baseline, row.difference) else { continue };
        let p = match p_value(row.p_value) {
            p if p.is_empty() => "not tested".into(),
            p if p.starts_with('<') => format!("p {p}"),
            p => format!("p = {p}"),
        };
        gains[i % tasks].push(Effect {
            name: row.model.clone(),
            note: format!("{value:+.4}, {p}"),
            value,
            interval: row.difference_interval,
            class: row.outcome.map(Outcome::name),
        });
    }
    gains
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(task: &str, difference: f64, outcome: Option<Outcome>) -> Row {
        Row {
            model: "ple".into(),
            task: task.into(),
            difference: Some(difference),
            difference_interval: outcome.map(|_| (difference - 0.1, difference + 0.1)),
            p_value: outcome.map(|_| 0.01),
            outcome,
            ..Row::default()
        }
    }

    #[test]
    fn a_sentence_says_what_wins_loses_and_stays() {
        let rows = [
            row("completion", 0.0012, Some(Outcome::Wins)),
            row("like", -0.0008, Some(Outcome::Loses)),
            row("profile", 0.0001, Some(Outcome::Stays)),
            row("seconds", 0.002, None),
        ];
        let said = "ple: wins completion (+0.0012); loses like (-0.0008); profile stays; not tested: seconds (+0.0020)";
        assert_eq!(verdicts(&rows, "single"), [said]);
        assert!(verdicts(&rows, "ple").is_empty());
        let gains = gains(&rows, 4, "single");
        assert_eq!(gains[1][0].note, "-0.0008, p = 0.0100");
        assert_eq!((gains[3][0].class, gains[3][0].interval), (None, None));
    }
}
