//! metrics-exporter-prometheus with the buckets of the default names.

use campanile_recorder::Profile as NameTable;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder};

/// The bounds of histograms of seconds.
const SECONDS: [f64; 17] = [
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];

/// The further bounds for whole responses, which may stream for long.
const LONG_SECONDS: [f64; 3] = [30.0, 60.0, 300.0];

/// Returns the builder with the buckets of the default names and of a name table.
pub(super) fn builder(table: Option<&NameTable>) -> Result<PrometheusBuilder, BuildError> {
    let long: Vec<f64> = SECONDS.into_iter().chain(LONG_SECONDS).collect();
    let mut builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)?
        .set_buckets_for_metric(
            Matcher::Full("http_server_response_duration_seconds".to_owned()),
            &long,
        )?
        .set_buckets_for_metric(Matcher::Suffix("_bytes".to_owned()), &bytes())?;
    for (name, bounds) in table.into_iter().flat_map(NameTable::buckets) {
        builder = builder.set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)?;
    }
    Ok(builder)
}

/// Returns the bounds 0, 256, 1 KiB, and times 4 up to 64 MiB.
fn bytes() -> Vec<f64> {
    let powers = (0..10_i32).map(|step| 256.0 * 4_f64.powi(step));
    std::iter::once(0.0).chain(powers).collect()
}
