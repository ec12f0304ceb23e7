//! Each way a command can be wrong, and what an honest one meets.

use super::super::{Certificate, Draft, Key256, SecretKey, seal};
use super::*;
use crate::domain::{DoorMode, GateId, SiteId};
use proptest::prelude::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const NOW: WallTime = WallTime::from_secs(1_795_000_000);
const FRESH: Challenge = Challenge([5; 16]);

fn after(seconds: u64) -> WallTime {
    WallTime::from_secs(NOW.as_secs() + seconds)
}

/// Whoever gives a command; a test may exchange each part.
struct Giver {
    site: SiteId,
    gate: GateId,
    root: SecretKey,
    key: SecretKey,
    keys: GateKeys,
    seal_to: GateKeys,
    name: &'static str,
    role: Role,
    purpose: Purpose,
    version: u64,
    issued_at: WallTime,
    lives_s: u64,
    certified_until: WallTime,
    retained: bool,
    wish: Wish,
    challenge: Option<Challenge>,
}

impl Giver {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let keys = GateKeys::generate();
        Ok(Self {
            site: "garden".parse()?,
            gate: "north".parse()?,
            root: SecretKey::generate(),
            key: SecretKey::generate(),
            seal_to: keys.clone(),
            keys,
            name: "desk",
            role: Role::Guard,
            purpose: Purpose::Command,
            version: 7,
            issued_at: NOW,
            lives_s: COMMAND_LIVES_S,
            certified_until: after(1_000_000),
            retained: false,
            wish: Wish::OpenOnce { door: "main".into() },
            challenge: None,
        })
    }

    fn expected(&self) -> Expectation {
        let (site, gate) = (self.site.clone(), self.gate.clone());
        Expectation { site, gate, root: self.root.public(), now: None }
    }

    fn envelope(&self) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
        let (by, key) = (self.name.parse()?, self.key.public());
        let from = WallTime::from_secs(NOW.as_secs() - 1_000);
        let until = self.certified_until;
        let certificate = Certificate::new(self.site.clone(), by, key, self.role, from, until);
        let plain = Request::new(self.wish.clone(), self.challenge).to_bytes();
        let draft = Draft {
            site: &self.site,
            gate: &self.gate,
            seal_to: &self.seal_to.public().sealing,
            purpose: self.purpose,
            version: self.version,
            issued_at: self.issued_at,
            expires_at: WallTime::from_secs(self.issued_at.as_secs() + self.lives_s),
            epoch: 0,
            epoch_key: &Key256::generate(),
            plain: &plain,
        };
        let certificate = certificate.issue(&self.root)?;
        seal(&draft, &self.key, &certificate).ok_or_else(|| "nothing sealed".into())
    }

    fn command(&self) -> Result<Command, Box<dyn std::error::Error>> {
        let read = Command::read(&self.envelope()?, self.retained, &self.keys, &self.expected());
        read.map_err(|e| format!("{e:?}").into())
    }
}

/// What a gate that expects the honest giver says to what `forge` made of it.
fn refusal(forge: impl FnOnce(&mut Giver)) -> Result<NotACommand, Box<dyn std::error::Error>> {
    let mut giver = Giver::new()?;
    let (expected, keys) = (giver.expected(), giver.keys.clone());
    forge(&mut giver);
    let read = Command::read(&giver.envelope()?, giver.retained, &keys, &expected);
    read.err().ok_or_else(|| "was taken".into())
}

#[test]
fn each_forgery_has_its_refusal() -> Outcome {
    use RefusedCommand::*;
    let (south, park) = ("south".parse()?, "park".parse()?);
    assert_eq!(refusal(|g| g.gate = south)?.why, NotForUs);
    assert_eq!(refusal(|g| g.site = park)?.why, NotForUs);
    assert_eq!(refusal(|g| g.root = SecretKey::generate())?.why, BadSignature);
    assert_eq!(refusal(|g| g.seal_to = GateKeys::generate())?.why, Sealed);
    assert_eq!(refusal(|g| g.role = Role::Installer)?.why, Uncertified);
    assert_eq!(refusal(|g| g.purpose = Purpose::Allowlist)?.why, Uncertified);
    assert_eq!(
        refusal(|g| (g.role, g.purpose) = (Role::Office, Purpose::Allowlist))?.why,
        NotForUs
    );
    assert_eq!(refusal(|g| g.retained = true)?.why, Retained);
    // Signed outside of its certificate's time, which needs no clock.
    assert_eq!(refusal(|g| g.issued_at = after(2_000_000))?.why, Expired);
    let unsound =
        Wish::SetMode { door: "main".into(), mode: crate::domain::DoorMode::Accessed, for_s: None };
    let refused = refusal(|g| (g.role, g.wish) = (Role::Office, unsound))?;
    assert_eq!(
        refused,
        NotACommand { why: Malformed, by: Some("desk".parse()?), version: Some(7) }
    );
    let giver = Giver::new()?;
    let long = vec![b'x'; MAX_COMMAND_BYTES + 1];
    let refused = Command::read(&long, false, &giver.keys, &giver.expected()).err();
    assert_eq!(refused, Some(NotACommand { why: Malformed, by: None, version: None }));
    Ok(())
}

#[test]
fn a_guard_opens_once_and_sees_alarms_the_office_does_the_rest_too() -> Outcome {
    let door = || "main".to_owned();
    let small = [Wish::OpenOnce { door: door() }, Wish::Acknowledge {}];
    let large = [
        Wish::SetMode { door: door(), mode: DoorMode::Locked, for_s: None },
        Wish::EndMode { door: door() },
        Wish::Amnesty {},
        Wish::EndFire {},
    ];
    for wish in small {
        assert!(Role::Guard.may_ask(&wish) && Role::Office.may_ask(&wish));
        assert!(!Role::Installer.may_ask(&wish));
    }
    for wish in large {
        assert!(!Role::Guard.may_ask(&wish) && Role::Office.may_ask(&wish));
        let refused = refusal(|g| g.wish = wish.clone())?;
        assert_eq!(refused.why, RefusedCommand::Uncertified, "{wish:?}");
        let giver = Giver { role: Role::Office, wish, ..Giver::new()? };
        assert!(giver.command().is_ok());
    }
    Ok(())
}

#[test]
fn a_command_is_obeyed_once_also_after_a_restart() -> Outcome {
    let mut giver = Giver::new()?;
    let mut register = Register::default();
    let judge = |register: &mut Register, command: &Command| {
        register.judge(Instant(0), Some(NOW), command, FRESH)
    };
    let command = giver.command()?;
    assert_eq!(judge(&mut register, &command), Verdict::Obey);
    assert_eq!(judge(&mut register, &command), Verdict::Refuse(RefusedCommand::Older));
    giver.version = 6;
    assert_eq!(judge(&mut register, &giver.command()?), Verdict::Refuse(RefusedCommand::Older));
    giver.version = 8;
    let next = giver.command()?;
    assert_eq!(judge(&mut register, &next), Verdict::Obey);
    let mut restarted = Register::restore([("desk".parse()?, 8), ("desk".parse()?, 7)]);
    assert_eq!(judge(&mut restarted, &next), Verdict::Refuse(RefusedCommand::Older));
    // Another operator's versions are others.
    giver.name = "office";
    assert_eq!(judge(&mut restarted, &giver.command()?), Verdict::Obey);
    Ok(())
}

#[test]
fn a_command_is_obeyed_in_its_minute_alone() -> Outcome {
    let giver = Giver::new()?;
    let judge = |giver: &Giver, wall| -> Result<Verdict, Box<dyn std::error::Error>> {
        Ok(Register::default().judge(Instant(0), Some(wall), &giver.command()?, FRESH))
    };
    let expired = Verdict::Refuse(RefusedCommand::Expired);
    assert_eq!(judge(&giver, after(59))?, Verdict::Obey);
    assert_eq!(judge(&giver, after(60))?, expired, "held back");
    assert_eq!(judge(&giver, WallTime::from_secs(NOW.as_secs() - 60))?, Verdict::Obey);
    assert_eq!(judge(&giver, WallTime::from_secs(NOW.as_secs() - 61))?, expired, "not yet");
    let long = Giver { lives_s: 121, ..Giver::new()? };
    assert_eq!(judge(&long, NOW)?, expired, "meant to live too long");
    let none = Giver { lives_s: 0, ..Giver::new()? };
    assert_eq!(judge(&none, NOW)?, expired, "meant for no time");
    let over = Giver { certified_until: after(10), ..Giver::new()? };
    assert_eq!(judge(&over, after(9))?, Verdict::Obey);
    assert_eq!(judge(&over, after(10))?, expired, "certificate over");
    Ok(())
}

#[test]
fn without_a_trusted_clock_only_a_fresh_challenge_opens_and_only_once() -> Outcome {
    let mut giver = Giver::new()?;
    let mut register = Register::default();
    let at = |s: u64| Instant::default() + Duration::from_secs(s);
    let other = Challenge([6; 16]);
    let held_back = giver.command()?;
    assert_eq!(register.judge(at(0), None, &held_back, FRESH), Verdict::Ask(FRESH));
    // Repeating it neither opens nor uses the challenge up.
    assert_eq!(register.judge(at(1), None, &held_back, other), Verdict::Ask(FRESH));
    (giver.version, giver.challenge) = (8, Some(other));
    assert_eq!(register.judge(at(2), None, &giver.command()?, other), Verdict::Ask(FRESH));
    // Another operator's is another challenge.
    giver.challenge = Some(FRESH);
    giver.name = "gatehouse";
    assert_eq!(register.judge(at(2), None, &giver.command()?, other), Verdict::Ask(other));
    giver.name = "desk";
    let answer = giver.command()?;
    let mut late = Register::default();
    assert_eq!(late.judge(at(0), None, &held_back, FRESH), Verdict::Ask(FRESH));
    assert_eq!(late.judge(at(60), None, &answer, other), Verdict::Ask(other), "too late");
    assert_eq!(register.judge(at(59), None, &answer, other), Verdict::Obey);
    assert_eq!(
        register.judge(at(59), None, &answer, other),
        Verdict::Refuse(RefusedCommand::Older)
    );
    giver.version = 9;
    assert_eq!(register.judge(at(59), None, &giver.command()?, other), Verdict::Ask(other), "used");
    // After a restart nothing waits, so that an answer that was held back opens nothing.
    let mut restarted = Register::restore([]);
    assert_eq!(restarted.judge(at(1), None, &answer, other), Verdict::Ask(other));
    Ok(())
}

proptest! {
    #[test]
    fn no_altered_byte_passes(at in any::<prop::sample::Index>(), bit in 0..8u32) {
        let fail = |e: Box<dyn std::error::Error>| TestCaseError::fail(e.to_string());
        let giver = Giver::new().map_err(fail)?;
        let mut altered = giver.envelope().map_err(fail)?;
        let at = at.index(altered.len());
        altered[at] ^= 1 << bit;
        prop_assert!(Command::read(&altered, false, &giver.keys, &giver.expected()).is_err());
    }
}
