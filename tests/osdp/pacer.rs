//! The program between gate and readers: each byte takes as long as its ten bits, and what the readers
//! answer can be delayed, cut off, altered, replaced and replayed.

use super::rig::{say, told};
use eithergate::wire::Parsed;
use eithergate::wire::osdp::{CAP_SECURITY, Deframer, Frame, command, reply};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

/// A card that no reader has read: 26 bits, H10301 123/4567.
pub const FORGED: [u8; 8] = [0, 1, 26, 0, 0xbd, 0x88, 0xeb, 0x80];

/// A pseudo-terminal, its far end kept open so that nobody's leaving is felt.
struct Port {
    near: OwnedFd,
    _far: OwnedFd,
    name: String,
}

fn port() -> Port {
    let (mut near, mut far) = (-1, -1);
    let none = std::ptr::null_mut();
    // SAFETY: two places for descriptors; the name and the settings may be left out.
    let opened = unsafe { libc::openpty(&mut near, &mut far, none, none.cast(), none.cast()) };
    assert_eq!(opened, 0, "a pair of terminals");
    // SAFETY: both were just opened, and nobody else has them.
    let (near, far) = unsafe { (OwnedFd::from_raw_fd(near), OwnedFd::from_raw_fd(far)) };
    let name = std::fs::read_link(format!("/proc/self/fd/{}", far.as_raw_fd())).expect("a name");
    let mut raw = tcgetattr(&far).expect("settings");
    raw.make_raw();
    tcsetattr(&far, OptionalActions::Now, &raw).expect("raw");
    fcntl_setfl(&near, OFlags::NONBLOCK).expect("non-blocking");
    Port { near, _far: far, name: name.to_str().expect("ASCII").into() }
}

/// One direction of the cable.
#[derive(Default)]
struct Wire {
    bytes: VecDeque<(Instant, u8)>,
    free_at: Option<Instant>,
}

impl Wire {
    fn put(&mut self, bytes: &[u8], now: Instant, delay: Duration, byte_time: Duration) {
        let mut at = self.free_at.map_or(now, |free| free.max(now)) + delay;
        for byte in bytes {
            at += byte_time;
            self.bytes.push_back((at, *byte));
        }
        self.free_at = Some(at);
    }

    fn due(&mut self, now: Instant) -> Vec<u8> {
        let n = self.bytes.iter().take_while(|(at, _)| *at <= now).count();
        self.bytes.drain(..n).map(|(_, byte)| byte).collect()
    }
}

#[derive(Default)]
struct Tamper {
    cut: bool,
    delay: Duration,
    /// Every so many replies gets a wrong bit.
    flip: usize,
    replies: usize,
    /// What happens to the next reply that fits.
    next: Option<String>,
    downgrade: bool,
    recorded: Option<Frame>,
    /// The gate's part of each handshake so far.
    challenges: Vec<Vec<u8>>,
    done: usize,
}

impl Tamper {
    /// What the gate gets instead of a reader's reply.
    fn reply(&mut self, frame: Frame) -> Vec<u8> {
        self.replies += 1;
        let (address, sequence) = (frame.address(), frame.sequence());
        let secured = matches!(frame.security(), Some(0x16 | 0x18));
        let card =
            |block: &[u8]| Frame::build(address, true, sequence, block, reply::RAW, &FORGED, &[]);
        let forged = match self.next.as_deref() {
            Some("plain") if secured => Some(card(&[])),
            Some("block12") if secured => Some(card(&[3, 0x12, 1])),
            Some("block14") if secured => Some(card(&[3, 0x14, 1])),
            Some("before") if frame.code() == reply::PDID => Some(card(&[])),
            Some("record") if frame.code() == reply::RAW => {
                self.recorded = Some(frame.clone());
                Some(frame.clone())
            }
            // As recorded, or with its number made to fit.
            Some("replay") if secured => self.recorded.clone().filter(|r| r.sequence() != sequence),
            Some("renumbered") if secured => self.recorded.as_ref().map(|old| {
                let mac = &old.bytes()[old.bytes().len() - 6..old.bytes().len() - 2];
                Frame::build(address, true, sequence, &[2, 0x18], old.code(), old.data(), mac)
            }),
            _ => None,
        };
        if let Some(forged) = forged {
            self.next = None;
            self.done += 1;
            return forged.bytes().to_vec();
        }
        if self.downgrade && frame.code() == reply::PDCAP {
            let kept: Vec<u8> = frame
                .data()
                .chunks(3)
                .filter(|c| c[0] != CAP_SECURITY)
                .flatten()
                .copied()
                .collect();
            return Frame::plain(address, true, sequence, reply::PDCAP, &kept).bytes().to_vec();
        }
        let mut bytes = frame.bytes().to_vec();
        if self.flip > 0 && self.replies % self.flip == 0 {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 0x20;
        }
        bytes
    }
}

/// When polls of a reader went out and how long their replies took to arrive.
#[derive(Default)]
struct Cycles {
    last: BTreeMap<u8, Instant>,
    us: BTreeMap<u8, Vec<u64>>,
}

pub fn play(baud: u64) {
    let (gate, readers) = (port(), port());
    say(&format!("ports {} {}", gate.name, readers.name));
    let byte_time = Duration::from_nanos(10_000_000_000 / baud);
    let (mut down, mut up) = (Wire::default(), Wire::default());
    let (mut commands, mut replies) = (Deframer::default(), Deframer::default());
    let mut tamper = Tamper::default();
    let mut cycles = Cycles::default();
    let lines = told();
    loop {
        while let Ok(line) = lines.try_recv() {
            obey(&line, &mut tamper, &mut cycles);
        }
        let now = Instant::now();
        let mut buf = [0; 512];
        while let Ok(n) = rustix::io::read(&gate.near, &mut buf) {
            for byte in &buf[..n] {
                if let Parsed::Item(frame) = commands.push(*byte) {
                    if let Some(last) = cycles.last.insert(frame.address(), now) {
                        let us = now.duration_since(last).as_micros() as u64;
                        cycles.us.entry(frame.address()).or_default().push(us);
                    }
                    if frame.code() == command::CHLNG {
                        // Asked again for want of an answer, it is the same one.
                        if tamper.challenges.last().is_none_or(|last| last != frame.data()) {
                            tamper.challenges.push(frame.data().to_vec());
                        }
                    }
                }
            }
            if !tamper.cut {
                down.put(&buf[..n], now, Duration::ZERO, byte_time);
            }
        }
        while let Ok(n) = rustix::io::read(&readers.near, &mut buf) {
            for byte in &buf[..n] {
                if let Parsed::Item(frame) = replies.push(*byte)
                    && !tamper.cut
                {
                    let bytes = tamper.reply(frame);
                    up.put(&bytes, now, tamper.delay, byte_time);
                }
            }
        }
        let now = Instant::now();
        for (wire, port) in [(&mut down, &readers), (&mut up, &gate)] {
            let due = wire.due(now);
            if !due.is_empty() && !tamper.cut {
                let _ = rustix::io::write(&port.near, &due);
            }
        }
        let next = [&down, &up].into_iter().filter_map(|w| Some(w.bytes.front()?.0)).min();
        let sleep = next
            .map_or(Duration::from_millis(2), |at| at.saturating_duration_since(Instant::now()))
            .min(Duration::from_millis(2));
        let mut fds =
            [PollFd::new(&gate.near, PollFlags::IN), PollFd::new(&readers.near, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: sleep.as_nanos() as _ };
        let _ = poll(&mut fds, Some(&timeout));
    }
}

fn obey(line: &str, tamper: &mut Tamper, cycles: &mut Cycles) {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "cut" => tamper.cut = true,
        "join" => tamper.cut = false,
        "delay" => tamper.delay = Duration::from_millis(rest.parse().unwrap_or(0)),
        "flip" => tamper.flip = rest.parse().unwrap_or(0),
        "next" => tamper.next = Some(rest.into()),
        "downgrade" => tamper.downgrade = true,
        "honest" => {
            (tamper.cut, tamper.downgrade, tamper.flip, tamper.next) = (false, false, 0, None);
            tamper.delay = Duration::ZERO;
        }
        "done" => return say(&format!("said {}", tamper.done)),
        // How many handshakes there were, and how many of them were like one before.
        "challenges" => {
            let all = tamper.challenges.len();
            let different: BTreeSet<_> = tamper.challenges.iter().collect();
            return say(&format!("said {all} {}", all - different.len()));
        }
        "forget" => *cycles = Cycles::default(),
        "cycles" => {
            let mut all: Vec<u64> = cycles.us.values().flatten().copied().collect();
            all.sort_unstable();
            let at = |share: f64| {
                let i = (all.len().saturating_sub(1) as f64 * share) as usize;
                all.get(i).copied().unwrap_or(0)
            };
            return say(&format!("said {} {} {}", all.len(), at(0.5), at(0.99)));
        }
        _ => {}
    }
    say("done");
}
