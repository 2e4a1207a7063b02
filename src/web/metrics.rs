//! Figures for Prometheus, served on their own address (`INSIGHT_METRICS_LISTEN`) and nowhere else.

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use crate::App;

/// The registry of one application.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    pool: IntGaugeVec,
    outbox: IntGaugeVec,
}

impl Default for Metrics {
    fn default() -> Self {
        Metrics::new()
    }
}

impl Metrics {
    /// A fresh registry.
    #[allow(clippy::expect_used)] // names and labels are constants: a wrong one fails every test
    pub fn new() -> Metrics {
        let registry = Registry::new();
        let opts = |name: &str, help: &str| Opts::new(name, help);
        let requests = IntCounterVec::new(
            opts("http_requests_total", "Answered requests."),
            &["route", "method", "status"],
        )
        .expect("constant");
        let seconds = HistogramVec::new(
            HistogramOpts::new("http_request_seconds", "Time to answer.").buckets(vec![
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
            ]),
            &["route"],
        )
        .expect("constant");
        let pool = IntGaugeVec::new(
            opts("db_connections", "Connections of the database pools."),
            &["pool", "state"],
        )
        .expect("constant");
        let outbox = IntGaugeVec::new(
            opts("mail_outbox", "Messages that wait or have failed."),
            &["state"],
        )
        .expect("constant");
        for collector in [
            Box::new(requests.clone()) as Box<dyn prometheus::core::Collector>,
            Box::new(seconds.clone()),
            Box::new(pool.clone()),
            Box::new(outbox.clone()),
        ] {
            registry.register(collector).expect("registered once");
        }
        Metrics {
            registry,
            requests,
            seconds,
            pool,
            outbox,
        }
    }

    /// Counts one answer. `route` is the pattern of the table, never the path: paths hold ids without end.
    pub(super) fn answered(&self, route: &str, method: &str, status: u16, seconds: f64) {
        // A client may invent methods without end, too.
        let method = match method {
            "GET" | "HEAD" | "POST" => method,
            _ => "other",
        };
        self.requests
            .with_label_values(&[route, method, &status.to_string()])
            .inc();
        self.seconds.with_label_values(&[route]).observe(seconds);
    }

    /// The text format of Prometheus, with the gauges read now.
    pub fn render(&self, app: &App) -> crate::Result<String> {
        for (pool, connections, idle) in app.db.state() {
            self.pool
                .with_label_values(&[pool, "idle"])
                .set(i64::from(idle));
            self.pool
                .with_label_values(&[pool, "busy"])
                .set(i64::from(connections.saturating_sub(idle)));
        }
        for (state, count) in crate::mail::outbox::waiting(app)? {
            self.outbox.with_label_values(&[state]).set(count);
        }
        let mut out = Vec::new();
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut out)
            .map_err(crate::Error::internal)?;
        String::from_utf8(out).map_err(crate::Error::internal)
    }
}
