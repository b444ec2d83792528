//! Progress on standard error: bars with rate, time left and curves on a terminal, nothing elsewhere.

mod sparkline;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use mt_data::Progress;
use mt_train::Event;

use self::sparkline::Sparkline;
use crate::print::{is_silent, note};

/// A progress bar.
pub struct Bar {
    bar: ProgressBar,
    /// The loss of each task, and of all at last.
    losses: Vec<Sparkline>,
}

impl Bar {
    /// Counts bytes of files.
    pub fn bytes(what: &'static str, quiet: bool) -> Self {
        Self::new(what, "{prefix:<9} [{bar:30}] {bytes}/{total_bytes} {bytes_per_sec} eta {eta}", quiet)
    }

    /// Counts rows of a training, with a line a task below.
    pub fn rows(quiet: bool) -> Self {
        let bar = "{prefix:<9} [{bar:20}] {human_pos}/{human_len} rows {per_sec} eta {eta}{msg}";
        Self::new("training", bar, quiet)
    }

    /// Counts things that are done, many at once.
    pub fn count(what: &'static str, total: usize, quiet: bool) -> Self {
        let bar = Self::new(what, "{prefix:<9} [{bar:30}] {human_pos}/{human_len} eta {eta}", quiet);
        bar.bar.set_length(total as u64);
        bar
    }

    /// One more is done.
    pub fn step(&self) {
        self.bar.inc(1);
    }

    fn new(what: &'static str, template: &str, quiet: bool) -> Self {
        // indicatif draws nothing where standard error is no terminal.
        let target = if quiet || is_silent() {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(8)
        };
        let bar = ProgressBar::with_draw_target(Some(0), target).with_prefix(what);
        let per_sec = |state: &indicatif::ProgressState, w: &mut dyn std::fmt::Write| {
            let _ = write!(w, "{}/s", count(state.per_sec()));
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.with_key("per_sec", per_sec).progress_chars("=> "));
        }
        Self { bar, losses: Vec::new() }
    }

    /// Shows how far reading has come.
    pub fn read(&self, progress: &Progress) {
        if let Some(total) = progress.bytes_total {
            self.bar.set_length(total);
        }
        self.bar.set_position(progress.bytes_done);
    }

    /// Shows how far training has come, and where it stands.
    pub fn train(&mut self, event: &Event, epochs: usize) {
        match event {
            Event::Started { rows, .. } => self.bar.set_length((*rows as u64).saturating_mul(epochs as u64)),
            Event::Progress { epoch, rows, loss, tasks, .. } => {
                let length = self.bar.length().unwrap_or(0);
                self.bar.set_position(length / epochs as u64 * (*epoch as u64 - 1) + *rows as u64);
                let own = tasks.values().map(|task| task.loss);
                self.losses.resize_with(tasks.len() + 1, Sparkline::default);
                self.losses.iter_mut().zip(own.chain([*loss])).for_each(|(losses, loss)| losses.push(loss));
                if self.bar.is_hidden() {
                    return;
                }
                let names = || tasks.keys().map(String::as_str).chain(["all tasks"]);
                let width = names().map(|name| name.chars().count()).max().unwrap_or(0);
                let progress = tasks.values().map(|task| (task.loss, task.auc)).chain([(*loss, None)]);
                let line = |((name, (loss, auc)), losses): ((&str, (f64, Option<f64>)), &Sparkline)| {
                    let auc = auc.map(|auc| format!("  auc {auc:.4}")).unwrap_or_default();
                    format!("\n  {name:<width$}  loss {loss:.4} {losses}{auc}")
                };
                let lines: String = names().zip(progress).zip(&self.losses).map(line).collect();
                self.bar.set_message(format!("  epoch {epoch}/{epochs}{lines}"));
            }
            _ => {}
        }
    }

    /// Prints a line above the bar.
    pub fn line(&self, text: &str) {
        self.bar.suspend(|| note(text));
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// So many a second, if that is a number.
pub fn rate(n: f64, seconds: f64) -> Option<f64> {
    Some(n / seconds).filter(|rate| rate.is_finite())
}

/// A count in short form: `812`, `81.2k`, `1.23M`.
pub fn count(n: f64) -> String {
    match n {
        n if n >= 1e6 => format!("{:.2}M", n / 1e6),
        n if n >= 1e4 => format!("{:.0}k", n / 1e3),
        n if n >= 1e3 => format!("{:.1}k", n / 1e3),
        n => format!("{n:.0}"),
    }
}

/// A duration in short form: `0.42 s`, `31 s`, `2 min 05 s`.
pub fn seconds(s: f64) -> String {
    let whole = Duration::from_secs_f64(s.max(0.0)).as_secs();
    match s {
        s if s < 10.0 => format!("{s:.2} s"),
        s if s < 100.0 => format!("{s:.0} s"),
        _ => format!("{} min {:02} s", whole / 60, whole % 60),
    }
}
