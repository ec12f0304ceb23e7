//! One reader as the bus sees it: what is known of it, and what the library's notes mean. `now` comes in;
//! nothing is sent from here.

use super::line::{Event, Note};
use super::{Enrolled, ReaderOptions, What};
use crate::domain::SecurityBreach;
use crate::wire::osdp::{Capability, Identity, Profile, Trust, command, reply};
use crate::wire::wiegand::{Bits, MAX_BITS};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A reader that answers nothing for this long is down.
const DOWN_AFTER: Duration = Duration::from_millis(3_500);
/// After it was given up, a reader is asked again after this long.
const RETRY: Duration = Duration::from_millis(1_000);
/// The same breach is told once in this time.
const BREACH_EVERY: Duration = Duration::from_secs(1);
/// Random numbers of past handshakes that are remembered.
const CHALLENGES: usize = 16;
/// Capabilities: lights, buzzer.
const LIGHTS: u8 = 4;
const BUZZER: u8 = 5;

/// What it takes to talk with it.
pub(super) enum Access {
    Low,
    Enrolled(Enrolled),
    /// Never enrolled, or its key is not fit to be used.
    None,
    /// With a key that it may be given until then.
    Installing {
        key: super::Key,
        until: Instant,
    },
}

pub(super) struct Seat {
    pub options: ReaderOptions,
    pub access: Access,
    /// Whether the last news was that it is up.
    pub up: Option<bool>,
    /// A session with its own key.
    pub secure: bool,
    /// When the library is to begin with it anew.
    pub restart_at: Option<Instant>,
    pub breach: Option<SecurityBreach>,
    online: bool,
    last_heard: Instant,
    last: Option<Last>,
    seen: VecDeque<[u8; 8]>,
    challenge: Option<[u8; 8]>,
    identity: Option<Identity>,
    capabilities: Vec<Capability>,
    told: Vec<(SecurityBreach, Instant)>,
    tamper: bool,
    power: bool,
    refuses_status: bool,
    pub ask_status: bool,
}

/// The last thing that passed between gate and reader.
#[derive(Clone, Copy)]
enum Last {
    Sent { code: u8 },
    Passed { asked: u8, code: u8, secured: bool },
}

impl Seat {
    pub(super) fn new(options: ReaderOptions, access: Access, now: Instant) -> Self {
        Self {
            options,
            access,
            up: None,
            secure: false,
            restart_at: None,
            breach: None,
            online: false,
            last_heard: now,
            last: None,
            seen: VecDeque::new(),
            challenge: None,
            identity: None,
            capabilities: Vec::new(),
            told: Vec::new(),
            tamper: false,
            power: false,
            refuses_status: false,
            ask_status: false,
        }
    }

    /// What the guard demands of it; `None` if nobody may talk with it.
    pub(super) fn trust(&self) -> Option<Trust> {
        match &self.access {
            Access::Low => Some(Trust::Low),
            Access::Enrolled(enrolled) => Some(Trust::Secure(enrolled.profile.clone())),
            Access::Installing { .. } => Some(Trust::Installing),
            Access::None => None,
        }
    }

    /// The library begins anew with all readers.
    pub(super) fn begin(&mut self) {
        (self.online, self.secure, self.restart_at, self.last) = (false, false, None, None);
    }

    pub(super) fn has_lights(&self) -> bool {
        self.has(LIGHTS)
    }

    pub(super) fn has_buzzer(&self) -> bool {
        self.has(BUZZER)
    }

    /// A command that a reader can't follow costs the library the session with it.
    fn has(&self, function: u8) -> bool {
        self.capabilities.iter().any(|c| c.0 == function && c.1 > 0)
    }

    /// Whether what it says may be believed.
    fn is_trusted(&self) -> bool {
        match self.access {
            Access::Low => true,
            Access::Enrolled(_) => self.secure,
            Access::None | Access::Installing { .. } => false,
        }
    }

    /// Whether it has just proven to have the key it was given: then, as what.
    pub(super) fn has_taken_key(&self) -> Option<Profile> {
        let installing = matches!(self.access, Access::Installing { .. });
        let proven = installing && self.online && self.secure;
        let identity = self.identity.filter(|_| proven)?;
        Some(Profile { identity, capabilities: self.capabilities.clone() })
    }

    pub(super) fn breach(&mut self, why: SecurityBreach, now: Instant, out: &mut Vec<What>) {
        // While it is being enrolled it can't know better.
        if matches!(self.access, Access::Installing { .. }) {
            return;
        }
        self.breach = Some(why);
        match self.told.iter_mut().find(|(w, _)| *w == why) {
            Some((_, at)) if now.duration_since(*at) < BREACH_EVERY => return,
            Some((_, at)) => *at = now,
            None => self.told.push((why, now)),
        }
        out.push(What::Breach(why));
    }

    /// Takes a note that concerns this reader.
    pub(super) fn note(&mut self, note: Note, now: Instant, out: &mut Vec<What>) {
        match note {
            Note::Sent { code, .. } => self.last = Some(Last::Sent { code }),
            Note::Passed { code, secured, .. } => {
                let asked = match self.last {
                    Some(Last::Sent { code }) => code,
                    _ => 0,
                };
                self.last = Some(Last::Passed { asked, code, secured });
                self.last_heard = now;
            }
            Note::Challenge { random, .. } => self.challenge = Some(random),
            Note::Identity { identity, .. } => self.identity = Some(identity),
            Note::Capabilities { capabilities, .. } => self.capabilities = capabilities,
            Note::Breach { why, .. } => self.breach(why, now, out),
            Note::Noise => {}
            Note::Event { event, .. } => self.event(event, now, out),
        }
    }

    fn event(&mut self, event: Event, now: Instant, out: &mut Vec<What>) {
        match event {
            Event::Session { active, default_key } => {
                self.secure = active && !default_key;
                if self.secure
                    && let Some(random) = self.challenge.take()
                {
                    self.seen.truncate(CHALLENGES - 1);
                    self.seen.push_front(random);
                }
                if !active {
                    self.why_it_ended(now, out);
                }
            }
            Event::Online(true) => {
                self.online = true;
                self.restart_at = None;
                if self.is_trusted() {
                    self.breach = None;
                    self.ask_status = !self.refuses_status;
                    if self.up != Some(true) {
                        self.up = Some(true);
                        out.push(What::Up);
                    }
                } else if !self.secure {
                    // In the clear, for want of any key: not while it is being enrolled.
                    self.restart_at = Some(now + RETRY);
                }
            }
            Event::Online(false) => {
                if self.online
                    && matches!(self.last, Some(Last::Passed { asked: 0x64, code: reply::NAK, .. }))
                {
                    self.refuses_status = true;
                }
                (self.online, self.secure) = (false, false);
                self.restart_at.get_or_insert(now + RETRY);
            }
            _ if !self.is_trusted() => {}
            Event::Card { length, data } => out.push(card(length, &data)),
            Event::Keys { length, data } => {
                let keys = data.iter().take(usize::try_from(length).unwrap_or(0));
                out.extend(keys.map(|key| What::Key(*key)));
            }
            Event::Local { tamper, power } => {
                let (tamper, power) = (tamper != 0, power != 0);
                if std::mem::replace(&mut self.tamper, tamper) != tamper {
                    out.push(What::Tamper(tamper));
                }
                if std::mem::replace(&mut self.power, power) != power {
                    out.push(What::PowerFailing(power));
                }
            }
            Event::Other => {}
        }
    }

    /// The library has dropped the session, or could not begin one: whether somebody is at work here is
    /// told by what it had just been given.
    fn why_it_ended(&mut self, now: Instant, out: &mut Vec<What>) {
        let why = match self.last.take() {
            Some(Last::Passed { code: reply::CCRYPT, .. }) => {
                let again = self.challenge.take().is_some_and(|random| self.seen.contains(&random));
                if again { SecurityBreach::Replay } else { SecurityBreach::WrongKey }
            }
            Some(Last::Passed {
                asked: command::CHLNG | command::SCRYPT,
                code: reply::NAK,
                ..
            }) => SecurityBreach::WrongKey,
            // Whole by its check characters, but not by its proof of authenticity.
            Some(Last::Passed { code, secured: true, .. }) if code != reply::NAK => {
                SecurityBreach::Replay
            }
            last => {
                self.last = last;
                return;
            }
        };
        self.breach(why, now, out);
    }

    /// What time alone brings.
    pub(super) fn poll(&mut self, now: Instant, out: &mut Vec<What>) {
        let quiet = now.duration_since(self.last_heard) > DOWN_AFTER;
        let untrusted = !self.online || !self.is_trusted();
        if self.up != Some(false) && quiet && untrusted || self.up == Some(true) && quiet {
            self.up = Some(false);
            out.push(What::Down);
        }
        // It answers, but nothing that could be believed.
        if self.up == Some(true) && untrusted && self.breach.is_some() {
            self.up = Some(false);
            out.push(What::Down);
        }
    }
}

/// The bits of an osdp_RAW: the first one is the highest of the first byte.
fn card(length: i32, data: &[u8; 64]) -> What {
    let bits =
        u8::try_from(length).ok().filter(|bits| (1..=MAX_BITS).contains(bits)).and_then(|n| {
            let bytes = data.get(..usize::from(n).div_ceil(8))?;
            let whole = bytes.iter().fold(0u128, |all, byte| all << 8 | u128::from(*byte));
            Bits::new(whole >> (bytes.len() * 8 - usize::from(n)), n)
        });
    bits.map_or(What::NoCard, What::Card)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_card_s_bits_begin_at_the_left() {
        let mut data = [0; 64];
        data[..4].copy_from_slice(&[0x93, 0xd6, 0x42, 0x80]);
        let What::Card(bits) = card(26, &data) else { panic!() };
        assert_eq!((bits.value(), bits.count()), (0x93d6_4280 >> 6, 26));
        for length in [-1, 0, 129, 512] {
            assert!(matches!(card(length, &data), What::NoCard), "{length}");
        }
        data = [0xff; 64];
        let What::Card(bits) = card(128, &data) else { panic!() };
        assert_eq!(bits.value(), u128::MAX);
    }
}
