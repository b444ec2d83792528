//! Metrics that know how they would vary on other rows.

/// A metric of one model on one set of rows, with its variance over draws of rows.
pub trait OverRows: Sized {
    /// The metric.
    fn value(&self) -> f64;

    /// The average of several models on the same rows; `None` if there is none, or rows differ.
    fn mean(models: &[Self]) -> Option<Self>;

    /// The variance of the metric over draws of rows; `None` if there are too few.
    fn variance(&self) -> Option<f64>;

    /// The difference to another model **on the same rows in the same order**, itself such a metric, without variance
    /// between equal models; `None` if rows differ.
    fn difference(&self, other: &Self) -> Option<Self>;
}
