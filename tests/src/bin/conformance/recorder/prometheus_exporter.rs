//! metrics-exporter-prometheus with the fixed buckets of the default names, which it does not know by itself.

use campanile_recorder::Profile as Table;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// The bounds of histograms of seconds.
const SECONDS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// What follows them for whole answers, which may stream for long.
const LONG_SECONDS: [f64; 3] = [30.0, 60.0, 300.0];

/// The recorder, as it is set up for the default names, and those of a table.
pub(super) fn builder(table: Option<&Table>) -> Result<PrometheusBuilder, BuildError> {
    let long: Vec<f64> = SECONDS.into_iter().chain(LONG_SECONDS).collect();
    let mut builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full("http_server_response_duration_seconds".to_owned()),
            &long,
        )?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &bytes())?;
    for (name, bounds) in table.into_iter().flat_map(Table::buckets) {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)?;
    }
    Ok(builder)
}

/// 0, 256, 1 KiB, and times 4 up to 64 MiB.
fn bytes() -> Vec<f64> {
    let powers = (0..10_i32).map(|step| 256.0 * 4_f64.powi(step));
    std::iter::once(0.0).chain(powers).collect()
}
