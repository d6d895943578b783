//! The metrics in OpenMetrics text, put together when somebody asks. Labels come from fixed sets.

use super::counters::{BOUNDS_US, Counters};
use super::sunset::Sunset;
use crate::clock;
use crate::upstream::{Endpoint, IssuerStatus};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// The text of `/metrics`.
pub(super) fn text(
    counters: &Arc<Counters>,
    statuses: Vec<IssuerStatus>,
    started: i64,
    trusts_anyone: bool,
) -> Result<String, fmt::Error> {
    let mut registry = Registry::with_prefix("kidstamp");
    let sunset = Sunset::new(counters, &statuses, started, clock::now());
    registry.register_collector(Box::new(Metrics {
        counters: Arc::clone(counters),
        statuses,
        sunset,
        trusts_anyone,
    }));
    let mut text = String::new();
    prometheus_client::encoding::text::encode(&mut text, &registry)?;
    Ok(text)
}

#[derive(Debug)]
struct Metrics {
    counters: Arc<Counters>,
    statuses: Vec<IssuerStatus>,
    trusts_anyone: bool,
    sunset: Sunset,
}

impl Collector for Metrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        self.requests(&mut encoder)?;
        self.durations(&mut encoder)?;
        self.tokens(&mut encoder)?;
        self.snapshots(&mut encoder)?;
        self.upstream_certificate(&mut encoder)?;
        self.keys(&mut encoder)
    }
}

impl Metrics {
    fn upstream_certificate(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "1 if upstream.danger_accept_invalid_certs takes anyone for the provider";
        let unchecked = ConstGauge::new(i64::from(self.trusts_anyone));
        let name = "upstream_certificate_unchecked";
        unchecked.encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
    }

    fn requests(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family = encoder.encode_descriptor(
            "requests",
            "Requests answered",
            None,
            MetricType::Counter,
        )?;
        for (endpoint, code, count) in self.counters.requests() {
            let labels = [("endpoint", endpoint.name().to_owned()), ("code", code.to_string())];
            ConstCounter::new(count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn durations(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Time from the head of a request to the head of its response";
        let mut family = encoder.encode_descriptor(
            "request_duration_seconds",
            help,
            None,
            MetricType::Histogram,
        )?;
        for endpoint in Endpoint::ALL {
            let (classes, sum_us) = self.counters.durations(endpoint);
            let count = classes.iter().sum();
            if count == 0 {
                continue;
            }
            let bounds = BOUNDS_US.iter().map(|bound| *bound as f64 / 1e6).chain([f64::INFINITY]);
            let buckets: Vec<(f64, u64)> = bounds.zip(classes).collect();
            let labels = [("endpoint", endpoint.name())];
            family.encode_family(&labels)?.encode_histogram::<[(&str, &str); 0]>(
                sum_us as f64 / 1e6,
                count,
                &buckets,
                None,
            )?;
        }
        Ok(())
    }

    fn tokens(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let rare = self.counters.rare();
        let help = "Tokens in responses, by what happened to them and why";
        let mut family = encoder.encode_descriptor("tokens", help, None, MetricType::Counter)?;
        for ((kind, outcome, reason), count) in &rare.tokens {
            let labels = [("kind", kind.name()), ("action", outcome.name()), ("reason", reason)];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        let help = "What the rules found in tokens and token responses";
        let mut family =
            encoder.encode_descriptor("token_findings", help, None, MetricType::Counter)?;
        for (rule, count) in &rare.findings {
            let layer = rule.split('/').next().unwrap_or_default();
            ConstCounter::new(*count)
                .encode(family.encode_family(&[("layer", layer), ("rule", *rule)])?)?;
        }
        let help = "Connections that a panic ended; each is a bug";
        let panics = encoder.encode_descriptor("panics", help, None, MetricType::Counter)?;
        ConstCounter::new(rare.panics).encode(panics)?;
        let help = "Exchanges with the provider that failed, by how";
        let mut family =
            encoder.encode_descriptor("upstream_failures", help, None, MetricType::Counter)?;
        for (reason, count) in &rare.upstream_failures {
            ConstCounter::new(*count).encode(family.encode_family(&[("reason", *reason)])?)?;
        }
        let help = "Re-signed tokens in requests, turned back into the provider's own";
        let mut family = encoder.encode_descriptor("restores", help, None, MetricType::Counter)?;
        for (place, count) in &rare.restores {
            let labels = [("place", *place), ("result", "restored")];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn snapshots(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Attempts to fetch the provider's documents";
        let mut family =
            encoder.encode_descriptor("snapshot_refreshes", help, None, MetricType::Counter)?;
        for (result, count) in [
            ("success", self.statuses.iter().map(|status| status.attempts.0).sum::<u64>()),
            ("failure", self.statuses.iter().map(|status| status.attempts.1).sum::<u64>()),
        ] {
            ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
        }
        let help = "Age of the oldest documents in use";
        let mut age =
            encoder.encode_descriptor("snapshot_age_seconds", help, None, MetricType::Gauge)?;
        let oldest = self.statuses.iter().filter_map(|status| status.fetched).min();
        if let Some(fetched) = oldest {
            ConstGauge::new((clock::now() - fetched).max(0))
                .encode(age.encode_family(&[("layer", "jwks")])?)?;
        }
        let help = "Findings in the provider's current documents";
        let mut family = encoder.encode_descriptor("findings", help, None, MetricType::Gauge)?;
        let mut findings: BTreeMap<&str, i64> = BTreeMap::new();
        for finding in self.statuses.iter().flat_map(|status| &status.findings) {
            *findings.entry(finding.rule).or_default() += 1;
        }
        for (rule, count) in findings {
            let layer = rule.split('/').next().unwrap_or_default();
            ConstGauge::new(count)
                .encode(family.encode_family(&[("layer", layer), ("rule", rule)])?)?;
        }
        Ok(())
    }

    fn keys(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let mut family =
            encoder.encode_descriptor("signing_key", "Bridge keys", None, MetricType::Info)?;
        for (kid, alg, state) in self.statuses.iter().flat_map(|status| &status.keys) {
            let labels = [("kid", kid.as_str()), ("alg", alg), ("state", state)];
            family.encode_info(&labels)?;
        }
        let help = "1 for each reason for which the bridge is needed";
        let mut family =
            encoder.encode_descriptor("bridge_needed", help, None, MetricType::Gauge)?;
        for (reason, is_needed) in self.sunset.reasons() {
            ConstGauge::new(i64::from(is_needed))
                .encode(family.encode_family(&[("reason", reason)])?)?;
        }
        let help = "New configurations, by what became of them";
        let mut family =
            encoder.encode_descriptor("config_reloads", help, None, MetricType::Counter)?;
        for (result, count) in self.counters.reloads() {
            ConstCounter::new(count).encode(family.encode_family(&[("result", result)])?)?;
        }
        let mut family =
            encoder.encode_descriptor("build", "The running program", None, MetricType::Info)?;
        family.encode_info(&[("version", env!("CARGO_PKG_VERSION"))])
    }
}
