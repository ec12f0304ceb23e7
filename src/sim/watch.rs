//! What must hold after every step, and how often there was something to hold.

/// An invariant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    FireUnlocks,
    GrantNeedsRight,
    FaceLives,
    FaceNeverAlone,
    RefusedFacesChangeNothing,
    ResidentGetsIn,
    OutputsBounded,
    PulseBounded,
    FreeOnlyWithCause,
    ExitNeverDenied,
    OneRecord,
    Gapless,
    Published,
    LostInCommit,
    NoDeadlineLost,
    GrantsEnd,
    UseDurableFirst,
    UsesWithinLimit,
    RestartKeepsMode,
    RestartKeepsPassback,
    RestartKeepsLockout,
    RestartKeepsUses,
    ClockAboveFloor,
    SlowAnswersAll,
    AlarmsRepeat,
    TwoFactors,
    DuressOpensAndCalls,
    InterlockHolds,
    PassbackKeepsOut,
    PassbackLetsOut,
    LockDownKeepsOut,
    LockDownLetsOut,
    LineFaultTold,
    DurableIsThere,
    LossCounted,
}

use Rule::*;

/// All of them, with what they say.
pub const RULES: [(Rule, &str); 35] = [
    (FireUnlocks, "while there is a fire the lock is open"),
    (GrantNeedsRight, "whoever is let in has a right that holds now"),
    (FaceLives, "a face that opens was seen just now, and is not known to be a picture"),
    (FaceNeverAlone, "whoever gets in by face would get in by card"),
    (RefusedFacesChangeNothing, "without faces that opened nothing all else is the same"),
    (ResidentGetsIn, "a resident's card is refused only for a reason that holds"),
    (OutputsBounded, "the lock is never open longer than its rule"),
    (PulseBounded, "a pulse is no longer than its length"),
    (FreeOnlyWithCause, "a door is free only by order, schedule or fire"),
    (ExitNeverDenied, "whoever asks to leave can"),
    (OneRecord, "every decision has one record"),
    (Gapless, "events are numbered without a gap, over restarts too"),
    (Published, "the broker gets what is durable, once and in order"),
    (LostInCommit, "a power cut loses no event older than 50 ms"),
    (NoDeadlineLost, "no deadline is in the past, and a schedule always has one"),
    (GrantsEnd, "every grant is taken or not taken, in time"),
    (UseDurableFirst, "a use is durable before the door opens for it"),
    (UsesWithinLimit, "nobody has more uses than their right"),
    (RestartKeepsMode, "a mode that was set outlives a restart"),
    (RestartKeepsPassback, "who is inside is inside after a restart"),
    (RestartKeepsLockout, "a slowed reader is slow after a restart"),
    (RestartKeepsUses, "a use that was spent is spent after a restart"),
    (ClockAboveFloor, "no event's time is below the stored floor, or goes back"),
    (SlowAnswersAll, "a slowed reader answers every valid card that waits"),
    (AlarmsRepeat, "an alarm is said again until it is acknowledged"),
    (TwoFactors, "where a card isn't enough, nobody gets in on one factor"),
    (DuressOpensAndCalls, "a PIN under threat opens as the right one does, and calls for help"),
    (InterlockHolds, "nobody is let in while the other door of an interlock is in use"),
    (PassbackKeepsOut, "hard anti-passback lets nobody in who is inside"),
    (PassbackLetsOut, "anti-passback never stands against leaving"),
    (LockDownKeepsOut, "a door that is blocked or locked down lets nobody in"),
    (LockDownLetsOut, "and everybody out"),
    (LineFaultTold, "a wire that is cut or bridged raises an alarm"),
    (DurableIsThere, "what is told to be durable is on the disk"),
    (LossCounted, "what a full disk had no room for is counted and recorded"),
];

/// How often each invariant had something to hold, and the first that did not.
#[derive(Clone, Debug)]
pub struct Watch {
    pub met: [u64; RULES.len()],
    pub broken: Option<(Rule, String)>,
}

impl Default for Watch {
    fn default() -> Self {
        Self { met: [0; RULES.len()], broken: None }
    }
}

impl Watch {
    pub(super) fn hold(&mut self, rule: Rule, holds: bool, why: impl FnOnce() -> String) {
        self.met[rule as usize] += 1;
        if !holds && self.broken.is_none() {
            self.broken = Some((rule, why()));
        }
    }

    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.met.iter_mut().zip(other.met) {
            *mine += theirs;
        }
    }
}
