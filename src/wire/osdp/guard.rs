//! Which replies may reach the library: one command is under way on a bus, and what answers it must be of
//! the kind, the security and the number that it called for. A reply that passed is the only one.

use super::{CAP_SECURITY, Frame, Profile, command, reply};
use crate::domain::SecurityBreach;

/// How a reader must talk.
#[derive(Clone, Debug)]
pub enum Trust {
    /// In the clear, because the configuration says so by name.
    Low,
    /// In a secure channel with its own key, and as it was enrolled.
    Secure(Option<Profile>),
    /// Being enrolled: for this time the default key may open a session to hand over the reader's own.
    Installing,
}

/// Why a reply goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Our own echo, another's answer, a late one: not looked at.
    Stray,
    Breach(SecurityBreach),
}

struct Asked {
    address: u8,
    sequence: u8,
    code: u8,
    security: Option<u8>,
    default_key: bool,
}

/// The doorkeeper of one bus.
#[derive(Default)]
pub struct Guard {
    readers: Vec<(u8, Trust)>,
    asked: Option<Asked>,
}

impl Guard {
    /// Sets how the reader at an address must talk.
    pub fn set(&mut self, address: u8, trust: Trust) {
        match self.readers.iter_mut().find(|(a, _)| *a == address) {
            Some((_, old)) => *old = trust,
            None => self.readers.push((address, trust)),
        }
    }

    /// A command goes out.
    pub fn sent(&mut self, frame: &Frame) {
        self.asked = Some(Asked {
            address: frame.address(),
            sequence: frame.sequence(),
            code: frame.code(),
            security: frame.security(),
            default_key: frame.means_default_key(),
        });
    }

    /// A frame came in: may it be looked at?
    pub fn received(&mut self, frame: &Frame) -> Result<(), Refusal> {
        let stray = Err(Refusal::Stray);
        let Some(asked) = &self.asked else { return stray };
        if !frame.is_reply() || frame.address() != asked.address {
            return stray;
        }
        let Some((_, trust)) = self.readers.iter().find(|(a, _)| *a == asked.address) else {
            return stray;
        };
        if matches!(trust, Trust::Low) {
            // Nothing here is secret or proven, so nothing can be breached.
            if frame.security().is_some() {
                return stray;
            }
        } else {
            judge(asked, trust, frame).map_err(Refusal::Breach)?;
        }
        self.asked = None;
        Ok(())
    }
}

fn judge(asked: &Asked, trust: &Trust, frame: &Frame) -> Result<(), SecurityBreach> {
    let code = frame.code();
    if frame.security().is_none() {
        // Busy has the number 0, whatever it answers.
        let is_busy = code == reply::BUSY && frame.sequence() == 0;
        if is_busy || code == reply::NAK {
            return Ok(());
        }
    }
    let fits = match (asked.security, frame.security()) {
        (None, None) => {
            matches!((asked.code, code), (command::ID, reply::PDID) | (command::CAP, reply::PDCAP))
        }
        (Some(0x11), Some(0x12)) => (asked.code, code) == (command::CHLNG, reply::CCRYPT),
        (Some(0x13), Some(0x14)) => (asked.code, code) == (command::SCRYPT, reply::RMAC_I),
        (Some(0x15 | 0x17), Some(0x16 | 0x18)) => {
            !matches!(code, reply::CCRYPT | reply::RMAC_I | reply::PDID | reply::PDCAP)
        }
        // Some readers drop the session with the old key before they confirm the new one. What this
        // confirms is proven by the session that follows.
        (Some(0x17), None) => (asked.code, code) == (command::KEYSET, reply::ACK),
        (None, Some(_)) => return Err(SecurityBreach::Replay),
        _ => false,
    };
    if !fits {
        return Err(SecurityBreach::Plaintext);
    }
    if frame.sequence() != asked.sequence {
        return Err(SecurityBreach::Replay);
    }
    if frame.means_default_key() && !asked.default_key {
        return Err(SecurityBreach::DefaultKey);
    }
    if let Some(now) = frame.capabilities() {
        let secure = now.iter().any(|c| c.0 == CAP_SECURITY && c.1 & 1 == 1);
        let less = matches!(trust, Trust::Secure(Some(then)) if then.is_downgraded_by(&now));
        if !secure || less {
            return Err(SecurityBreach::Downgrade);
        }
    }
    if let (Some(now), Trust::Secure(Some(then))) = (frame.identity(), trust)
        && !then.same_device(&now)
    {
        return Err(SecurityBreach::Replaced);
    }
    if code == reply::PDID && frame.identity().is_none()
        || code == reply::PDCAP && frame.security().is_none() && frame.capabilities().is_none()
    {
        return Err(SecurityBreach::Plaintext);
    }
    Ok(())
}
