//! How often a single error on the wires makes another card's number, for each format: the table in
//! `docs/wiegand.md`. Prints Markdown. Run with `cargo bench --bench wrong_numbers`.

#[path = "../tests/wiegand/measure.rs"]
mod measure;

use eithergate::wire::format::builtins;
use measure::{Ending, INTERVAL, MOMENTS, PULSE, Share, measure};

const CARDS: u64 = 100;

fn percent(share: Share) -> String {
    match share.wrong {
        0 => "0".into(),
        wrong if wrong == share.of => "100 %".into(),
        wrong => format!("{:.1} %", 100.0 * wrong as f64 / share.of as f64),
    }
}

fn main() {
    println!(
        "{CARDS} cards each, pulses of {} us every {} us with 10 % jitter, {MOMENTS} moments a bit.\n",
        PULSE.as_micros(),
        INTERVAL.as_micros()
    );
    println!(
        "| Format | Bits | Added, cut at once | Added | Lost | Swapped | Bare edges | Any format: added | lost | swapped |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|");
    let all = builtins();
    for format in &all {
        let only = std::slice::from_ref(format);
        let at_once = measure(format, only, Ending::AtOnce, CARDS);
        let quiet = measure(format, only, Ending::Quiet, CARDS);
        let gap = measure(format, &all, Ending::Gap, CARDS);
        println!(
            "| `{}` | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            format.name(),
            format.bits(),
            percent(at_once.added),
            percent(quiet.added),
            percent(quiet.lost),
            percent(quiet.swapped),
            percent(quiet.edges),
            percent(gap.added),
            percent(gap.lost),
            percent(gap.swapped),
        );
    }
}
