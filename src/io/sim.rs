//! Simulated pins behind a Unix socket, for the demonstration and for tests: JSON lines, described in
//! `docs/sim.md`. Whoever may write to the socket can inject cards, so packaged builds leave this out.
//!
//! Edges come through the same thread as a real chip's and obey the same contract, so a test can make them
//! late. Levels are kept in a file beside the socket, and outlive a crash the way the configuration says.

mod board;
mod levels;
mod words;

use super::{Bell, PinEdge, PinError, PinEvent, PinSink, Pins, Pump, SETTLE, Sight, Switch};
use crate::domain::{Bias, Clock, Duration, Instant};
use crate::wire::wiegand::{Bits, Level, Line, edges_of};
use board::{Board, Source};
use levels::Levels;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use words::{DataLine, EdgesRequest, InputRequest, LagRequest, Notice, Request, StickRequest};

/// A longer line is no command.
const MAX_LINE: u64 = 64 * 1024;
/// A dozen readers at once, and somebody who watches.
const MAX_CLIENTS: usize = 16;
const MAX_EDGES: usize = 2_048;
const MAX_OFFSET_US: u64 = 2_000_000;
const MAX_INTERVAL_US: u64 = 20_000;
const QUEUE: usize = 256;
const MAX_LAG: Duration = Duration::from_millis(500);

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Wiring {
    pub socket: PathBuf,
    pub released: Released,
    /// Lines that the board pulls up while nobody drives them: those below this number.
    pub pulled_up: u32,
    pub readers: Vec<ReaderLines>,
    pub inputs: Vec<InputLine>,
    pub outputs: Vec<OutputLine>,
}

impl Wiring {
    fn default_high(&self, line: u32) -> bool {
        line < self.pulled_up
    }
}

/// What becomes of an output when the process that drove it is gone: kernels differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Released {
    /// It keeps its level.
    #[default]
    Keep,
    /// It becomes an input again, and the board's pull decides.
    Reset,
}

#[derive(Clone, Debug)]
pub struct ReaderLines {
    pub name: String,
    pub d0: u32,
    pub d1: u32,
}

#[derive(Clone, Debug)]
pub struct InputLine {
    /// `main.contact`, `main.rex`, `fire`.
    pub name: String,
    pub line: u32,
    pub active_high: bool,
    pub debounce: Duration,
}

#[derive(Clone, Debug)]
pub struct OutputLine {
    /// `main.relay`.
    pub name: String,
    pub line: u32,
    pub active_high: bool,
    /// Its level from the first moment on.
    pub safe_high: bool,
}

/// Why the simulated pins can't be had.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause} (its folder must be there and belong to the user the gate runs as)")]
pub struct SimError {
    path: PathBuf,
    cause: std::io::Error,
}

type Clients = Arc<Mutex<Vec<UnixStream>>>;
/// Lines that don't move.
type Stuck = Arc<Mutex<Vec<u32>>>;

/// The simulated lines.
pub struct SimPins {
    wiring: Arc<Wiring>,
    stuck: Stuck,
    levels: Levels,
    bell: Bell,
    clock: Box<dyn Clock + Send>,
    notices: SyncSender<Notice>,
}

/// Takes the lines and opens the socket. Edges go to `sink` when they are due, after how each switch
/// stands now.
pub fn open(
    wiring: Wiring,
    clock: impl Clock + Clone + Send + Sync + 'static,
    sink: PinSink,
) -> Result<SimPins, SimError> {
    let levels_path = Levels::path(&wiring);
    let failed = |cause| SimError { path: levels_path.clone(), cause };
    let levels = Levels::open(&wiring).map_err(failed)?;
    levels.take(&wiring).map_err(failed)?;
    for output in &wiring.outputs {
        levels.set(output.line, output.safe_high).map_err(failed)?;
    }
    let path = wiring.socket.clone();
    let failed = |cause| SimError { path: path.clone(), cause };
    // One left behind by a crash: whoever lives holds the levels.
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;

    let board = Board::default();
    let bell = Bell::new({
        let board = board.clone();
        move || board.wake()
    });
    let inputs = wiring.inputs.iter();
    let switches: Vec<_> =
        inputs.map(|i| Switch { line: i.line, bias: Bias::AsIs, debounce: i.debounce }).collect();
    for switch in &switches {
        let (line, high, at) = (switch.line, levels.get(switch.line), clock.now());
        sink(PinEvent::Level(PinEdge { line, high, at }));
    }
    let data = wiring.readers.iter().flat_map(|r| [r.d0, r.d1]);
    let lines: Vec<u32> = data.chain(switches.iter().map(|s| s.line)).collect();
    let source = Source {
        board: board.clone(),
        clock: clock.clone(),
        lines: lines.iter().map(|line| (*line, 0)).collect(),
    };
    let queues = lines.into_iter().map(|line| vec![line]).collect();
    let pump = Pump::new(source, queues, &switches, bell.clone(), sink).debounced(&switches);
    pump.start(clock.clone()).map_err(failed)?;

    let clients = Clients::default();
    let wiring = Arc::new(wiring);
    let (notices, queue) = sync_channel(QUEUE);
    {
        let clients = clients.clone();
        spawn("sim-out", move || broadcast(&queue, &clients)).map_err(failed)?;
    }
    let stuck = Stuck::default();
    let server = Server {
        wiring: wiring.clone(),
        stuck: stuck.clone(),
        clients,
        notices: notices.clone(),
        board,
        levels: levels.share().map_err(failed)?,
    };
    let for_clients = clock.clone();
    spawn("sim-in", move || server.accept(&listener, &for_clients)).map_err(failed)?;
    Ok(SimPins { wiring, stuck, levels, bell, clock: Box::new(clock), notices })
}

/// Sets every output safe without a daemon, and says how they stand when they were let go.
pub fn set_safe(wiring: &Wiring) -> Result<Vec<Sight>, SimError> {
    let failed = |cause| SimError { path: Levels::path(wiring), cause };
    let levels = Levels::open(wiring).map_err(failed)?;
    levels.take(wiring).map_err(failed)?;
    for output in &wiring.outputs {
        levels.set(output.line, output.safe_high).map_err(failed)?;
    }
    drop(levels);
    let lines: Vec<_> = wiring.outputs.iter().map(|output| output.line).collect();
    look(wiring, &lines)
}

/// How lines stand, daemon or none.
pub fn look(wiring: &Wiring, lines: &[u32]) -> Result<Vec<Sight>, SimError> {
    let levels = Levels::open(wiring);
    let levels = levels.map_err(|cause| SimError { path: Levels::path(wiring), cause })?;
    let is_output = |line| wiring.outputs.iter().any(|output| output.line == line);
    Ok(lines
        .iter()
        .map(|line| {
            let high =
                if is_output(*line) { levels.present(wiring, *line) } else { levels.get(*line) };
            Sight { line: *line, holder: None, high: Some(high) }
        })
        .collect())
}

impl Pins for SimPins {
    fn set(&mut self, line: u32, high: bool) -> Result<(), PinError> {
        if self.stuck.lock().is_ok_and(|stuck| stuck.contains(&line)) {
            return Ok(());
        }
        self.levels.set(line, high).map_err(|cause| PinError::Line { line, cause })?;
        let output = self.wiring.outputs.iter().find(|o| o.line == line);
        if let Some(output) = output {
            // With nobody keeping up there is nobody to tell; the level itself is set.
            let _ = self.notices.try_send(Notice::Output {
                t_us: self.clock.now(),
                output: output.name.clone(),
                line,
                active: high == output.active_high,
            });
        }
        Ok(())
    }

    fn ask(&mut self) {
        self.bell.ring();
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

fn broadcast(queue: &Receiver<Notice>, clients: &Clients) {
    while let Ok(notice) = queue.recv() {
        let Ok(mut clients) = clients.lock() else { return };
        clients.retain_mut(|client| write_line(client, &notice).is_ok());
    }
}

fn write_line(mut to: &UnixStream, notice: &Notice) -> std::io::Result<()> {
    let mut line = serde_json::to_vec(notice)?;
    line.push(b'\n');
    to.write_all(&line)
}

struct Server {
    wiring: Arc<Wiring>,
    stuck: Stuck,
    clients: Clients,
    notices: SyncSender<Notice>,
    board: Board,
    levels: Levels,
}

impl Server {
    fn accept(self, listener: &UnixListener, clock: &(impl Clock + Clone + Send + Sync + 'static)) {
        let server = Arc::new(self);
        for stream in listener.incoming() {
            let Ok(stream) = stream else { continue };
            let (server, clock) = (server.clone(), clock.clone());
            if server.greet(&stream, &clock).is_err() {
                continue;
            }
            let _ = spawn("sim-client", move || {
                server.serve(&stream, &clock);
                let _ = stream.shutdown(std::net::Shutdown::Both);
                server.forget_the_gone();
            });
        }
    }

    /// Tells the present levels, then every change.
    fn greet(&self, stream: &UnixStream, clock: &impl Clock) -> std::io::Result<()> {
        stream.set_write_timeout(Some(std::time::Duration::from_millis(200)))?;
        let Ok(mut clients) = self.clients.lock() else { return Ok(()) };
        if clients.len() >= MAX_CLIENTS {
            let error = format!("there are {MAX_CLIENTS} clients already");
            return write_line(stream, &Notice::Error { error })
                .and(Err(std::io::Error::other("too many")));
        }
        for output in &self.wiring.outputs {
            write_line(
                stream,
                &Notice::Output {
                    t_us: clock.now(),
                    output: output.name.clone(),
                    line: output.line,
                    active: self.levels.get(output.line) == output.active_high,
                },
            )?;
        }
        clients.push(stream.try_clone()?);
        Ok(())
    }

    /// Gives up the places of clients whose connection is over.
    fn forget_the_gone(&self) {
        let Ok(mut clients) = self.clients.lock() else { return };
        clients.retain(|client| {
            let mut ready = [rustix::event::PollFd::new(client, rustix::event::PollFlags::empty())];
            let over = rustix::event::PollFlags::HUP | rustix::event::PollFlags::ERR;
            let none = rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 };
            rustix::event::poll(&mut ready, Some(&none)).is_ok()
                && !ready[0].revents().intersects(over)
        });
    }

    fn serve(&self, stream: &UnixStream, clock: &impl Clock) {
        let mut lines = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line) {
                Ok(n) if n > 0 && line.last() == Some(&b'\n') => {}
                Ok(n) if n as u64 == MAX_LINE => {
                    let error = format!("a line is at most {MAX_LINE} bytes; good-bye");
                    let _ = write_line(stream, &Notice::Error { error });
                    return;
                }
                _ => return,
            }
            let outcome = serde_json::from_slice(&line)
                .map_err(|e| e.to_string())
                .and_then(|request| self.perform(request, clock));
            let notice = outcome.unwrap_or_else(|error| Notice::Error { error });
            if self.notices.try_send(notice).is_err() {
                return;
            }
        }
    }

    fn perform(&self, request: Request, clock: &impl Clock) -> Result<Notice, String> {
        match request {
            Request::Input(InputRequest { name, active }) => {
                let input = self.wiring.inputs.iter().find(|i| i.name == name);
                let input = input.ok_or_else(|| format!("there is no input named {name:?}"))?;
                let (line, high, at) = (input.line, active == input.active_high, clock.now());
                self.levels.set(line, high).map_err(|e| e.to_string())?;
                self.board.schedule(&[PinEdge { line, high, at }]);
                // Nobody lets go of a button sooner than it counts.
                let counts = at + input.debounce + SETTLE;
                std::thread::sleep(counts.since(clock.now()).into());
                Ok(Notice::Input { t_us: at, input: name, active })
            }
            Request::Stick(StickRequest { output, stuck }) => {
                let line = self.wiring.outputs.iter().find(|o| o.name == output).map(|o| o.line);
                let line = line.ok_or_else(|| format!("there is no output named {output:?}"))?;
                let mut lines = self.stuck.lock().map_err(|_| "the gate is stopping")?;
                lines.retain(|l| *l != line);
                if stuck {
                    lines.push(line);
                }
                Ok(Notice::Stick { t_us: clock.now(), stick: output, stuck })
            }
            Request::Lag(LagRequest { ms }) => {
                let lag = Duration::from_millis(ms);
                if lag > MAX_LAG {
                    return Err(format!("ms is at most {}", MAX_LAG.as_millis()));
                }
                self.board.lag(lag);
                Ok(Notice::Lag { t_us: clock.now(), lag_ms: ms })
            }
            Request::Read(read) => {
                let value = u128::from_str_radix(&read.raw, 16);
                let bits = value.ok().and_then(|value| Bits::new(value, read.bits));
                let bits =
                    bits.ok_or("raw must be hex of no more than the given bits, at most 128")?;
                let (pulse, interval) = (read.pulse_us, read.interval_us);
                if pulse.max(interval) > MAX_INTERVAL_US {
                    return Err(format!("pulse_us and interval_us are at most {MAX_INTERVAL_US}"));
                }
                let edges = edges_of(
                    bits,
                    Instant(0),
                    Duration::from_micros(pulse),
                    Duration::from_micros(interval),
                );
                let edges = edges
                    .into_iter()
                    .map(|e| (e.at.0, e.line == Line::D1, e.level == Level::High))
                    .collect();
                self.play(read.reader, edges, clock)
            }
            Request::Edges(EdgesRequest { reader, edges }) => {
                let too_late = edges.iter().any(|(at, ..)| *at > MAX_OFFSET_US);
                if edges.len() > MAX_EDGES || too_late {
                    return Err(format!(
                        "at most {MAX_EDGES} edges at a time, within {MAX_OFFSET_US} us"
                    ));
                }
                let edges = edges
                    .into_iter()
                    .map(|(at, line, level)| (at, matches!(line, DataLine::D1), level != 0))
                    .collect();
                self.play(reader, edges, clock)
            }
        }
    }

    /// Schedules all edges at once, each for when it is due, and waits until then.
    fn play(
        &self,
        reader: String,
        edges: Vec<(u64, bool, bool)>,
        clock: &impl Clock,
    ) -> Result<Notice, String> {
        let lines = self.wiring.readers.iter().find(|r| r.name == reader);
        let lines = lines.ok_or_else(|| format!("there is no reader named {reader:?}"))?;
        let start = clock.now();
        let edges: Vec<_> = edges
            .into_iter()
            .map(|(offset, is_d1, high)| PinEdge {
                line: if is_d1 { lines.d1 } else { lines.d0 },
                high,
                at: start + Duration::from_micros(offset),
            })
            .collect();
        self.board.schedule(&edges);
        let end = edges.iter().map(|e| e.at).max().unwrap_or(start);
        let last = edges.iter().filter(|e| !e.high).map(|e| e.at).max().unwrap_or(start);
        std::thread::sleep(end.since(clock.now()).into());
        Ok(Notice::Sent { t_us: clock.now(), reader, first_us: start, last_us: last })
    }
}

#[cfg(test)]
mod tests;
