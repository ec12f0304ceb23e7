//! A simulated world: one seed makes a day and a night at a gate, with residents, strangers, tailgaters, fire,
//! power cuts, noise and all that breaks. The gate's own code decides: `access` in the middle, cards through
//! `wire::wiegand`, rights from a signed `allowlist`, events numbered by `journal`. A second opinion watches
//! that what must hold does hold after every step, and counts how often there was something to hold.
//!
//! What never enters: real pins, disks, sockets, clocks. A seed plays the same everywhere, so one that fails
//! is a finding that anybody can look at; [`shrink`] leaves out of it what it doesn't need to fail.

mod acts;
mod after;
mod disk;
mod gates;
mod judge;
mod plan;
mod rng;
mod site;
mod turn;
mod watch;
mod world;

#[cfg(test)]
mod tests;

pub use watch::{RULES, Rule, Watch};

use plan::{Act, Plan};
use site::Office;
use world::{Outcome, World};

/// What many days came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub days: u64,
    pub presentations: u64,
    /// The fewest of any day.
    pub fewest_presentations: u64,
    pub faults: u64,
    pub fewest_faults: u64,
    pub watch: Watch,
    /// The first seed with a broken invariant.
    pub failed: Option<u64>,
}

/// Plays `days` days from `seed` on, and stops at the first that breaks something.
pub fn run(seed: u64, days: u64) -> Option<Report> {
    let office = Office::new()?;
    let mut report =
        Report { fewest_presentations: u64::MAX, fewest_faults: u64::MAX, ..Report::default() };
    for seed in seed..seed + days {
        let plan = Plan::new(seed);
        let watch = World::new(&plan, &office, false)?.play().watch;
        let presentations = plan.presentations();
        let faults = plan.actors.iter().filter(|a| a.act.is_fault()).count() as u64;
        report.days += 1;
        report.presentations += presentations;
        report.fewest_presentations = report.fewest_presentations.min(presentations);
        report.faults += faults;
        report.fewest_faults = report.fewest_faults.min(faults);
        report.watch.add(&watch);
        if watch.broken.is_some() {
            report.watch.broken = watch.broken;
            report.failed = Some(seed);
            break;
        }
    }
    Some(report)
}

/// A day's timeline, and what it broke and how.
pub type Played = (Vec<String>, Option<(Rule, String)>);

/// The timeline of a day, what broke, and the day as the gate records its inputs.
pub fn replay(seed: u64) -> Option<(Played, String)> {
    let office = Office::new()?;
    let plan = Plan::new(seed);
    let Outcome { watch, log, record } = World::new(&plan, &office, true)?.play();
    Some(((log, watch.broken), record))
}

/// Leaves out one actor after the other as long as the same invariant still breaks, and gives the timeline
/// that remains.
pub fn shrink(seed: u64) -> Option<Played> {
    let office = Office::new()?;
    let mut plan = Plan::new(seed);
    let watch = World::new(&plan, &office, false)?.play().watch;
    let (rule, _) = watch.broken?;
    let still = |plan: &Plan| {
        let broken = World::new(plan, &office, false).and_then(|w| w.play().watch.broken);
        broken.is_some_and(|(r, _)| r == rule)
    };
    let mut size = plan.actors.len();
    while size > 0 {
        let mut at = 0;
        while at < plan.actors.len() {
            let mut fewer = plan.clone();
            fewer.actors.drain(at..(at + size).min(plan.actors.len()));
            if still(&fewer) {
                plan = fewer;
            } else {
                at += size;
            }
        }
        size /= 2;
    }
    let Outcome { watch, log, .. } = World::new(&plan, &office, true)?.play();
    Some((log, watch.broken))
}

impl Plan {
    fn presentations(&self) -> u64 {
        let of = |act: &Act| match act {
            Act::Comes { .. }
            | Act::Leaves { .. }
            | Act::UnknownCard { .. }
            | Act::UnknownFace
            | Act::StaleFace { .. }
            | Act::DeadFace { .. } => 1,
            Act::Guesses { cards, .. } => u64::from(*cards),
            _ => 0,
        };
        self.actors.iter().map(|a| of(&a.act)).sum()
    }
}
