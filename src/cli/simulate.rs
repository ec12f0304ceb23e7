//! `simulate`: thousands of days at simulated gates, judged step by step.

use super::Failure;
use crate::sim::{self, RULES, Report};
use std::path::PathBuf;
use std::time::Instant;

/// Play days at simulated gates and watch that what must hold does.
///
/// One seed makes one day. A day that breaks an invariant is shrunk to what it takes and printed as a timeline;
/// `--only SEED` plays one day again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How many days
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    days: u64,
    /// The first day's seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Threads to play on
    #[arg(long, default_value_t = 2)]
    threads: u64,
    /// Print this one seed's whole timeline
    #[arg(long)]
    only: Option<u64>,
    /// With --only: write the day's inputs as a gate records them, for `eithergate replay`
    #[arg(long, value_name = "FILE", requires = "only")]
    log: Option<PathBuf>,
    /// Each invariant must have had something to hold so often
    #[arg(long, default_value_t = 0)]
    least: u64,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    if let Some(seed) = args.only {
        let ((lines, broken), record) = sim::replay(seed).ok_or_else(unplayable)?;
        if let Some(path) = &args.log {
            std::fs::write(path, record)
                .map_err(|e| Failure::Unavailable(format!("{}: {e}", path.display())))?;
        }
        lines.iter().for_each(|line| println!("{line}"));
        return broken.map_or(Ok(()), |(rule, why)| {
            println!("BROKEN {rule:?}: {why}");
            Err(Failure::Negative)
        });
    }
    let start = Instant::now();
    let threads = args.threads.clamp(1, 64);
    let share = args.days.div_ceil(threads);
    let handles: Vec<_> = (0..threads)
        .map(|i| {
            let (first, days) = (i * share, share.min(args.days.saturating_sub(i * share)));
            std::thread::spawn(move || sim::run(args.seed + first, days))
        })
        .collect();
    let most = u64::MAX;
    let mut all = Report { fewest_presentations: most, fewest_faults: most, ..Report::default() };
    for handle in handles {
        let report = handle.join().ok().flatten().ok_or_else(unplayable)?;
        all.days += report.days;
        all.presentations += report.presentations;
        all.faults += report.faults;
        all.fewest_presentations = all.fewest_presentations.min(report.fewest_presentations);
        all.fewest_faults = all.fewest_faults.min(report.fewest_faults);
        all.watch.add(&report.watch);
        all.failed = all.failed.or(report.failed);
    }
    let seconds = start.elapsed().as_secs_f64();
    println!("{:<28}{:>14}  what holds", "invariant", "times met");
    for (rule, what) in RULES {
        println!("{:<28}{:>14}  {what}", format!("{rule:?}"), all.watch.met[rule as usize]);
    }
    println!(
        "\n{} gate-days, {} presentations (at least {} a day), {} faults (at least {} a day)",
        all.days, all.presentations, all.fewest_presentations, all.faults, all.fewest_faults
    );
    let hours = all.days as f64 * 24.0;
    println!("{seconds:.1} s: {:.0} simulated hours a real second", hours / seconds);
    if let Some(seed) = all.failed {
        println!("\nseed {seed} breaks something; what it takes:\n");
        if let Some((lines, broken)) = sim::shrink(seed) {
            lines.iter().for_each(|line| println!("{line}"));
            if let Some((rule, why)) = broken {
                println!("\nBROKEN {rule:?}: {why}");
            }
        }
        return Err(Failure::Negative);
    }
    let empty: Vec<_> =
        RULES.iter().filter(|(rule, _)| all.watch.met[*rule as usize] < args.least).collect();
    if !empty.is_empty() {
        println!("\nmet less than {} times: {empty:?}", args.least);
        return Err(Failure::Negative);
    }
    Ok(())
}

fn unplayable() -> Failure {
    Failure::Unavailable("the simulated world could not be made".into())
}
