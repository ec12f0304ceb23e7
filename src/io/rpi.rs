//! Pins of a Raspberry Pi through `rppal`, for systems whose kernel or image makes that the easier way.
//! `gpiochip` is the better one: here outputs are written to the chip's registers, so the kernel
//! doesn't know that they are taken, and each input line has a queue of its own.
//!
//! What never enters: what a line means.

use super::{
    Bell, EdgeSource, Lines, PinEdge, PinError, PinEvent, PinSink, Pins, Pump, RawEdge, Sight,
};
use crate::domain::{Bias, Clock, Duration, Instant};
use rppal::gpio::{Error, Event, Gpio, InputPin, Level, OutputPin, Pin, Trigger};
use std::sync::{Arc, OnceLock};
use std::thread::Thread;

/// While edges come, the thread sleeps instead of waiting in the kernel, so that a question wakes it.
const ACTIVE: Duration = Duration::from_millis(50);
const NAP: Duration = Duration::from_millis(1);
/// rppal waits in whole milliseconds and can't be woken; this is how late an idle thread answers.
const IDLE: Duration = Duration::from_millis(20);
/// The kernel queue rppal asks for, per line.
const QUEUE: usize = 1_024;

/// Why the pins can't be had.
#[derive(Debug, thiserror::Error)]
pub enum RpiError {
    #[error(
        "the Raspberry Pi's pins: {0}: is this one, and may the gate's user open /dev/gpiomem? \
         Otherwise set backend = \"gpiochip\""
    )]
    Gpio(Error),
    #[error("line {line}: {cause}")]
    Line { line: u32, cause: Error },
    #[error("the pins' thread can't start: {0}")]
    Thread(#[from] std::io::Error),
}

/// Takes the lines: outputs at their given levels first. Edges go to `sink` from a thread of their own, after how
/// each switch stands now.
pub fn open(
    lines: &Lines,
    clock: impl Clock + Clone + Send + Sync + 'static,
    sink: PinSink,
) -> Result<RpiPins, RpiError> {
    let gpio = Gpio::new().map_err(RpiError::Gpio)?;
    let outputs = outputs(&gpio, &lines.outputs)?;
    let (mut pins, mut queues) = (Vec::new(), Vec::new());
    for pair in &lines.pairs {
        for line in pair.lines {
            pins.push(watch(&gpio, line, pair.bias, Duration::ZERO)?);
            // What one line loses spoils the pair.
            queues.push(pair.lines.to_vec());
        }
    }
    for switch in &lines.switches {
        let pin = watch(&gpio, switch.line, switch.bias, switch.debounce)?;
        let high = pin.read() == Level::High;
        sink(PinEvent::Level(PinEdge { line: switch.line, high, at: clock.now() }));
        pins.push(pin);
        queues.push(vec![switch.line]);
    }
    let thread = Arc::new(OnceLock::<Thread>::new());
    let source = Source {
        gpio,
        pins,
        thread: thread.clone(),
        active_until: clock.now(),
        clock: Box::new(clock.clone()),
    };
    let bell = Bell::new(move || {
        if let Some(thread) = thread.get() {
            thread.unpark();
        }
    });
    Pump::new(source, queues, &lines.switches, bell.clone(), sink).start(clock)?;
    Ok(RpiPins { outputs, bell })
}

/// Sets outputs without a daemon, and says how they stand.
pub fn set_levels(levels: &[(u32, bool)]) -> Result<Vec<Sight>, RpiError> {
    let gpio = Gpio::new().map_err(RpiError::Gpio)?;
    drop(outputs(&gpio, levels)?);
    let lines: Vec<_> = levels.iter().map(|(line, _)| *line).collect();
    look(&lines)
}

/// How lines look. rppal can't tell who has one.
pub fn look(lines: &[u32]) -> Result<Vec<Sight>, RpiError> {
    let gpio = Gpio::new().map_err(RpiError::Gpio)?;
    lines
        .iter()
        .map(|line| {
            let high = Some(pin(&gpio, *line)?.read() == Level::High);
            Ok(Sight { line: *line, holder: None, high })
        })
        .collect()
}

fn pin(gpio: &Gpio, line: u32) -> Result<Pin, RpiError> {
    let number = u8::try_from(line).unwrap_or(u8::MAX);
    gpio.get(number).map_err(|cause| RpiError::Line { line, cause })
}

fn outputs(gpio: &Gpio, levels: &[(u32, bool)]) -> Result<Vec<(u32, OutputPin)>, RpiError> {
    let mut outputs = Vec::new();
    for (line, high) in levels {
        let pin = pin(gpio, *line)?;
        // Both set the level first and then make the line an output.
        let mut output = if *high { pin.into_output_high() } else { pin.into_output_low() };
        // Left as it is when the daemon ends, not turned into an input that floats.
        output.set_reset_on_drop(false);
        outputs.push((*line, output));
    }
    Ok(outputs)
}

fn watch(gpio: &Gpio, line: u32, bias: Bias, debounce: Duration) -> Result<InputPin, RpiError> {
    let pin = pin(gpio, line)?;
    let mut input = match bias {
        Bias::PullUp => pin.into_input_pullup(),
        Bias::PullDown => pin.into_input_pulldown(),
        // The configuration doesn't let "as-is" come here.
        Bias::Off | Bias::AsIs => pin.into_input(),
    };
    let debounce = Some(debounce).filter(|d| *d > Duration::ZERO).map(Into::into);
    input.set_interrupt(Trigger::Both, debounce).map_err(|cause| RpiError::Line { line, cause })?;
    Ok(input)
}

/// The lines of one gate.
pub struct RpiPins {
    outputs: Vec<(u32, OutputPin)>,
    bell: Bell,
}

impl Pins for RpiPins {
    fn set(&mut self, line: u32, high: bool) -> Result<(), PinError> {
        match self.outputs.iter_mut().find(|(l, _)| *l == line) {
            Some((_, output)) => {
                output.write(Level::from(high));
                Ok(())
            }
            None => Err(PinError::Line { line, cause: std::io::Error::other("no output") }),
        }
    }

    fn ask(&mut self) {
        self.bell.ring();
    }
}

struct Source {
    gpio: Gpio,
    pins: Vec<InputPin>,
    thread: Arc<OnceLock<Thread>>,
    clock: Box<dyn Clock + Send>,
    active_until: Instant,
}

impl Source {
    fn next(&self, wait: Duration) -> std::io::Result<Option<(usize, Event)>> {
        let pins: Vec<_> = self.pins.iter().collect();
        loop {
            match self.gpio.poll_interrupts(&pins, false, Some(wait.into())) {
                Ok(None) => return Ok(None),
                Ok(Some((pin, event))) => {
                    let queue = self.pins.iter().position(|p| p.pin() == pin.pin());
                    return Ok(queue.map(|queue| (queue, event)));
                }
                Err(Error::Io(e)) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(Error::Io(e)) => return Err(e),
                Err(e) => return Err(std::io::Error::other(e.to_string())),
            }
        }
    }
}

impl EdgeSource for Source {
    fn take(&mut self, wait: Duration, into: &mut Vec<RawEdge>) -> std::io::Result<Instant> {
        self.thread.get_or_init(std::thread::current);
        let active = self.clock.now() < self.active_until;
        let mut found = None;
        if active {
            std::thread::park_timeout(wait.min(NAP).into());
        } else {
            found = self.next(wait.min(IDLE))?;
        }
        let taken = self.clock.now();
        // rppal reads one edge of each line at a time; a line that never stops must not hold the others up.
        for _ in 0..QUEUE * self.pins.len().max(1) {
            let Some((queue, event)) =
                found.take().map_or_else(|| self.next(Duration::ZERO), |f| Ok(Some(f)))?
            else {
                break;
            };
            let line = self.pins.get(queue).map_or(u8::MAX, InputPin::pin);
            into.push(translate(queue, line, &event));
        }
        if !into.is_empty() {
            self.active_until = taken + ACTIVE;
        }
        Ok(taken)
    }
}

/// rppal's event in our words; it counts each line's by itself.
fn translate(queue: usize, line: u8, event: &Event) -> RawEdge {
    RawEdge {
        queue,
        line: line.into(),
        high: event.trigger == Trigger::RisingEdge,
        at: Instant(u64::try_from(event.timestamp.as_micros()).unwrap_or(u64::MAX)),
        number: event.seqno,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_keeps_its_stamp_its_level_and_its_number_on_the_line() {
        let timestamp = std::time::Duration::from_nanos(5_000_001_999);
        let event = Event { timestamp, seqno: 9, trigger: Trigger::FallingEdge };
        let want = RawEdge { queue: 1, line: 6, high: false, at: Instant(5_000_001), number: 9 };
        assert_eq!(translate(1, 6, &event), want);
        assert!(translate(1, 6, &Event { trigger: Trigger::RisingEdge, ..event }).high);
    }

    #[test]
    fn a_machine_that_is_no_raspberry_pi_is_told_what_to_set() {
        if let Err(error) = look(&[5]) {
            assert!(error.to_string().contains("backend = \"gpiochip\""), "{error}");
        }
    }
}
