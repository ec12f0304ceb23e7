//! What the library sees as its channel: the port, with the guard before it. What passed, what was refused
//! and what the library says about it come out as notes, in their order.

use super::wire::Wire;
use crate::domain::SecurityBreach;
use crate::wire::Parsed;
use crate::wire::osdp::{Capability, Deframer, Frame, Guard, Identity, Refusal, reply};
use std::collections::VecDeque;
use std::io;

/// Commands in a row that may stay without an answer. The library would ask for nine seconds before it
/// gives up, and hold up everybody else on the bus for a fifth of that time.
const MAX_UNANSWERED: u8 = 3;

/// What happened on the bus, in its order.
pub(super) enum Note {
    /// A command went out to this address.
    Sent {
        address: u8,
        code: u8,
    },
    /// A reply was handed to the library.
    Passed {
        address: u8,
        code: u8,
        secured: bool,
    },
    /// The reader's part of a handshake: its random number.
    Challenge {
        address: u8,
        random: [u8; 8],
    },
    Identity {
        address: u8,
        identity: Identity,
    },
    Capabilities {
        address: u8,
        capabilities: Vec<Capability>,
    },
    Breach {
        address: u8,
        why: SecurityBreach,
    },
    /// Bytes that began like a frame and were none.
    Noise,
    /// What the library reports of its reader number so and so.
    Event {
        seat: usize,
        event: Event,
    },
}

/// An event of the library, freed of its pointers.
pub(super) enum Event {
    Card {
        length: i32,
        data: [u8; 64],
    },
    Keys {
        length: i32,
        data: [u8; 64],
    },
    /// Tamper and power, as osdp_LSTATR reports them.
    Local {
        tamper: u8,
        power: u8,
    },
    Online(bool),
    Session {
        active: bool,
        default_key: bool,
    },
    Other,
}

/// The channel of one bus.
pub(super) struct Line {
    pub wire: Option<Box<dyn Wire>>,
    pub guard: Guard,
    pub notes: Vec<Note>,
    /// Why the port is no good any more.
    pub broken: Option<io::Error>,
    deframer: Deframer,
    ready: VecDeque<u8>,
    unanswered: [u8; 128],
}

impl Line {
    pub(super) fn new() -> Self {
        Self {
            wire: None,
            guard: Guard::default(),
            notes: Vec::new(),
            broken: None,
            deframer: Deframer::default(),
            ready: VecDeque::new(),
            unanswered: [0; 128],
        }
    }

    /// Sends a command: all of it, or `None`.
    pub(super) fn send(&mut self, bytes: &[u8]) -> Option<usize> {
        let frame = whole(bytes)?;
        let (address, code) = (frame.address(), frame.code());
        let unanswered = self.unanswered.get_mut(usize::from(address))?;
        if *unanswered >= MAX_UNANSWERED {
            // The library gives up at once, and its next attempt gets one command out again.
            *unanswered = MAX_UNANSWERED - 1;
            return None;
        }
        *unanswered += 1;
        self.discard();
        self.guard.sent(&frame);
        self.notes.push(Note::Sent { address, code });
        match self.wire.as_mut()?.write(bytes) {
            Ok(n) if n == bytes.len() => Some(n),
            Ok(_) => None,
            Err(e) => {
                self.fail(e);
                None
            }
        }
    }

    /// Hands over what passed the guard.
    pub(super) fn receive(&mut self, buf: &mut [u8]) -> usize {
        self.read();
        let n = self.ready.len().min(buf.len());
        for (to, from) in buf.iter_mut().zip(self.ready.drain(..n)) {
            *to = from;
        }
        n
    }

    /// Forgets what came so far: it answers nothing that is still asked.
    pub(super) fn discard(&mut self) {
        let mut old = [0; 256];
        if let Some(wire) = &mut self.wire {
            let _ = wire.read(&mut old);
        }
        self.ready.clear();
        self.deframer.clear();
    }

    /// Takes what has arrived past the guard.
    pub(super) fn read(&mut self) {
        let mut buf = [0; 256];
        let Some(wire) = &mut self.wire else { return };
        match wire.read(&mut buf) {
            Ok(n) => {
                for byte in buf.get(..n).unwrap_or_default() {
                    match self.deframer.push(*byte) {
                        Parsed::Item(frame) => self.frame(&frame),
                        Parsed::Corrupt(_) => self.notes.push(Note::Noise),
                        Parsed::NeedMore | Parsed::NotForUs => {}
                    }
                }
            }
            Err(e) => self.fail(e),
        }
    }

    fn fail(&mut self, e: io::Error) {
        if !matches!(e.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) {
            self.broken = Some(e);
        }
    }

    fn frame(&mut self, frame: &Frame) {
        let (address, code) = (frame.address(), frame.code());
        match self.guard.received(frame) {
            Err(Refusal::Stray) => return,
            Err(Refusal::Breach(why)) => return self.notes.push(Note::Breach { address, why }),
            Ok(()) => {}
        }
        if let Some(unanswered) = self.unanswered.get_mut(usize::from(address)) {
            *unanswered = 0;
        }
        if let Some(identity) = frame.identity() {
            self.notes.push(Note::Identity { address, identity });
        }
        if let Some(capabilities) = frame.capabilities() {
            self.notes.push(Note::Capabilities { address, capabilities });
        }
        if code == reply::CCRYPT
            && let Some(random) = frame.data().get(8..16).and_then(|r| r.try_into().ok())
        {
            self.notes.push(Note::Challenge { address, random });
        }
        let secured = matches!(frame.security(), Some(0x16 | 0x18));
        self.notes.push(Note::Passed { address, code, secured });
        self.ready.extend(frame.bytes());
    }
}

/// The one frame in what the library sends; before it there may be a mark.
fn whole(bytes: &[u8]) -> Option<Frame> {
    let mut deframer = Deframer::default();
    bytes.iter().find_map(|byte| match deframer.push(*byte) {
        Parsed::Item(frame) => Some(frame),
        _ => None,
    })
}
