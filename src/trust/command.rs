//! Whether a command is to be obeyed: who gave it, may they, is it given now, and for the first time.
//!
//! [`Command::read`] does what needs neither memory nor clock, and may be done on any thread. [`Register`] is
//! the memory: each operator's commands have growing versions, and none that is not newer than the last one
//! obeyed is ever obeyed. What it takes is to be durable before anything opens. A gate without a trusted clock
//! can't tell whether a command was held back, so it asks for one that contains its fresh challenge.

use super::envelope::{Expectation, Purpose, claimed_version, verify};
use super::{GateKeys, Role};
use crate::domain::{Duration, Instant, OperatorId, RefusedCommand, WallTime};
use crate::wire::order::{Challenge, Request, Wish};
use std::collections::BTreeMap;

/// A command is less than 3 KB.
pub const MAX_COMMAND_BYTES: usize = 16 * 1024;

/// How long an operator's command is meant to be obeyed.
pub const COMMAND_LIVES_S: u64 = 60;

/// One that is meant to live for longer is refused.
const LONGEST_S: u64 = 120;

/// How far an operator's clock may be ahead of the gate's.
const AHEAD_S: u64 = 60;

/// How long a challenge waits for its answer.
const CHALLENGE_LIVES: Duration = Duration::from_secs(60);

impl Role {
    /// What concerns one moment is a guard's as well; what lasts is the office's.
    pub fn may_ask(self, wish: &Wish) -> bool {
        match wish {
            Wish::OpenOnce { .. } | Wish::Acknowledge {} => {
                matches!(self, Self::Guard | Self::Office)
            }
            Wish::SetMode { .. } | Wish::EndMode { .. } | Wish::Amnesty {} | Wish::EndFire {} => {
                self == Self::Office
            }
        }
    }
}

/// A command of an operator who may give it; whether now is [`Register::judge`]'s to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub by: OperatorId,
    pub version: u64,
    pub wish: Wish,
    challenge: Option<Challenge>,
    issued_at: WallTime,
    expires_at: WallTime,
    certified_until: WallTime,
}

/// What is refused, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotACommand {
    pub why: RefusedCommand,
    /// Who gave it, where the signature was right.
    pub by: Option<OperatorId>,
    /// What it claims to be, verified or not: for telling which one was refused.
    pub version: Option<u64>,
}

impl Command {
    /// Verifies, decrypts and understands an envelope. `retained`: the broker had kept it.
    pub fn read(
        bytes: &[u8],
        retained: bool,
        keys: &GateKeys,
        expected: &Expectation,
    ) -> Result<Self, NotACommand> {
        let refused = |why| NotACommand { why, by: None, version: None };
        if bytes.len() > MAX_COMMAND_BYTES {
            return Err(refused(RefusedCommand::Malformed));
        }
        let refused = |why| NotACommand { version: claimed_version(bytes), ..refused(why) };
        if retained {
            return Err(refused(RefusedCommand::Retained));
        }
        // The time is judged with the rest that needs one.
        let expected = Expectation { now: None, ..expected.clone() };
        let opened = verify(bytes, &expected, Purpose::Command).map_err(|e| refused(e.into()))?;
        let by = opened.certificate.operator.clone();
        let refused = |why| NotACommand { by: Some(by.clone()), ..refused(why) };
        let plain = opened.unseal(keys).map_err(|e| refused(e.into()))?;
        let request = Request::read(&plain).ok_or_else(|| refused(RefusedCommand::Malformed))?;
        if !opened.certificate.role.may_ask(&request.wish) {
            return Err(refused(RefusedCommand::Uncertified));
        }
        Ok(Self {
            version: opened.claims.version,
            wish: request.wish,
            challenge: request.challenge,
            issued_at: opened.claims.issued_at(),
            expires_at: opened.claims.expires_at(),
            certified_until: opened.certificate.valid_until(),
            by,
        })
    }

    fn is_short_lived(&self) -> bool {
        let (from, until) = (self.issued_at.as_secs(), self.expires_at.as_secs());
        from < until && until - from <= LONGEST_S
    }

    fn holds_at(&self, now: WallTime) -> bool {
        let begun = self.issued_at.as_secs() <= now.as_secs().saturating_add(AHEAD_S);
        begun && now < self.expires_at && now < self.certified_until
    }
}

/// What is to become of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Once its version is durable.
    Obey,
    /// Not this one, but one that contains this.
    Ask(Challenge),
    Refuse(RefusedCommand),
}

/// Each operator's last version, and the challenges that wait.
#[derive(Debug, Default)]
pub struct Register {
    newest: BTreeMap<OperatorId, u64>,
    asked: BTreeMap<OperatorId, (Challenge, Instant)>,
}

impl Register {
    /// What was obeyed before a restart.
    pub fn restore(obeyed: impl IntoIterator<Item = (OperatorId, u64)>) -> Self {
        let mut register = Self::default();
        for (by, version) in obeyed {
            register.take(by, version);
        }
        register
    }

    fn take(&mut self, by: OperatorId, version: u64) {
        let newest = self.newest.entry(by).or_default();
        *newest = version.max(*newest);
    }

    /// Judges a command, and takes its version where it is to be obeyed. `wall` is absent while the clock
    /// can't be trusted; `fresh` is what would be asked for then, random.
    pub fn judge(
        &mut self,
        now: Instant,
        wall: Option<WallTime>,
        command: &Command,
        fresh: Challenge,
    ) -> Verdict {
        if self.newest.get(&command.by).is_some_and(|newest| command.version <= *newest) {
            return Verdict::Refuse(RefusedCommand::Older);
        }
        self.asked.retain(|_, (_, end)| now < *end);
        match wall {
            _ if !command.is_short_lived() => return Verdict::Refuse(RefusedCommand::Expired),
            Some(wall) if !command.holds_at(wall) => {
                return Verdict::Refuse(RefusedCommand::Expired);
            }
            Some(_) => {}
            None => {
                // The one that waits already, if there is one: whoever repeats old commands doesn't use it up.
                let end = now + CHALLENGE_LIVES;
                let (asked, _) = *self.asked.entry(command.by.clone()).or_insert((fresh, end));
                if command.challenge != Some(asked) {
                    return Verdict::Ask(asked);
                }
            }
        }
        self.asked.remove(&command.by);
        self.take(command.by.clone(), command.version);
        Verdict::Obey
    }
}

#[cfg(test)]
#[path = "command_tests.rs"]
mod tests;
