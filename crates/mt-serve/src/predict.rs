//! `/predict`: `{"rows": [{"user_id": 17, "tags": ["a", "b"]}, ...], "score": "like ^ 0.3 * completion", "top_k": 10}`.

mod digits;
mod request;

use mt_bundle::Predictions;
use mt_features::{FieldCoverage, Formula};
use serde::Serialize;

use crate::fault::Fault;
use crate::models::{Buffers, Model};

/// An answer, and how many rows it is about.
#[derive(Debug)]
pub(crate) struct Answered {
    pub body: Vec<u8>,
    pub rows: usize,
    /// How much of them each field of the model knows.
    pub fields: Vec<FieldCoverage>,
    /// Bytes of the JSON in front, where binary tensors follow it.
    pub json: Option<usize>,
}

/// Predicts the rows of a request of at most `limit` rows.
pub(crate) fn answer(model: &Model, body: &[u8], limit: usize) -> Result<Answered, Fault> {
    model.with_buffers(|Buffers { rows, predictions }| {
        let request = request::read(body, rows, limit)?;
        let score = match &request.score {
            Some(text) => Some(Formula::parse(text, &model.names).map_err(Fault::bad)?),
            None => None,
        };
        let score = score.as_ref().or(model.score.as_ref());
        if request.top_k.is_some() && score.is_none() {
            return Err(Fault::bad("top_k needs a score, such as \"score\": \"TASK ^ 0.5 * TASK\""));
        }
        model.predictor.predict_into(rows, predictions).map_err(|error| Fault::failed(&error))?;
        let scores = score.map(|score| scores(score, predictions));
        let body = match (request.top_k, &scores) {
            (Some(k), Some(scores)) => ranked(model, &highest(scores, k)),
            (_, scores) => all(model, predictions, scores.as_deref()),
        };
        let fields = rows.fields().iter().map(FieldCoverage::of).collect();
        Ok(Answered { body, rows: rows.len(), fields, json: None })
    })
}

/// The final score of each row, `None` where it is no number.
pub(crate) fn scores(score: &Formula, predictions: &Predictions) -> Vec<Option<f64>> {
    score.eval_rows(predictions.values(), predictions.width())
}

/// The `k` rows with the highest scores and these, highest first; of equal ones the first row, and last those without.
fn highest(scores: &[Option<f64>], k: usize) -> Vec<(usize, Option<f64>)> {
    let mut order: Vec<(usize, Option<f64>)> = scores.iter().copied().enumerate().collect();
    let score = |(_, score): &(usize, Option<f64>)| score.unwrap_or(f64::NEG_INFINITY);
    let before = |a: &(usize, Option<f64>), b: &(usize, Option<f64>)| {
        score(b).total_cmp(&score(a)).then(a.0.cmp(&b.0))
    };
    if k < order.len() {
        // Only what is asked for is sorted.
        order.select_nth_unstable_by(k, before);
        order.truncate(k);
    }
    order.sort_unstable_by(before);
    order
}

/// `{"model":"video","version":"3",`
fn head(model: &Model) -> Vec<u8> {
    let mut out = Vec::with_capacity(256);
    out.extend_from_slice(b"{\"model\":");
    json(&mut out, model.name());
    out.extend_from_slice(b",\"version\":");
    json(&mut out, &model.version);
    out.push(b',');
    out
}

fn all(model: &Model, predictions: &Predictions, scores: Option<&[Option<f64>]>) -> Vec<u8> {
    let mut out = head(model);
    // "0.12345678" and a little more for the smallest.
    out.reserve(predictions.len() * model.keys.iter().map(|(key, _)| key.len() + 16).sum::<usize>());
    out.extend_from_slice(b"\"predictions\":");
    list(&mut out, predictions.values().chunks_exact(predictions.width()), |out, row| {
        for (key, at) in &model.keys {
            out.extend_from_slice(key);
            match &row[at.clone()] {
                [one] => json(out, one),
                classes => json(out, classes),
            }
        }
        out.push(b'}');
    });
    if let Some(scores) = scores {
        out.extend_from_slice(b",\"scores\":");
        json(&mut out, scores);
    }
    out.push(b'}');
    out
}

fn ranked(model: &Model, highest: &[(usize, Option<f64>)]) -> Vec<u8> {
    let mut out = head(model);
    out.extend_from_slice(b"\"ranked\":");
    list(&mut out, highest.iter(), |out, (row, score)| {
        out.extend_from_slice(b"{\"row\":");
        json(out, row);
        out.extend_from_slice(b",\"score\":");
        json(out, score);
        out.push(b'}');
    });
    out.push(b'}');
    out
}

fn list<T>(out: &mut Vec<u8>, items: impl Iterator<Item = T>, mut write: impl FnMut(&mut Vec<u8>, T)) {
    out.push(b'[');
    for (i, item) in items.enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write(out, item);
    }
    out.push(b']');
}

/// Numbers in the shortest form that reads back the same; null for what is infinite.
pub(crate) fn json<T: Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) {
    // Writing texts and numbers to memory does not fail.
    let _ = serde_json::to_writer(out, value);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_scores_come_first_and_those_without_last() {
        let scores = [Some(0.5), None, Some(0.9), Some(0.5), Some(f64::MIN)];
        let rows = |k| highest(&scores, k).into_iter().map(|(row, _)| row).collect::<Vec<_>>();
        assert_eq!(rows(3), [2, 0, 3]);
        assert_eq!(rows(9), [2, 0, 3, 4, 1]);
        assert!(rows(0).is_empty());
    }
}
