//! A bus to test against: libosdp's peripheral devices in a process of their own, and between them and
//! the gate, in another process, a pair of pseudo-terminals with a [`pacer`](super::pacer) that takes as
//! long as real bits and can cut, delay, alter and replay. Both processes are this very executable, started
//! again with `EITHERGATE_OSDP_RIG` set; they end when whoever started them does.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::{Duration, Instant};

pub const ROLE: &str = "EITHERGATE_OSDP_RIG";

/// Plays a part if this process was started for one, and then doesn't return.
pub fn play_if_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let words: Vec<&str> = role.split(' ').collect();
    match words[..] {
        ["pacer", baud] => super::pacer::play(baud.parse().expect("a baud rate")),
        ["readers", tty, ref readers @ ..] => super::readers::play(tty, readers),
        _ => panic!("no such part: {role}"),
    }
    std::process::exit(0);
}

/// A line for whoever started this process; others on the same stream are not for it.
pub fn say(line: &str) {
    println!("\nrig: {line}");
}

/// What this process is told, line by line; `None` once nobody is there to tell.
pub fn told() -> Receiver<String> {
    let (sender, lines) = sync_channel(4_096);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
        std::process::exit(0);
    });
    lines
}

/// A process of the rig.
struct Player {
    child: Child,
    stdin: ChildStdin,
    lines: Receiver<String>,
}

impl Player {
    fn start(role: &str, args: &[&str]) -> Self {
        let mut child = Command::new(std::env::current_exe().expect("this executable"))
            .args(args)
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("this executable starts again");
        let stdin = child.stdin.take().expect("piped");
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, lines) = sync_channel(65_536);
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if let Some(line) = line.strip_prefix("rig: ") {
                    let _ = sender.try_send(line.to_owned());
                }
            }
        });
        Self { child, stdin, lines }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.stdin, "{line}").expect("the rig listens");
    }

    /// The first line that begins like this, the beginning taken off.
    fn hear(&self, beginning: &str, at_most: Duration) -> Option<String> {
        let end = Instant::now() + at_most;
        loop {
            match self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(line) => {
                    if let Some(rest) = line.strip_prefix(beginning) {
                        return Some(rest.trim().to_owned());
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
            }
        }
    }
}

impl Drop for Player {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How a reader is made: as it comes from the factory, or with a key.
#[derive(Clone)]
pub struct Device {
    pub address: u8,
    /// Hex; `None` as it leaves the factory, waiting for an installer.
    pub key: Option<String>,
    /// Whether it knows secure channels at all.
    pub secure: bool,
}

/// The whole rig.
pub struct Rig {
    args: &'static [&'static str],
    pacer: Player,
    readers: Option<Player>,
    /// The gate's port.
    pub port: PathBuf,
    far: String,
}

impl Rig {
    /// `args` make this executable call [`play_if_asked`].
    pub fn new(baud: u32, args: &'static [&'static str]) -> Self {
        let pacer = Player::start(&format!("pacer {baud}"), args);
        let ports = pacer.hear("ports ", Duration::from_secs(20)).expect("a pair of terminals");
        let (near, far) = ports.split_once(' ').expect("two of them");
        Self { args, pacer, readers: None, port: near.into(), far: far.into() }
    }

    /// Puts these readers on the bus, in place of any before.
    pub fn plug(&mut self, devices: &[Device]) {
        self.readers = None;
        let mut role = format!("readers {}", self.far);
        for Device { address, key, secure } in devices {
            let key = key.as_deref().unwrap_or("-");
            role.push_str(&format!(" {address}:{key}:{}", u8::from(*secure)));
        }
        let readers = Player::start(&role, self.args);
        readers.hear("ready", Duration::from_secs(20)).expect("readers");
        self.readers = Some(readers);
    }

    /// Tells the program between: `cut`, `join`, `delay 20`, ...
    pub fn pace(&mut self, what: &str) {
        self.pacer.tell(what);
        self.pacer.hear("done", Duration::from_secs(5)).expect("the pacer answers");
    }

    /// Asks it.
    pub fn ask(&mut self, what: &str) -> String {
        self.pacer.tell(what);
        self.pacer.hear("said", Duration::from_secs(5)).expect("the pacer answers")
    }

    /// Tells the readers: `card 1 26 2f657ae`, `tamper 1 1`, ...
    pub fn reader(&mut self, what: &str) {
        self.readers.as_mut().expect("readers are plugged").tell(what);
    }

    /// Waits until the readers say something: `led 1 2`, `key 1 00ff...`.
    pub fn heard(&self, beginning: &str, at_most: Duration) -> Option<String> {
        self.readers.as_ref()?.hear(beginning, at_most)
    }
}
