//! May this presentation pass? Pure functions of what is known; nothing is remembered here.

use crate::domain::{
    Duration, Entitlement, Instant, Liveness, Observation, Reason, WallTime, Ways,
};

/// What happens to time-limited rights while the clock can't be trusted. Rights without a limit always
/// work: a family is not locked out by a flat battery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UntrustedClock {
    /// Time-limited rights wait until the clock is trusted again.
    #[default]
    Deny,
    /// Time-limited rights count as valid.
    Allow,
}

pub(super) type Verdict = Result<(), Reason>;

pub(super) fn card(
    found: Option<&Entitlement>,
    wall: Option<WallTime>,
    rule: UntrustedClock,
) -> Verdict {
    let right = found.ok_or(Reason::CredentialNotFound)?;
    enabled(right.ways, |w| w.card)?;
    in_time(right, wall, rule)
}

pub(super) fn face(
    now: Instant,
    seen: &Observation,
    max_age: Duration,
    found: Option<&Entitlement>,
    wall: Option<WallTime>,
    rule: UntrustedClock,
) -> Verdict {
    // Checked here and not at the camera: how old it is when it opens is what counts. One from the
    // future comes from a broken clock or a broken worker, and is no better.
    if seen.captured_at > now || now.since(seen.captured_at) > max_age {
        return Err(Reason::Other);
    }
    if seen.liveness == Liveness::NotShown {
        return Err(Reason::Unauthorized);
    }
    let right = found.ok_or(Reason::CredentialNotFound)?;
    enabled(right.ways, |w| w.face)?;
    // The list refuses a subject whose only way in is a face; should one get here all the same, the
    // face does not open.
    enabled(right.ways, |w| w.card)?;
    in_time(right, wall, rule)
}

fn enabled(ways: Ways, way: impl Fn(Ways) -> bool) -> Verdict {
    if way(ways) { Ok(()) } else { Err(Reason::CredentialNotEnabled) }
}

fn in_time(right: &Entitlement, wall: Option<WallTime>, rule: UntrustedClock) -> Verdict {
    if right.from.is_none() && right.until.is_none() {
        return Ok(());
    }
    let Some(wall) = wall else {
        return match rule {
            UntrustedClock::Allow => Ok(()),
            UntrustedClock::Deny => Err(Reason::NotPermittedAtThisTime),
        };
    };
    if right.from.is_some_and(|from| wall < from) {
        return Err(Reason::CredentialNotActive);
    }
    if right.until.is_some_and(|until| wall >= until) {
        return Err(Reason::CredentialExpired);
    }
    Ok(())
}
