//! Pins of any board, through the kernel's character device (`/dev/gpiochipN`, uAPI v2) and `gpiocdev`.
//!
//! Each Wiegand reader's two lines are one request of their own, so that they share a queue in the kernel (their
//! order and what is missing can be told by its numbers) and no other reader's noise can push their edges
//! out. The queue holds the longest frame; the kernel's own default is 16 a line, fewer than a 37-bit frame has.
//! Stamps are the interrupt's, on `CLOCK_MONOTONIC`. Outputs are one request that names their levels, so
//! that no line is driven the wrong way for an instant.
//!
//! What never enters: what a line means.

use super::{
    Bell, EdgeSource, Lines, PinEdge, PinError, PinEvent, PinSink, Pins, Pump, RawEdge, Sight,
};
use crate::domain::{self, Clock, Duration, Instant};
use crate::wire::wiegand::MAX_BITS;
use gpiocdev::line::{Bias, EdgeDetection, EdgeKind, EventClock, Value, Values};
use gpiocdev::request::Request;
use gpiocdev::{Chip, chip};
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fd::OwnedFd;
use rustix::io::retry_on_intr;
use rustix::time::Timespec;
use std::path::PathBuf;
use std::sync::Arc;

const CONSUMER: &str = "eithergate";
/// Two edges a bit, two lines.
const PAIR_EVENTS: u32 = 2 * 2 * MAX_BITS as u32;
/// A switch that is debounced says little; one that isn't is a switch all the same.
const SWITCH_EVENTS: u32 = 64;

/// Why the pins can't be had.
#[derive(Debug, thiserror::Error)]
pub enum GpiochipError {
    #[error("there is no GPIO chip {chip:?}: {}", known(.there))]
    NoChip { chip: String, there: Vec<String> },
    #[error("{path}: {cause}: give the gate's user the group that owns it (gpio)")]
    Open { path: PathBuf, cause: gpiocdev::Error },
    #[error("line {line} of {chip}: {cause}")]
    Line { chip: String, line: u32, cause: String },
    #[error("the pins' thread can't start: {0}")]
    Thread(#[from] std::io::Error),
}

fn known(there: &[String]) -> String {
    match there {
        [] => "this machine shows none (load the driver, or name another backend)".into(),
        _ => format!("name one of {}", there.join(", ")),
    }
}

/// The chip by its path, its name (`gpiochip0`) or its label (`pinctrl-bcm2711`), which stays the same
/// whatever is plugged in.
pub fn find(wanted: &str) -> Result<PathBuf, GpiochipError> {
    let mut there = Vec::new();
    for path in chip::chips().unwrap_or_default() {
        let Ok(info) = Chip::from_path(&path).and_then(|chip| chip.info()) else { continue };
        if wanted == info.label || wanted == info.name || path.as_os_str() == wanted {
            return Ok(path);
        }
        there.push(format!("{} ({})", info.name, info.label));
    }
    // A link that udev made, or one that may not be opened: say why.
    let path =
        if wanted.contains('/') { wanted.into() } else { PathBuf::from("/dev").join(wanted) };
    if path.exists() {
        return Chip::from_path(&path)
            .map(|chip| chip.path().to_path_buf())
            .map_err(|cause| GpiochipError::Open { path, cause });
    }
    Err(GpiochipError::NoChip { chip: wanted.into(), there })
}

/// Takes the lines: outputs at their given levels first. Edges go to `sink` from a thread of their own, after how
/// each switch stands now.
pub fn open(
    chip: &str,
    lines: &Lines,
    clock: impl Clock + Clone + Send + Sync + 'static,
    sink: PinSink,
) -> Result<GpiochipPins, GpiochipError> {
    let path = find(chip)?;
    let board = Board { path };
    let outputs = board.outputs(&lines.outputs)?;
    let (mut requests, mut queues) = (Vec::new(), Vec::new());
    for pair in &lines.pairs {
        let mut builder = board.inputs(&pair.lines, pair.bias);
        builder.with_edge_detection(EdgeDetection::BothEdges);
        builder.with_kernel_event_buffer_size(PAIR_EVENTS);
        requests.push(board.take(builder, &pair.lines)?);
        queues.push(pair.lines.to_vec());
    }
    for switch in &lines.switches {
        let mut builder = board.inputs(&[switch.line], switch.bias);
        builder.with_edge_detection(EdgeDetection::BothEdges);
        builder.with_kernel_event_buffer_size(SWITCH_EVENTS);
        if switch.debounce > Duration::ZERO {
            builder.with_debounce_period(switch.debounce.into());
        }
        let request = board.take(builder, &[switch.line])?;
        // With its edges already watched, none can slip in between.
        let high = board.read(&request, switch.line)?;
        sink(PinEvent::Level(PinEdge { line: switch.line, high, at: clock.now() }));
        requests.push(request);
        queues.push(vec![switch.line]);
    }
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).map_err(io)?);
    let source =
        Source { buffer: Vec::new(), requests, wake: wake.clone(), clock: Box::new(clock.clone()) };
    let bell = Bell::new(move || {
        let _ = rustix::io::write(&*wake, &1u64.to_ne_bytes());
    });
    Pump::new(source, queues, &lines.switches, bell.clone(), sink).start(clock)?;
    Ok(GpiochipPins { outputs, bell })
}

/// Sets outputs without a daemon, and says how they stand after they were let go: some kernels then make a
/// line an input again.
pub fn set_levels(chip: &str, outputs: &[(u32, bool)]) -> Result<Vec<Sight>, GpiochipError> {
    let board = Board { path: find(chip)? };
    drop(board.outputs(outputs)?);
    let lines: Vec<_> = outputs.iter().map(|(line, _)| *line).collect();
    board.look(&lines, None)
}

/// How lines look, taking none that somebody has. Inputs with `bias`; without, as they are.
pub fn look(
    chip: &str,
    lines: &[u32],
    bias: Option<domain::Bias>,
) -> Result<Vec<Sight>, GpiochipError> {
    Board { path: find(chip)? }.look(lines, bias)
}

struct Board {
    path: PathBuf,
}

impl Board {
    fn builder(&self) -> gpiocdev::request::Builder {
        let mut builder = Request::builder();
        builder.on_chip(&self.path).with_consumer(CONSUMER);
        builder
    }

    fn outputs(&self, outputs: &[(u32, bool)]) -> Result<Option<Request>, GpiochipError> {
        if outputs.is_empty() {
            return Ok(None);
        }
        let mut values = Values::default();
        for (line, high) in outputs {
            values.set(*line, value(*high));
        }
        let mut builder = self.builder();
        builder.with_output_lines(&values);
        let lines: Vec<_> = outputs.iter().map(|(line, _)| *line).collect();
        self.take(builder, &lines).map(Some)
    }

    fn inputs(&self, lines: &[u32], bias: domain::Bias) -> gpiocdev::request::Builder {
        let mut builder = self.builder();
        builder.with_lines(lines).as_input().with_event_clock(EventClock::Monotonic);
        match bias {
            domain::Bias::AsIs => {}
            domain::Bias::Off => drop(builder.with_bias(Bias::Disabled)),
            domain::Bias::PullUp => drop(builder.with_bias(Bias::PullUp)),
            domain::Bias::PullDown => drop(builder.with_bias(Bias::PullDown)),
        }
        builder
    }

    fn take(
        &self,
        mut builder: gpiocdev::request::Builder,
        lines: &[u32],
    ) -> Result<Request, GpiochipError> {
        builder.request().map_err(|cause| self.refused(lines, &cause))
    }

    /// Which line it was and who has it, as far as the kernel tells.
    fn refused(&self, lines: &[u32], cause: &gpiocdev::Error) -> GpiochipError {
        let name = |line| GpiochipError::Line {
            chip: self.path.display().to_string(),
            line,
            cause: format!("{cause}: give the gate's user the chip's group, and check the line"),
        };
        let Ok(chip) = Chip::from_path(&self.path) else {
            return GpiochipError::Open { path: self.path.clone(), cause: cause.clone() };
        };
        let count = chip.info().map_or(u32::MAX, |info| info.num_lines);
        for line in lines {
            let cause = match chip.line_info(*line) {
                _ if *line >= count => format!("it has {count} lines, counted from 0"),
                Ok(info) if info.used => {
                    let who = if info.consumer.is_empty() { "the kernel" } else { &info.consumer };
                    format!("{who} uses it: give the gate another line, or stop that")
                }
                _ => continue,
            };
            return GpiochipError::Line {
                chip: self.path.display().to_string(),
                line: *line,
                cause,
            };
        }
        name(lines.first().copied().unwrap_or_default())
    }

    fn read(&self, request: &Request, line: u32) -> Result<bool, GpiochipError> {
        let value = request.value(line).map_err(|cause| self.refused(&[line], &cause))?;
        Ok(value == Value::Active)
    }

    fn look(&self, lines: &[u32], bias: Option<domain::Bias>) -> Result<Vec<Sight>, GpiochipError> {
        let opened = Chip::from_path(&self.path);
        let chip =
            opened.map_err(|cause| GpiochipError::Open { path: self.path.clone(), cause })?;
        let mut seen = Vec::new();
        for line in lines {
            let info = chip.line_info(*line).map_err(|cause| self.refused(&[*line], &cause))?;
            if info.used {
                let who =
                    if info.consumer.is_empty() { "the kernel".into() } else { info.consumer };
                seen.push(Sight { line: *line, holder: Some(who), high: None });
                continue;
            }
            let request = match bias {
                Some(bias) => self.take(self.inputs(&[*line], bias), &[*line])?,
                None => {
                    let mut builder = self.builder();
                    builder.with_line(*line).as_is();
                    self.take(builder, &[*line])?
                }
            };
            let high = Some(self.read(&request, *line)?);
            seen.push(Sight { line: *line, holder: None, high });
        }
        Ok(seen)
    }
}

fn value(high: bool) -> Value {
    // Lines are requested active high: what is active is high.
    if high { Value::Active } else { Value::Inactive }
}

fn io(e: rustix::io::Errno) -> std::io::Error {
    e.into()
}

/// The lines of one gate on one chip.
pub struct GpiochipPins {
    outputs: Option<Request>,
    bell: Bell,
}

impl Pins for GpiochipPins {
    fn set(&mut self, line: u32, high: bool) -> Result<(), PinError> {
        let cause = match self.outputs.as_ref().map(|o| o.set_value(line, value(high))) {
            Some(Ok(())) => return Ok(()),
            Some(Err(e)) => e.to_string(),
            None => "no output".into(),
        };
        Err(PinError::Line { line, cause: std::io::Error::other(cause) })
    }

    fn ask(&mut self) {
        self.bell.ring();
    }
}

struct Source {
    requests: Vec<Request>,
    wake: Arc<OwnedFd>,
    clock: Box<dyn Clock + Send>,
    buffer: Vec<u64>,
}

impl EdgeSource for Source {
    fn take(&mut self, wait: Duration, into: &mut Vec<RawEdge>) -> std::io::Result<Instant> {
        let mut ready: Vec<_> =
            self.requests.iter().map(|r| PollFd::new(r, PollFlags::IN)).collect();
        ready.push(PollFd::new(&self.wake, PollFlags::IN));
        poll(&mut ready, Some(&timespec(wait)))?;
        let rang = ready.pop().is_some_and(|wake| !wake.revents().is_empty());
        drop(ready);
        if rang {
            let _ = rustix::io::read(&*self.wake, &mut [0; 8]);
        }
        // Whatever a queue held at this moment fits into one read of its size.
        let taken = self.clock.now();
        for (queue, request) in self.requests.iter().enumerate() {
            let mut now = [PollFd::new(request, PollFlags::IN)];
            let ready = retry_on_intr(|| poll(&mut now, Some(&timespec(Duration::ZERO))))?;
            if ready == 0 {
                continue;
            }
            if now[0].revents().intersects(PollFlags::ERR | PollFlags::HUP | PollFlags::NVAL) {
                return Err(std::io::Error::other("the GPIO chip is gone"));
            }
            let size = request.edge_event_u64_size();
            self.buffer.resize(PAIR_EVENTS as usize * size, 0);
            let words = request.read_edge_events_into_slice(&mut self.buffer);
            let words = words.map_err(std::io::Error::other)?;
            for event in self.buffer.get(..words).unwrap_or_default().chunks_exact(size) {
                let event = request.edge_event_from_slice(event).map_err(std::io::Error::other)?;
                into.push(translate(queue, &event));
            }
        }
        Ok(taken)
    }
}

fn timespec(wait: Duration) -> Timespec {
    let us = wait.as_micros();
    Timespec { tv_sec: (us / 1_000_000) as i64, tv_nsec: (us % 1_000_000 * 1_000) as _ }
}

/// A kernel's event in our words. Its request-wide number is the queue's: one that overflows drops the oldest
/// edge, whichever line it was on.
fn translate(queue: usize, event: &gpiocdev::line::EdgeEvent) -> RawEdge {
    RawEdge {
        queue,
        line: event.offset,
        high: event.kind == EdgeKind::Rising,
        at: Instant(event.timestamp_ns / 1_000),
        number: event.seqno,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_event_keeps_its_stamp_its_level_and_its_number_in_the_request() {
        let event = gpiocdev::line::EdgeEvent {
            timestamp_ns: 5_000_001_999,
            kind: EdgeKind::Falling,
            offset: 6,
            seqno: 77,
            line_seqno: 3,
        };
        let want = RawEdge { queue: 2, line: 6, high: false, at: Instant(5_000_001), number: 77 };
        assert_eq!(translate(2, &event), want);
        let rising = gpiocdev::line::EdgeEvent { kind: EdgeKind::Rising, ..event };
        assert!(translate(2, &rising).high);
    }

    #[test]
    fn the_kernel_s_queue_holds_the_longest_frame_and_no_more_than_it_allows() {
        // GPIO_V2_LINES_MAX * 16
        assert!((4 * u32::from(MAX_BITS)..=1_024).contains(&PAIR_EVENTS));
    }

    #[test]
    fn a_chip_that_is_not_there_is_named_with_those_that_are() {
        let error = find("no-such-chip").map(drop).map_err(|e| e.to_string());
        assert!(error.is_err_and(|e| e.starts_with("there is no GPIO chip \"no-such-chip\": ")));
        assert!(known(&["gpiochip0 (pinctrl)".into()]).contains("one of gpiochip0 (pinctrl)"));
    }
}
