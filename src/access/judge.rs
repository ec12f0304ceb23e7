//! May this right pass now? Pure functions of what is known; nothing is remembered here.

use super::options::UntrustedClock;
use super::when::Calendar;
use crate::domain::{Duration, Entitlement, Instant, Liveness, Observation, Reason, WallTime};

/// What rights are judged by.
#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    /// Absent while the clock can't be trusted.
    pub wall: Option<WallTime>,
    pub calendar: &'a Calendar,
    pub untrusted: UntrustedClock,
}

/// `spent`: how often a right of limited use has been used.
pub(super) fn card(
    found: Option<Entitlement>,
    spent: u16,
    moment: Moment<'_>,
) -> Result<Entitlement, Reason> {
    let right = found.ok_or(Reason::CredentialNotFound)?;
    if !right.ways.card {
        return Err(Reason::CredentialNotEnabled);
    }
    in_time(&right, moment)?;
    if right.uses.is_some_and(|uses| spent >= uses) {
        return Err(Reason::CredentialExpired);
    }
    Ok(right)
}

/// A face opens only where a card of the same subject would: it is never the only way in, whatever list,
/// schedule or configuration says.
pub(super) fn face(
    now: Instant,
    seen: &Observation,
    max_age: Duration,
    found: Option<Entitlement>,
    spent: u16,
    moment: Moment<'_>,
) -> Result<Entitlement, Reason> {
    // Checked here and not at the camera: how old it is when it opens is what counts. One from the
    // future comes from a broken clock or a broken worker, and is no better.
    if seen.captured_at > now || now.since(seen.captured_at) > max_age {
        return Err(Reason::Other);
    }
    if seen.liveness == Liveness::NotShown {
        return Err(Reason::Unauthorized);
    }
    let right = found.ok_or(Reason::CredentialNotFound)?;
    if !right.ways.face {
        return Err(Reason::CredentialNotEnabled);
    }
    card(Some(right), spent, moment)
}

fn in_time(right: &Entitlement, moment: Moment<'_>) -> Result<(), Reason> {
    if right.from.is_none() && right.until.is_none() && right.profile.is_none() {
        return Ok(());
    }
    let profile = match right.profile.map(|number| moment.calendar.numbered(number)) {
        // Hours that this gate doesn't know: whatever the time is, nobody can say that it is within them.
        Some(None) => return Err(Reason::NotPermittedAtThisTime),
        known => known.flatten(),
    };
    let Some(wall) = moment.wall else {
        return match moment.untrusted {
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
    if profile.is_some_and(|profile| !moment.calendar.holds(profile, wall)) {
        return Err(Reason::NotPermittedAtThisTime);
    }
    Ok(())
}
