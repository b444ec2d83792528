//! What is counted, in the OpenMetrics text that Prometheus reads.

use std::time::Duration;

use mt_features::FieldCoverage;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::log::LogQueue;
use crate::models::Model;
use crate::predict::Answered;

/// All metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    requests: Family<Answer, Counter>,
    seconds: Family<Route, Histogram, Seconds>,
    rows: Family<Named, Counter>,
    unknown: Family<Field, Counter>,
    missing: Family<Field, Counter>,
    values: Family<Field, Counter>,
    loads: Family<Named, Counter>,
    refusals: Family<Named, Counter>,
    versions: Family<Version, Gauge>,
    /// Requests under way.
    pub in_flight: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// Connections closed for another one.
    pub displaced: Counter,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answer {
    route: &'static str,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Named {
    model: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Field {
    model: String,
    field: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Version {
    model: String,
    version: String,
}

/// Makes a histogram of times: from 50 µs, what a row takes, by doubling to 1.6 s.
#[derive(Debug, Clone)]
struct Seconds;

impl MetricConstructor<Histogram> for Seconds {
    fn new_metric(&self) -> Histogram {
        Histogram::new((0..16).map(|i| 50e-6 * f64::from(1 << i)))
    }
}

/// Something under way, counted until it is dropped.
pub(crate) struct Counted<'a>(&'a Gauge);

impl<'a> Counted<'a> {
    pub fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    pub fn new(log: Option<&LogQueue>) -> Self {
        let mut metrics = Self {
            registry: Registry::default(),
            requests: Family::default(),
            seconds: Family::new_with_constructor(Seconds),
            rows: Family::default(),
            unknown: Family::default(),
            missing: Family::default(),
            values: Family::default(),
            loads: Family::default(),
            refusals: Family::default(),
            versions: Family::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            displaced: Counter::default(),
        };
        let registry = &mut metrics.registry;
        registry.register("mt_requests", "Requests answered", metrics.requests.clone());
        registry.register("mt_request_seconds", "From headers to answer", metrics.seconds.clone());
        registry.register("mt_rows", "Rows predicted", metrics.rows.clone());
        registry.register("mt_field_values", "Values of a field", metrics.values.clone());
        let help = "Values of a field that the model does not know";
        registry.register("mt_field_unknown_values", help, metrics.unknown.clone());
        registry.register("mt_field_missing", "Rows without a value of a field", metrics.missing.clone());
        registry.register("mt_model_loads", "Versions put in service", metrics.loads.clone());
        registry.register("mt_model_refusals", "Bundles that could not be loaded", metrics.refusals.clone());
        registry.register("mt_model_version", "1 for the version in service", metrics.versions.clone());
        registry.register("mt_requests_in_flight", "Requests under way", metrics.in_flight.clone());
        registry.register("mt_connections", "Open connections", metrics.connections.clone());
        let help = "Connections closed because their place was needed";
        registry.register("mt_connections_displaced", help, metrics.displaced.clone());
        if let Some(log) = log {
            registry.register(
                "mt_log_lines_lost",
                "Lines of the log that could not be written",
                log.counter(),
            );
        }
        metrics
    }

    pub fn answered(&self, route: &'static str, status: u16, took: Duration) {
        self.requests.get_or_create(&Answer { route, status }).inc();
        self.seconds.get_or_create(&Route { route }).observe(took.as_secs_f64());
    }

    pub fn predicted(&self, model: &Model, answered: &Answered) {
        self.rows.get_or_create_owned(&named(model.name())).inc_by(answered.rows as u64);
        let counters = model.fields.get_or_init(|| self.of_fields(model));
        for (counters, FieldCoverage { values, unknown, missing, .. }) in
            counters.iter().zip(&answered.fields)
        {
            let counted = counters.iter().zip([values, unknown, missing]).filter(|(_, n)| **n > 0);
            counted.for_each(|(counter, n)| _ = counter.inc_by(*n));
        }
    }

    /// The counters of a model's fields: values, unknown ones, rows without one.
    fn of_fields(&self, model: &Model) -> Vec<[Counter; 3]> {
        let fields = &model.predictor.signature().schema.fields;
        let counters = |name: &String| {
            let of = Field { model: model.name().to_owned(), field: name.clone() };
            [&self.values, &self.unknown, &self.missing].map(|family| family.get_or_create_owned(&of))
        };
        fields.iter().map(|field| counters(&field.name)).collect()
    }

    pub fn served(&self, model: &Model, instead_of: Option<&Model>) {
        let version =
            |model: &Model| Version { model: model.name().to_owned(), version: model.version.clone() };
        if let Some(old) = instead_of {
            self.versions.remove(&version(old));
        }
        self.versions.get_or_create(&version(model)).set(1);
        self.loads.get_or_create(&named(model.name())).inc();
    }

    pub fn refused(&self, name: &str) {
        self.refusals.get_or_create(&named(name)).inc();
    }

    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to memory does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

fn named(name: &str) -> Named {
    Named { model: name.to_owned() }
}
