//! The configured lines and whoever has them: which backend is opened, what is safe, what a board does to
//! lines that nobody drives.

use crate::config::{Backend, Board, Config, Hardware, Link, reset_pull};
use crate::domain::Bias;
use crate::io::clock::SystemClock;
use crate::io::{Lines, Pair, PinSink, Pins, Sight, Switch, gpiochip, rpi};
#[cfg(feature = "sim")]
use {crate::io::sim, std::path::Path};

/// Where a Linux machine with a device tree says what it is.
const MODEL: &str = "/proc/device-tree/model";

/// Why there are no pins.
#[derive(Debug, thiserror::Error)]
pub enum PinsError {
    #[error("{0}")]
    Gpiochip(#[from] gpiochip::GpiochipError),
    #[error("{0}")]
    Rpi(#[from] rpi::RpiError),
    #[cfg(feature = "sim")]
    #[error("{0}")]
    Sim(#[from] sim::SimError),
    #[error("{name}: {why}")]
    ResetPull { name: String, why: String },
    /// Set safe, but not safe any more once it was let go.
    #[error(
        "{name} was set safe, but this kernel makes line {line} an input again when it is let go, and the board \
         pulls it to the other level: fit a stronger resistor outside that pulls it to its safe level, or use another line"
    )]
    FellBack { name: String, line: u32 },
}

/// Each output line with the level it is left in while nobody decides.
pub fn safe_levels(config: &Config) -> impl Iterator<Item = (u32, bool)> {
    config.outputs().into_iter().map(|(_, output)| (output.line, output.safe_level()))
}

/// The board as configured, or else as the machine says.
fn board(hardware: &Hardware) -> Board {
    hardware.board.unwrap_or_else(|| board_of(&std::fs::read(MODEL).unwrap_or_default()))
}

fn board_of(model: &[u8]) -> Board {
    if model.starts_with(b"Raspberry Pi") { Board::RaspberryPi } else { Board::Other }
}

/// Outputs that the board energises before anybody drives them, with what to do. A gate that opens while it
/// boots doesn't start: the configuration refuses it where it names the board, and this where it doesn't.
pub fn reset_pulls(config: &Config) -> Vec<PinsError> {
    let board = board(&config.hardware);
    let outputs = config.outputs().into_iter();
    outputs
        .filter(|(_, output)| output.energised_at_reset(board))
        .map(|(name, output)| PinsError::ResetPull { name, why: reset_pull(output.line) })
        .collect()
}

/// Outputs that only the relay board's own resistor keeps released while the computer boots.
pub fn reset_leanings(config: &Config) -> Vec<String> {
    let board = board(&config.hardware);
    let outputs = config.outputs().into_iter();
    outputs.filter(|(_, output)| output.leans_energised_at_reset(board)).map(|(n, _)| n).collect()
}

fn pairs(config: &Config) -> impl Iterator<Item = (&str, Pair)> {
    config.readers.iter().filter_map(|reader| match &reader.link {
        Link::Wiegand(w) => {
            Some((reader.name.as_str(), Pair { lines: [w.d0, w.d1], bias: w.bias }))
        }
        _ => None,
    })
}

fn lines(config: &Config) -> Lines {
    let switches = config.inputs().into_iter();
    Lines {
        pairs: pairs(config).map(|(_, pair)| pair).collect(),
        switches: switches
            .map(|(_, i)| Switch { line: i.line, bias: i.bias, debounce: i.debounce })
            .collect(),
        outputs: safe_levels(config).collect(),
    }
}

#[cfg(feature = "sim")]
fn sim_wiring(config: &Config, socket: &Path, keep: bool) -> sim::Wiring {
    let (inputs, outputs) = (config.inputs().into_iter(), config.outputs().into_iter());
    sim::Wiring {
        socket: socket.into(),
        released: if keep { sim::Released::Keep } else { sim::Released::Reset },
        pulled_up: if config.hardware.board == Some(Board::RaspberryPi) { 9 } else { 0 },
        readers: pairs(config)
            .map(|(name, pair)| {
                let [d0, d1] = pair.lines;
                sim::ReaderLines { name: name.into(), d0, d1 }
            })
            .collect(),
        inputs: inputs
            .map(|(name, i)| sim::InputLine {
                name,
                line: i.line,
                active_high: i.active_high,
                debounce: i.debounce,
            })
            .collect(),
        outputs: outputs
            .map(|(name, o)| sim::OutputLine {
                name,
                line: o.line,
                active_high: o.active_high,
                safe_high: o.safe_level(),
            })
            .collect(),
    }
}

/// Opens the configured pins, outputs safe from the first moment; what happens on them goes to `sink`.
pub(super) fn open(config: &Config, sink: PinSink) -> Result<Box<dyn Pins>, PinsError> {
    if let Some(pulled) = reset_pulls(config).into_iter().next() {
        return Err(pulled);
    }
    Ok(match &config.hardware.backend {
        Backend::Gpiochip { chip } => {
            Box::new(gpiochip::open(chip, &lines(config), SystemClock, sink)?)
        }
        Backend::Rppal => Box::new(rpi::open(&lines(config), SystemClock, sink)?),
        #[cfg(feature = "sim")]
        Backend::Sim { socket, keep } => {
            Box::new(sim::open(sim_wiring(config, socket, *keep), SystemClock, sink)?)
        }
    })
}

/// Puts every output in its safe state without a daemon, and makes sure that it stays there.
pub fn make_safe(config: &Config) -> Result<(), PinsError> {
    let levels: Vec<_> = safe_levels(config).collect();
    let left = match &config.hardware.backend {
        Backend::Gpiochip { chip } => gpiochip::set_levels(chip, &levels)?,
        Backend::Rppal => rpi::set_levels(&levels)?,
        #[cfg(feature = "sim")]
        Backend::Sim { socket, keep } => sim::set_safe(&sim_wiring(config, socket, *keep))?,
    };
    for (name, output) in config.outputs() {
        let (line, safe) = (output.line, output.safe_level());
        if left.iter().any(|sight| sight.line == line && sight.high == Some(!safe)) {
            return Err(PinsError::FellBack { name, line });
        }
    }
    Ok(())
}

/// How lines stand, without taking any that somebody has.
pub fn look(config: &Config, lines: &[u32], bias: Option<Bias>) -> Result<Vec<Sight>, PinsError> {
    Ok(match &config.hardware.backend {
        Backend::Gpiochip { chip } => gpiochip::look(chip, lines, bias)?,
        Backend::Rppal => rpi::look(lines)?,
        #[cfg(feature = "sim")]
        Backend::Sim { socket, keep } => sim::look(&sim_wiring(config, socket, *keep), lines)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raspberry_pi_says_so_itself() {
        assert_eq!(board_of(b"Raspberry Pi 4 Model B Rev 1.5\0"), Board::RaspberryPi);
        assert_eq!(board_of(b"BeagleBoard.org BeaglePlay\0"), Board::Other);
        assert_eq!(board_of(b""), Board::Other);
    }
}
