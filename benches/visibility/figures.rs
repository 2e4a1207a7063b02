//! The figures of a run, and how they are printed.

use super::{Ask, Failure};

/// What a run leaves for the next and for the end.
pub struct Outcome {
    /// Of all pages, in seconds.
    pub p99: f64,
    pub last: String,
}

/// The figures of one case.
pub struct Case {
    pub kind: String,
    pub ask: Ask,
    pub seconds: f64,
    pub ratio: f64,
    pub buffers: i64,
    pub right: bool,
    pub stopped: bool,
}

struct Spread {
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

fn spread(mut of: Vec<f64>) -> Spread {
    of.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (of.len().saturating_sub(1) as f64 * share).round() as usize;
        of.get(place).copied().unwrap_or(0.0)
    };
    Spread {
        p50: at(0.50),
        p95: at(0.95),
        p99: at(0.99),
        max: at(1.0),
    }
}

pub fn report(name: &str, cases: &[Case], bounds: &[f64]) -> Result<Outcome, Failure> {
    let bound = spread(bounds.to_vec());
    println!(
        "{name}: lower bound p50={:.3} p95={:.3} p99={:.3} ms",
        bound.p50 * 1e3,
        bound.p95 * 1e3,
        bound.p99 * 1e3
    );
    let worst = |of: &[&Case]| {
        of.iter()
            .max_by(|a, b| a.ratio.total_cmp(&b.ratio))
            .map_or(String::new(), |case| {
                format!("{},{}", case.kind, case.ask.label())
            })
    };
    for ask in Ask::ALL {
        let of: Vec<&Case> = cases.iter().filter(|case| case.ask == ask).collect();
        let ms = spread(of.iter().map(|case| case.seconds * 1e3).collect());
        let ratio = spread(of.iter().map(|case| case.ratio).collect());
        println!(
            "{name}: {:<22} ms p50={:.3} p95={:.3} p99={:.3} | /bound p50={:.2} p95={:.2} p99={:.2} max={:.2} worst={} | buffers max={} | wrong={} stopped={}",
            ask.label(),
            ms.p50,
            ms.p95,
            ms.p99,
            ratio.p50,
            ratio.p95,
            ratio.p99,
            ratio.max,
            worst(&of),
            of.iter().map(|case| case.buffers).max().unwrap_or(0),
            of.iter().filter(|case| !case.right).count(),
            of.iter().filter(|case| case.stopped).count(),
        );
    }
    println!("{name}: by kind, ms (times the bound), first page | 300 days deep | by name | count");
    for case in cases.iter().filter(|case| case.ask == Ask::First) {
        if case.kind.starts_with("random") {
            continue;
        }
        let cell = |ask| {
            cases
                .iter()
                .find(|other| other.kind == case.kind && other.ask == ask)
                .map_or(String::new(), |c| {
                    format!(
                        "{:.2} ({:.1}, {} buffers)",
                        c.seconds * 1e3,
                        c.ratio,
                        c.buffers
                    )
                })
        };
        println!(
            "  {:<18} {} | {} | {} | {}",
            case.kind,
            cell(Ask::First),
            cell(Ask::Deep),
            cell(Ask::ByName),
            cell(Ask::Count)
        );
    }
    let nothing = cases
        .iter()
        .find(|case| case.kind == "sees nothing" && case.ask == Ask::First);
    if let Some(case) = nothing {
        println!("{name}: member who sees nothing / bound {:.2}", case.ratio);
    }
    let pages: Vec<&Case> = cases.iter().filter(|case| case.ask.is_page()).collect();
    let ratio = spread(pages.iter().map(|case| case.ratio).collect());
    Ok(Outcome {
        p99: spread(pages.iter().map(|case| case.seconds).collect()).p99,
        last: format!(
            "page/bound p50={:.2} p95={:.2} p99={:.2} max={:.2} worst=<{}>",
            ratio.p50,
            ratio.p95,
            ratio.p99,
            ratio.max,
            worst(&pages)
        ),
    })
}

/// The shortest.
pub fn least(of: &[f64]) -> f64 {
    of.iter().copied().fold(f64::INFINITY, f64::min)
}
