//! The same first page through Django's ORM, for comparison: `django_page.py` is asked in turn with the product, on the
//! same database. Its time is that of the query and its objects alone; nothing is rendered there, and which roles a member
//! sees is looked up beforehand.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;

use insight::App;
use insight::db::types::RecordId;
use insight::permissions::Reach;
use insight::records::Desk;

use super::company::{Company, ENVIRONMENT};
use super::figures::least;
use super::{Answer, Ask, Failure, Kind, answer, expected, guard, timed};

const ROUNDS: usize = 3;
/// Beside those with a name.
const RANDOM: usize = 30;

struct Django {
    child: Child,
    asked: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Django {
    fn start(python: &str, url: &str) -> Result<(Django, String), Failure> {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/benches/visibility/django_page.py"
        );
        let mut child = Command::new(python)
            .args([script, url])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let asked = child.stdin.take().ok_or("no input")?;
        let answers = BufReader::new(child.stdout.take().ok_or("no output")?);
        let mut django = Django {
            child,
            asked,
            answers,
        };
        let ready = django.line()?;
        let version = ready
            .strip_prefix("ready ")
            .ok_or("the comparison needs the Python packages django (5) and psycopg[binary]")?
            .to_owned();
        Ok((django, version))
    }

    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }

    /// Milliseconds of the first page, and what is on it.
    fn page(&mut self, kind: &Kind, everything: bool) -> Result<(f64, Answer), Failure> {
        let all = if everything { " all" } else { "" };
        writeln!(self.asked, "{} {}{all}", kind.slot.0, kind.object.number())?;
        let line = self.line()?;
        let (took, ids) = line.split_once(' ').unwrap_or((&line, ""));
        let ids = ids
            .split(',')
            .filter(|id| !id.is_empty())
            .map(|id| id.parse().map(RecordId))
            .collect::<Result<_, _>>()?;
        Ok((took.parse()?, Answer::Ids(ids)))
    }
}

impl Drop for Django {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prints how many times as long the first page takes there, for each kind of member.
pub fn compared(
    app: &Arc<App>,
    company: &Company,
    kinds: &[Kind],
    python: &str,
    url: &str,
) -> Result<(), Failure> {
    let (mut django, version) = Django::start(python, url)?;
    let named = kinds.len() - super::RANDOM;
    let mut times: Vec<(f64, &str)> = Vec::new();
    let mut wrong = 0;
    for (place, kind) in kinds.iter().take(named + RANDOM).enumerate() {
        let can = guard(app, company, kind.slot)?;
        let rules = can.read(insight::permissions::rules)?;
        let everything = super::desk(&rules, kind.slot, kind.object)
            .is_some_and(|desk| matches!(desk.reach(), Reach::Everything));
        let looked_at = &company.by_update[0];
        let right = expected(company, &rules, kind, Ask::First, looked_at);
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            can.read(|tx| {
                ours.push(timed(|| {
                    let desk = Desk::open(tx, ENVIRONMENT, kind.object)?;
                    answer(tx, &desk, Ask::First, looked_at).map(|_| ())
                })?);
                Ok(())
            })?;
            let (took, page) = django.page(kind, everything)?;
            theirs.push(took);
            wrong += usize::from(page != right);
        }
        let (ours, theirs) = (least(&ours) * 1e3, least(&theirs));
        times.push((theirs / ours, &kind.label));
        if place < named {
            println!(
                "  {:<18} Django {version} {theirs:.2} ms, Insight {ours:.2} ms: {:.1} times",
                kind.label,
                theirs / ours
            );
        }
    }
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    if let (Some((least, of)), Some((most, worst))) = (times.first(), times.last()) {
        println!(
            "Django / Insight, first page: least={least:.1} <{of}> most={most:.1} <{worst}> wrong={wrong}"
        );
    }
    Ok(())
}
