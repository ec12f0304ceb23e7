//! The play: what is done, what must be seen, and whether it was.

use super::Sabotage;
use super::eyes::{Seen, Sight};
use super::pictures::Pictures;
use super::world::{NEIGHBOUR, RESIDENT, Stage, UNKNOWN, World};
use crate::cli::Failure;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Long enough for a busy machine; the figures are for benchmarks. The second is for when something has
/// failed already: the play goes on, but nobody has to wait for it.
const SOON: [Duration; 2] = [Duration::from_secs(8), Duration::from_secs(1)];
/// For a worker that has to start: it loads three models.
const LATER: [Duration; 2] = [Duration::from_secs(30), Duration::from_secs(3)];
/// How long a door that must stay shut is watched.
const QUIET: Duration = Duration::from_millis(1_200);

/// One step's outcome, as other tools read it.
#[derive(Serialize)]
struct Step {
    t_ms: u64,
    what: String,
    expected: String,
    ok: bool,
}

struct Play {
    world: World,
    start: Instant,
    json: bool,
    steps: u32,
    failed: u32,
}

pub(super) fn play(
    sabotage: Option<Sabotage>,
    pictures: Pictures,
    json: bool,
) -> Result<(), Failure> {
    let start = Instant::now();
    let tell = |what: &str| {
        if !json {
            println!("{:>8.3} s    {what}", start.elapsed().as_secs_f32());
        }
    };
    let stage = Stage { program: super::program()?, pictures: Some(&pictures), sabotage };
    let mut play = match World::build(stage, &tell) {
        Ok(world) => Play { world, start, json, steps: 0, failed: 0 },
        // A stage broken on purpose is a failed play, not a broken machine.
        Err(Failure::Unavailable(why)) if sabotage.is_some() => {
            print_step(json, start, "the stage is set up", "everything starts", false);
            eprintln!("eithergate: {why}");
            return Err(Failure::Negative);
        }
        Err(failure) => return Err(failure),
    };
    play.acts(&pictures)?;
    if !json {
        let (steps, failed) = (play.steps, play.failed);
        println!("\n{} of {steps} steps went as expected.", steps - failed);
    }
    if play.failed == 0 { Ok(()) } else { Err(Failure::Negative) }
}

fn print_step(json: bool, start: Instant, what: &str, expected: &str, ok: bool) {
    let step = Step {
        t_ms: start.elapsed().as_millis() as u64,
        what: what.into(),
        expected: expected.into(),
        ok,
    };
    if json {
        println!("{}", serde_json::to_string(&step).unwrap_or_default());
    } else {
        let mark = if ok { "ok    " } else { "FAILED" };
        println!("{:>8.3} s  {mark}  {what}: {expected}", step.t_ms as f64 / 1_000.0);
    }
}

impl Play {
    fn soon(&self) -> Duration {
        SOON[usize::from(self.failed > 0)]
    }

    fn later(&self) -> Duration {
        LATER[usize::from(self.failed > 0)]
    }

    fn step(&mut self, what: &str, expected: &str, ok: bool) {
        self.steps += 1;
        self.failed += u32::from(!ok);
        print_step(self.json, self.start, what, expected, ok);
    }

    fn acts(&mut self, pictures: &Pictures) -> Result<(), Failure> {
        let up = |s: &Sight| matches!(s, Sight::Health(h) if h["status"] == "up");
        let ok = self.world.eyes.wait(0, self.soon(), up).is_some();
        self.step("the gate reports", "a signed health message says up", ok);
        let applied = |s: &Sight| matches!(s, Sight::Ack(a) if a["applied"] == true);
        let ok = self.world.eyes.wait(0, self.soon(), applied).is_some();
        self.step("the allowlist arrives", "the gate's signed answer says applied", ok);
        if self.failed > 0 {
            // Without the broker or a list there is nothing to play.
            return Ok(());
        }

        self.cards()?;
        self.faces(pictures)?;
        self.broken_face_path(pictures)?;
        self.broken_broker()?;
        self.broken_gate()?;
        self.books();
        Ok(())
    }

    fn cards(&mut self) -> Result<(), Failure> {
        self.card_opens("a known card")?;

        let mark = self.world.eyes.mark();
        self.world.present_card(UNKNOWN)?;
        let ok = self.refused(mark, "card", "CredentialNotFound");
        self.step("an unknown card", "no relay, Denied CredentialNotFound", ok);

        let mark = self.world.eyes.mark();
        self.world.present_noise()?;
        let ok = self.stays_shut(mark);
        self.step("a card with one bit wrong", "no relay, no number", ok);

        let mark = self.world.eyes.mark();
        self.world.press_exit()?;
        let ok = self.opens(mark, "rex");
        self.pass(mark)?;
        self.step("the exit button", "relay, AccessGranted by rex", ok);

        let mark = self.world.eyes.mark();
        self.world.set_contact(true)?;
        let forced = |s: &Sight| s.is_event("AlarmRaised", &[("alarm", "door-forced")]);
        let ok = self.world.eyes.wait(mark, self.soon(), forced).is_some();
        self.world.set_contact(false)?;
        let cleared = |s: &Sight| s.is_event("AlarmCleared", &[("alarm", "door-forced")]);
        let ok = self.world.eyes.wait(mark, self.soon(), cleared).is_some() && ok;
        self.step("the door is forced", "an alarm, cleared as it closes", ok);
        Ok(())
    }

    fn faces(&mut self, pictures: &Pictures) -> Result<(), Failure> {
        let ok = self.world.face_is_up(self.later());
        self.step("the camera", "frames are looked at", ok);

        let mark = self.world.eyes.mark();
        self.world.show(Some(&pictures.resident))?;
        let ok = self.opens(mark, "face");
        self.pass(mark)?;
        self.step(
            "a known face, another picture than was enrolled",
            "relay, AccessGranted by face",
            ok,
        );

        let mark = self.world.eyes.mark();
        let again = self.world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none();
        self.leave()?;
        self.step("the same person stays", "one presentation opens once", again);

        let mark = self.world.eyes.mark();
        self.world.show(Some(&pictures.stranger))?;
        let ok = self.refused(mark, "face", "CredentialNotFound");
        self.leave()?;
        self.step("a stranger's face", "no relay, Denied CredentialNotFound", ok);
        Ok(())
    }

    fn broken_face_path(&mut self, pictures: &Pictures) -> Result<(), Failure> {
        let mark = self.world.eyes.mark();
        let killed = self.world.kill_face("worker_pid");
        let told = self.degraded(mark);
        self.step("the face worker is killed", "FaceDegraded is reported", killed && told);
        self.card_opens("a known card, without the worker")?;

        let restored = |s: &Sight| s.is_event("FaceRestored", &[]);
        let ok = self.world.eyes.wait(mark, self.later(), restored).is_some();
        self.step("the worker is replaced", "FaceRestored is reported", ok);

        let mark = self.world.eyes.mark();
        let killed = self.world.kill_face("capture_pid");
        let told = self.degraded(mark);
        self.step("the camera is pulled", "FaceDegraded is reported", killed && told);
        self.card_opens("a known card, without the camera")?;

        let ok = self.world.eyes.wait(mark, self.later(), restored).is_some();
        // One person's card and face so soon after each other would be one grant.
        self.leave()?;
        let mark = self.world.eyes.mark();
        self.world.show(Some(&pictures.resident))?;
        let ok = ok && self.opens(mark, "face");
        self.pass(mark)?;
        self.leave()?;
        self.step("the camera is back", "the known face opens again", ok);
        Ok(())
    }

    fn degraded(&self, mark: usize) -> bool {
        let degraded = |s: &Sight| s.is_event("FaceDegraded", &[]);
        self.world.eyes.wait(mark, self.soon(), degraded).is_some()
    }

    fn broken_broker(&mut self) -> Result<(), Failure> {
        let had = self.world.has_broker();
        self.world.stop_broker();
        let mark = self.world.eyes.mark();
        self.world.present_card(NEIGHBOUR)?;
        let relay = self.relay_moves(mark, true);
        self.pass(mark)?;
        self.step("the broker is stopped, a known card", "relay all the same", relay);
        if had {
            self.world.start_broker()?;
        }
        let late = |s: &Sight| s.is_event("AccessGranted", &[("way", "card")]);
        let ok = self.world.eyes.wait(mark, self.later(), late).is_some();
        self.step("the broker is back", "the event of that card arrives", ok);
        Ok(())
    }

    fn broken_gate(&mut self) -> Result<(), Failure> {
        let mark = self.world.eyes.mark();
        self.world.present_card(RESIDENT)?;
        let energised = self.relay_moves(mark, true);
        self.world.crash_gate()?;
        let mark = self.world.eyes.mark();
        self.world.start_gate()?;
        // The socket begins with the present levels.
        let released = self
            .world
            .eyes
            .wait(mark, self.soon(), |s| matches!(s, Sight::Output { .. }))
            .is_some_and(|seen| seen.what.is_output(false));
        self.step(
            "the daemon is killed while the door is open",
            "the relay is released by what runs after it",
            energised && released,
        );
        let up = |s: &Sight| matches!(s, Sight::Event(e) if e["kind"] == "Started");
        let ok = self.world.eyes.wait(mark, self.later(), up).is_some();
        self.step("the daemon is started again", "it reports Started", ok);
        self.card_opens("a known card, from the list on disk")?;
        Ok(())
    }

    /// What the subscriber has in its books at the end.
    fn books(&mut self) {
        let numbers = self.world.eyes.numbers();
        let last = numbers.keys().map(|(_, _, seq)| *seq).max().unwrap_or(0);
        let epochs: BTreeSet<_> = numbers.keys().map(|(_, epoch, _)| epoch).collect();
        let ok = epochs.len() == 1 && last > 0 && numbers.len() as u64 == last;
        self.step("the subscriber's books", "every number from 1, in one epoch, none missing", ok);
        // A repeated publish is allowed on the wire; after (gate, epoch, seq) each is one.
        let forged = self.world.eyes.since(0);
        let forged = forged.iter().any(|s| matches!(s.what, Sight::Forged));
        self.step("every message", "is signed by the gate", !forged && last > 0);
        let named = self.world.eyes.mentions(&self.world.secrets());
        self.step("no message", "has a card number or a subject", !named && last > 0);
    }

    fn card_opens(&mut self, what: &str) -> Result<(), Failure> {
        let mark = self.world.eyes.mark();
        self.world.present_card(RESIDENT)?;
        let opened = self.opens(mark, "card");
        if opened {
            self.pass(mark)?;
        }
        let taken = |s: &Sight| s.is_event("AccessTaken", &[("way", "card")]);
        let ok = opened
            && self.relay_moves(mark, false)
            && self.world.eyes.wait(mark, self.soon(), taken).is_some();
        self.step(what, "relay on, off as the door opens, AccessGranted, AccessTaken", ok);
        Ok(())
    }

    fn relay_moves(&self, mark: usize, active: bool) -> bool {
        self.world.eyes.wait(mark, self.soon(), |s| s.is_output(active)).is_some()
    }

    /// The relay moved, and the broker was told by which way.
    fn opens(&self, mark: usize, way: &str) -> bool {
        let relay = self.relay_moves(mark, true);
        let granted = |s: &Sight| s.is_event("AccessGranted", &[("way", way)]);
        relay && self.world.eyes.wait(mark, self.soon(), granted).is_some()
    }

    fn refused(&self, mark: usize, way: &str, reason: &str) -> bool {
        let denied = |s: &Sight| s.is_event("Denied", &[("way", way), ("reason", reason)]);
        self.world.eyes.wait(mark, self.soon(), denied).is_some() && self.stays_shut(mark)
    }

    fn stays_shut(&self, mark: usize) -> bool {
        self.world.eyes.wait(mark, QUIET, |s| s.is_output(true)).is_none()
    }

    /// Somebody goes through: the leaf opens and closes. Then the relay is at rest again.
    fn pass(&mut self, mark: usize) -> Result<(), Failure> {
        self.world.set_contact(true)?;
        self.relay_moves(mark, false);
        self.world.set_contact(false)?;
        // Long enough for the gate to see the leaf close.
        std::thread::sleep(Duration::from_millis(50));
        Ok(())
    }

    /// Nobody before the camera for longer than it takes to be a new presentation.
    fn leave(&mut self) -> Result<(), Failure> {
        self.world.show(None)?;
        std::thread::sleep(Duration::from_millis(2_200));
        Ok(())
    }
}

/// For the live timeline: when, and one line for what was seen.
pub(super) fn describe(seen: &Seen, start: Instant) -> Option<(String, String)> {
    let at = seen.at.duration_since(start).as_secs_f32();
    let text = match &seen.what {
        Sight::Output { name, active } => {
            format!("relay    {name} {}", if *active { "ON: the door opens" } else { "off" })
        }
        Sight::SocketGone => "pins     the daemon is gone".into(),
        Sight::Event(event) => {
            let fields: Vec<String> = event
                .as_object()?
                .iter()
                .filter(|(key, _)| {
                    !matches!(key.as_str(), "v" | "gate" | "epoch" | "seq" | "t" | "kind")
                })
                .map(|(key, value)| format!("{key} {}", value.to_string().trim_matches('"')))
                .collect();
            let kind = event["kind"].as_str().unwrap_or_default();
            format!("event    #{} {kind}  {}", event["seq"], fields.join(", "))
        }
        Sight::Health(health) => match (&health["status"], &health["face"]["status"]) {
            (status, face) if status == "up" => {
                format!("health   up, face path {}", face.as_str().unwrap_or("?"))
            }
            _ => "health   the broker says the gate is gone".into(),
        },
        Sight::Answer(answer) => format!("answer   to a command: done {}", answer["done"]),
        Sight::Ack(ack) if ack["applied"] == true => {
            format!("allowlist version {} applied", ack["version"])
        }
        Sight::Ack(ack) => format!("allowlist refused: {}", ack["why"]),
        Sight::Forged => "FORGED   a message that the gate did not sign".into(),
    };
    Some((format!("{at:>8.3} s"), text))
}
