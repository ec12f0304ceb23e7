//! Simulated pins behind a Unix socket, for the demonstration and for tests: JSON lines, described in
//! `docs/sim.md`. Whoever may write to the socket can inject cards, so packaged builds leave this out.
//!
//! Output levels are kept in a file beside the socket, as a kernel that keeps a released line's level
//! would: they outlive a crash until somebody sets them.

use super::{EdgeSink, Outputs, PinEdge, PinError};
use crate::domain::{Clock, Duration, Instant};
use crate::wire::wiegand::{Bits, Level, Line, edges_of};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

/// A longer line is no command.
const MAX_LINE: u64 = 64 * 1024;
const MAX_CLIENTS: usize = 8;
const MAX_EDGES: usize = 2_048;
const MAX_OFFSET_US: u64 = 2_000_000;
const MAX_INTERVAL_US: u64 = 20_000;
const QUEUE: usize = 256;

/// What is simulated.
#[derive(Clone, Debug)]
pub struct Wiring {
    pub socket: PathBuf,
    pub readers: Vec<ReaderLines>,
    pub inputs: Vec<InputLine>,
    pub outputs: Vec<OutputLine>,
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
}

#[derive(Clone, Debug)]
pub struct OutputLine {
    /// `main.relay`.
    pub name: String,
    pub line: u32,
    pub active_high: bool,
}

/// Why the simulated pins can't be had.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {cause}: make its folder, and give it to the user the gate runs as")]
pub struct SimError {
    path: PathBuf,
    cause: std::io::Error,
}

/// What a client asks for, one JSON object a line.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Request {
    Read(ReadRequest),
    Edges(EdgesRequest),
    Input(InputRequest),
    Stick(StickRequest),
}

/// A whole frame, sent as a real reader would.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ReadRequest {
    reader: String,
    bits: u8,
    /// The frame as lower-case hex of its integer value, parity included.
    raw: String,
    #[serde(default = "default_pulse_us")]
    pulse_us: u64,
    #[serde(default = "default_interval_us")]
    interval_us: u64,
}

fn default_pulse_us() -> u64 {
    50
}

fn default_interval_us() -> u64 {
    2_000
}

/// Edges as they are: `[microseconds from the first, "d0" or "d1", level]`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct EdgesRequest {
    reader: String,
    edges: Vec<(u64, DataLine, u8)>,
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum DataLine {
    D0,
    D1,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct InputRequest {
    name: String,
    active: bool,
}

/// A relay whose contacts are welded, or freed again: it stays as it is, whatever it is told.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct StickRequest {
    output: String,
    stuck: bool,
}

/// What a client is told.
#[derive(Clone, Serialize)]
#[serde(untagged)]
enum Notice {
    Output { t_us: Instant, output: String, line: u32, active: bool },
    Sent { t_us: Instant, reader: String, first_us: Instant, last_us: Instant },
    Input { t_us: Instant, input: String, active: bool },
    Stick { t_us: Instant, stick: String, stuck: bool },
    Error { error: String },
}

type Clients = Arc<Mutex<Vec<UnixStream>>>;
/// Lines that don't move.
type Stuck = Arc<Mutex<Vec<u32>>>;

/// The simulated output lines.
pub struct SimOutputs {
    wiring: Arc<Wiring>,
    stuck: Stuck,
    levels: File,
    clock: Box<dyn Clock + Send>,
    notices: SyncSender<Notice>,
}

/// Opens the socket. Edges go to `sink` from a thread for each client, stamped with when they are due.
pub fn open(
    wiring: Wiring,
    clock: impl Clock + Clone + Send + Sync + 'static,
    sink: EdgeSink,
) -> Result<SimOutputs, SimError> {
    let path = wiring.socket.clone();
    let failed = |cause| SimError { path: path.clone(), cause };
    let levels = open_levels(&wiring).map_err(failed)?;
    // One left behind by a crash; a living gate holds the store, so it isn't another's.
    match std::fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
        _ => {}
    }
    let listener = UnixListener::bind(&path).map_err(failed)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
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
        sink: Arc::new(Mutex::new(sink)),
        levels: levels.try_clone().map_err(failed)?,
    };
    let for_clients = clock.clone();
    spawn("sim-in", move || server.accept(&listener, &for_clients)).map_err(failed)?;
    Ok(SimOutputs { wiring, stuck, levels, clock: Box::new(clock), notices })
}

/// Sets every output as given, without a daemon: what the service manager does after a crash.
pub fn set_levels(wiring: &Wiring, highs: &[(u32, bool)]) -> Result<(), SimError> {
    let failed = |cause| SimError { path: levels_path(&wiring.socket), cause };
    let levels = open_levels(wiring).map_err(failed)?;
    for (line, high) in highs {
        write_level(&levels, *line, *high).map_err(failed)?;
    }
    Ok(())
}

fn levels_path(socket: &Path) -> PathBuf {
    socket.with_extension("levels")
}

/// The file of levels: one character a line, `1` for high.
fn open_levels(wiring: &Wiring) -> std::io::Result<File> {
    let path = levels_path(&wiring.socket);
    let file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
    let len = wiring.outputs.iter().map(|o| u64::from(o.line) + 1).max().unwrap_or(0);
    let had = file.metadata()?.len();
    if had < len {
        // A level nobody has set yet is the inactive one.
        for line in had..len {
            let low_active =
                wiring.outputs.iter().any(|o| u64::from(o.line) == line && !o.active_high);
            file.write_all_at(if low_active { b"1" } else { b"0" }, line)?;
        }
    }
    Ok(file)
}

fn write_level(file: &File, line: u32, high: bool) -> std::io::Result<()> {
    file.write_all_at(if high { b"1" } else { b"0" }, line.into())
}

fn read_level(file: &File, line: u32) -> bool {
    let mut level = [0];
    file.read_exact_at(&mut level, line.into()).is_ok() && level == *b"1"
}

impl Outputs for SimOutputs {
    fn set(&mut self, line: u32, high: bool) -> Result<(), PinError> {
        if self.stuck.lock().is_ok_and(|stuck| stuck.contains(&line)) {
            return Ok(());
        }
        write_level(&self.levels, line, high).map_err(|cause| PinError { line, cause })?;
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
    sink: Arc<Mutex<EdgeSink>>,
    levels: File,
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
                    active: read_level(&self.levels, output.line) == output.active_high,
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
                let at = clock.now();
                self.emit(PinEdge { line: input.line, high: active == input.active_high, at })?;
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

    /// Hands over all edges at once, stamped with when they are due, and waits until then. Paced one by one,
    /// a busy machine would tear frames apart that no kernel's timestamps would.
    fn play(
        &self,
        reader: String,
        edges: Vec<(u64, bool, bool)>,
        clock: &impl Clock,
    ) -> Result<Notice, String> {
        let lines = self.wiring.readers.iter().find(|r| r.name == reader);
        let lines = lines.ok_or_else(|| format!("there is no reader named {reader:?}"))?;
        let start = clock.now();
        let (mut last, mut end) = (start, start);
        for (offset, is_d1, high) in edges {
            let at = start + Duration::from_micros(offset);
            self.emit(PinEdge { line: if is_d1 { lines.d1 } else { lines.d0 }, high, at })?;
            end = end.max(at);
            if !high {
                last = at;
            }
        }
        std::thread::sleep(end.since(clock.now()).into());
        Ok(Notice::Sent { t_us: clock.now(), reader, first_us: start, last_us: last })
    }

    fn emit(&self, edge: PinEdge) -> Result<(), String> {
        let sink = self.sink.lock().map_err(|_| "the gate is stopping")?;
        if sink(edge) { Ok(()) } else { Err("the gate has no room for this edge".into()) }
    }
}
