//! `demo`: a whole gate on this machine: office, broker, daemon, worker, camera, pins.
//!
//! Everything is the real program started as its own process; simulated are only the pins (behind their
//! socket) and the lens (pictures played as a camera would). The verdict comes from [`eyes`]: an MQTT
//! subscriber of its own and the output socket, never from the code that decided.

pub mod eyes;
mod live;
mod machine;
pub mod pictures;
mod script;
pub mod world;

use super::Failure;
use std::io::IsTerminal;
use std::path::PathBuf;

/// A whole gate, simulated on this machine: office, broker, cards, camera, door
///
/// Keys present a card, a face or a stranger, pull the camera, kill the worker, stop the broker; a live
/// timeline shows what the pins and an MQTT subscriber saw. With --once a script is played and judged.
///
/// Examples:
///   eithergate demo
///   eithergate demo --once
///   eithergate demo --pictures ~/faces    (anna-1.jpg, anna-2.jpg, bert-1.jpg)
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Play the script, print the timeline, exit 0 only if everything expected happened
    #[arg(long)]
    once: bool,
    /// One JSON object a step: {"t_ms","what","expected","ok"}
    #[arg(long, requires = "once")]
    json: bool,
    /// Pictures of at least two people, named PERSON-1.jpg, PERSON-2.jpg, OTHER-1.jpg [default: the ones
    /// that `make setup` brought]
    #[arg(long, value_name = "DIR")]
    pictures: Option<PathBuf>,
    /// Break something on purpose, to see that the script notices
    #[arg(long, value_enum, value_name = "WHAT")]
    sabotage: Option<Sabotage>,
}

/// What can be broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// The relay never moves
    RelayStuck,
    /// The office publishes a list without anybody on it
    AllowlistEmpty,
    /// There is no broker
    BrokerAbsent,
}

pub(super) fn run(args: Args) -> Result<(), Failure> {
    let pictures = pictures::Pictures::find(args.pictures)?;
    let once = args.once || !std::io::stdin().is_terminal();
    if once && !args.once {
        eprintln!("Standard input is no terminal: playing the script, as with --once.");
    }
    if !args.json {
        println!(
            "A gate on this machine: office, Mosquitto, daemon, face worker, card reader, camera, door."
        );
        println!(
            "Simulated are the pins and the lens. Liveness is off: a picture held to the camera opens,"
        );
        println!(
            "which is how this demonstration shows a face. No real gate should run like that.\n"
        );
    }
    if once {
        script::play(args.sabotage, pictures, args.json)
    } else {
        live::play(args.sabotage, pictures)
    }
}

fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|e| Failure::Unavailable(format!("this program: {e}")))
}
