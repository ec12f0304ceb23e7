//! A gate's own lines, supervised ones and hours, as an installer configures them: through the real daemon on
//! simulated pins, and, where time matters, from the text of a configuration through the core.

mod stage;

use eithergate::access::{Command as Told, Gate, Input, Output};
use eithergate::cli::demo::eyes::Sight;
use eithergate::cli::demo::world::{RESIDENT, World};
use eithergate::config::Config;
use eithergate::domain::{
    CardNumber, Directory, DoorId, DoorMode, Entitlement, EventKind, Instant, Key, Liveness,
    Observation, Pin, ReaderId, SubjectId, WallTime, Way, Ways,
};
use stage::{Outcome, SOON, card_gate, must, program};
use std::process::Command;
use std::time::Duration;

/// A card gate whose door's lines and sections are these.
fn gate_with(door: &str, sections: &str) -> Result<World, Box<dyn std::error::Error>> {
    let mut world = card_gate();
    must(world.crash_gate());
    let path = world.path("gate.toml");
    let text = std::fs::read_to_string(&path)?;
    let text = text.replace("contact = 22\nrex = 23\n", door);
    std::fs::write(&path, format!("{text}\n{sections}\n"))?;
    restart(&mut world)?;
    Ok(world)
}

/// Starts the gate; gives the moment before.
fn restart(world: &mut World) -> Result<usize, Box<dyn std::error::Error>> {
    let mark = world.eyes.mark();
    must(world.start_gate());
    let started = |s: &Sight| s.is_event("Started", &[]);
    world.eyes.wait(mark, SOON, started).ok_or("it did not start")?;
    Ok(mark)
}

fn set(world: &mut World, input: &str, active: bool) {
    must(world.send(&format!(r#"{{"input":{{"name":"{input}","active":{active}}}}}"#)));
}

fn is_output(sight: &Sight, output: &str, want: bool) -> bool {
    matches!(sight, Sight::Output { name, active } if name == output && *active == want)
}

/// Sets an input and waits until the gate has recorded what it then says.
fn says(world: &mut World, input: &str, active: bool, line: &str, state: &str) -> Outcome {
    let mark = world.eyes.mark();
    set(world, input, active);
    let changed = |s: &Sight| s.is_event("LineChanged", &[("line", line), ("state", state)]);
    let seen = world.eyes.wait(mark, SOON, changed);
    seen.map(drop).ok_or_else(|| format!("{input} {active}: not {line} {state}").into())
}

fn happened(world: &World, mark: usize, kind: &str, fields: &[(&str, &str)]) -> bool {
    world.eyes.since(mark).iter().any(|seen| seen.what.is_event(kind, fields))
}

fn opened(world: &World, mark: usize) -> bool {
    world.eyes.since(mark).iter().any(|seen| is_output(&seen.what, "main.relay", true))
}

#[test]
fn a_cut_or_bridged_loop_is_said_and_never_taken_for_what_it_looks_like() -> Outcome {
    let mut world = gate_with(
        "contact = { line = 22, cut = 7, short = { line = 8, active = \"low\" } }\n\
         rex = { line = 23, active = \"low\", cut = 9, short = 10 }\n",
        "[fire]\ninput = { line = 24, cut = 11, short = 12 }\n",
    )?;
    // What is active low stands at its quiet level from now on, as a wired module would have it.
    set(&mut world, "main.contact.short", false);
    set(&mut world, "main.rex", false);

    // The contact: cut it looks open, bridged it looks closed; neither is claimed.
    let mark = world.eyes.mark();
    says(&mut world, "main.contact.cut", true, "contact", "cut")?;
    set(&mut world, "main.contact", true);
    let fault = |s: &Sight| s.is_event("AlarmRaised", &[("alarm", "line-fault"), ("door", "main")]);
    assert!(world.eyes.wait(mark, SOON, fault).is_some());
    set(&mut world, "main.contact", false);
    says(&mut world, "main.contact.cut", false, "contact", "normal")?;
    says(&mut world, "main.contact.short", true, "contact", "short")?;
    says(&mut world, "main.contact.short", false, "contact", "normal")?;
    assert!(!happened(&world, mark, "AlarmRaised", &[("alarm", "door-forced")]), "a cut wire");

    // Request to exit: at fault nobody is let out by it, whatever its line looks like; whole again it opens.
    let mark = world.eyes.mark();
    says(&mut world, "main.rex.cut", true, "rex", "cut")?;
    set(&mut world, "main.rex", true);
    set(&mut world, "main.rex", false);
    says(&mut world, "main.rex.cut", false, "rex", "normal")?;
    says(&mut world, "main.rex.short", true, "rex", "short")?;
    set(&mut world, "main.rex", true);
    set(&mut world, "main.rex", false);
    says(&mut world, "main.rex.short", false, "rex", "normal")?;
    assert!(!opened(&world, mark), "a cut wire was taken for somebody who leaves");
    // Short, and heard late: it is over before the gate looks.
    must(world.send(r#"{"lag":{"ms":300}}"#));
    must(world.press_exit());
    must(world.send(r#"{"lag":{"ms":0}}"#));
    let relay = |s: &Sight| is_output(s, "main.relay", true);
    assert!(world.eyes.wait(mark, SOON, relay).is_some(), "exit was denied");
    assert!(world.eyes.wait(mark, SOON, |s| is_output(s, "main.relay", false)).is_some());

    // The fire's loop, which nobody could tell a fire by any more: the door opens, and locks when it is mended.
    for fault in ["cut", "short"] {
        let mark = world.eyes.mark();
        says(&mut world, &format!("fire.{fault}"), true, "fire", fault)?;
        assert!(world.eyes.wait(mark, SOON, relay).is_some(), "{fault}: it stayed locked");
        let raised = |s: &Sight| s.is_event("AlarmRaised", &[("alarm", "fire-line")]);
        assert!(world.eyes.wait(mark, SOON, raised).is_some(), "{fault}: no alarm");
        says(&mut world, &format!("fire.{fault}"), false, "fire", "normal")?;
        assert!(world.eyes.wait(mark, SOON, |s| is_output(s, "main.relay", false)).is_some());
    }
    Ok(())
}

#[test]
fn a_fire_loop_that_reports_and_the_box_s_own_lines() -> Outcome {
    let mut world = gate_with(
        "contact = 22\nrex = 23\n",
        "[fire]\ninput = { line = 24, cut = 11, short = 12 }\ncut = \"report\"\nrelock = \"order\"\n\
         [box]\nmains = 7\nbattery = 8\nenclosure = { line = 9, cut = 10 }\ncall_guard = 13\nsiren = 14\n\
         [alarms]\nsiren_s = 600\n",
    )?;
    set(&mut world, "box.call_guard", false);
    let relay = |s: &Sight| is_output(s, "main.relay", true);

    let mark = world.eyes.mark();
    for fault in ["cut", "short"] {
        says(&mut world, &format!("fire.{fault}"), true, "fire", fault)?;
        says(&mut world, &format!("fire.{fault}"), false, "fire", "normal")?;
    }
    assert!(happened(&world, mark, "AlarmRaised", &[("alarm", "fire-line")]));
    assert!(!opened(&world, mark), "whoever cuts the loop opens the gate");

    let raised = |alarm| move |s: &Sight| s.is_event("AlarmRaised", &[("alarm", alarm)]);
    for (input, line, alarm) in [
        ("box.mains", "mains", "mains"),
        ("box.battery", "battery", "battery"),
        ("box.call_guard", "call-guard", "call-guard"),
    ] {
        let mark = world.eyes.mark();
        says(&mut world, input, true, line, "active")?;
        assert!(world.eyes.wait(mark, SOON, raised(alarm)).is_some(), "{input}");
        assert!(!world.eyes.since(mark).iter().any(|s| is_output(&s.what, "box.siren", true)));
        if input != "box.mains" {
            says(&mut world, input, false, line, "normal")?;
        }
    }
    // The box is opened, or its loop is cut: the siren sounds until somebody has seen it.
    for (input, state) in [("box.enclosure", "active"), ("box.enclosure.cut", "cut")] {
        let mark = world.eyes.mark();
        says(&mut world, input, true, "enclosure", state)?;
        let siren = |on| move |s: &Sight| is_output(s, "box.siren", on);
        assert!(world.eyes.wait(mark, SOON, siren(true)).is_some(), "{input}: no siren");
        assert!(world.eyes.wait(mark, SOON, raised("enclosure")).is_some(), "{input}");
        let config = world.path("gate.toml");
        let seen = ["alarms", "--acknowledge", "--config", &config];
        assert!(Command::new(program()).args(seen).status()?.success());
        assert!(world.eyes.wait(mark, SOON, siren(false)).is_some(), "{input}: it sounds on");
        says(&mut world, input, false, "enclosure", "normal")?;
    }

    // A fire opens; a loop that burns through afterwards, or a panel that is reset, locks nothing.
    let mark = world.eyes.mark();
    says(&mut world, "fire", true, "fire", "active")?;
    assert!(world.eyes.wait(mark, SOON, relay).is_some(), "a fire");
    let mark = world.eyes.mark();
    says(&mut world, "fire.short", true, "fire", "short")?;
    says(&mut world, "fire.short", false, "fire", "active")?;
    says(&mut world, "fire", false, "fire", "normal")?;
    assert!(!world.eyes.since(mark).iter().any(|s| is_output(&s.what, "main.relay", false)));

    // How lines stand is said anew at the start; check shows them in the words of what hangs on them.
    must(world.crash_gate());
    let mark = restart(&mut world)?;
    let mains = |s: &Sight| s.is_event("LineChanged", &[("line", "mains"), ("state", "active")]);
    assert!(world.eyes.wait(mark, SOON, mains).is_some(), "mains failed before the start");
    let config = world.path("gate.toml");
    let told = Command::new(program()).args(["check", "--json", "--config", &config]).output()?;
    let told = String::from_utf8(told.stdout)?;
    for line in [
        "fire (line 24): no fire, low",
        "fire.cut (line 11): the loop is whole, low",
        "box.mains (line 7): mains gone, high",
        "box.battery (line 8): battery charged, low",
        "box.enclosure (line 9): box closed, low",
        "box.siren (line 14): released, low",
        "after a fire the doors stay open until an operator ends it",
    ] {
        assert!(told.contains(line), "{line:?} is not in:\n{told}");
    }
    Ok(())
}

#[test]
fn free_hours_and_a_lock_that_opens_without_power() -> Outcome {
    let mut world = gate_with(
        "contact = 22\nrex = 23\nkind = \"magnet\"\nfail = \"safe\"\nunlock = \"day and night\"\nfirst_card = true\n",
        "[calendar]\nzone = \"+08:00\"\n[[profile]]\nname = \"day and night\"\nevery_day = [\"00:00-24:00\"]\nholiday = []\n",
    )?;
    // Energised to lock.
    assert!(
        world.eyes.wait(0, SOON, |s| is_output(s, "main.relay", true)).is_some(),
        "it stands open"
    );
    let mark = world.eyes.mark();
    must(world.present_card(RESIDENT));
    let free = |s: &Sight| s.is_event("DoorModeChanged", &[("mode", "Unlocked"), ("door", "main")]);
    assert!(world.eyes.wait(mark, SOON, free).is_some(), "the first card frees nothing");
    assert!(world.eyes.wait(mark, SOON, |s| is_output(s, "main.relay", false)).is_some());
    // Longer than a grant, it is still free; and it is after a restart.
    std::thread::sleep(Duration::from_millis(1_800));
    assert!(!world.relay_level()?, "free hours lasted for one grant");
    must(world.crash_gate());
    assert!(!world.relay_level()?, "without its program it is energised");
    let mark = restart(&mut world)?;
    assert!(world.eyes.wait(mark, SOON, free).is_some(), "the first card was forgotten");
    assert!(!world.relay_level()?);
    Ok(())
}

/// A gate of a configuration's text, at times of one's own.
struct Timed {
    gate: Gate,
    at: Instant,
    /// The wall clock when the machine started.
    wall: WallTime,
}

const LOCAL: &str = r#"
[gate]
name = "north"
site = "willow-court"
data_dir = "data"
run_dir = "run"

[trust]
root_key = "ed25519:11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
key_file = "gate.key"

[hardware]
backend = "gpiochip"
chip = "gpiochip0"

[calendar]
zone = "+01:00"
summer = { begin = "last sunday march 02:00", end = "last sunday october 03:00" }
holidays = ["2026-11-24"]

[[profile]]
name = "cleaners"
number = 200
workdays = ["06:00-09:00"]

[[profile]]
name = "night"
every_day = ["00:00-06:00", "22:00-24:00"]
holiday = ["00:00-24:00"]

[owners]
resolution = "1"
notice = "2"
contact = "3"

[face]
door = "main"
template_key = "template.key"

[camera]
kind = "command"
command = ["true"]
"#;

const DOORS: &str = r#"
[[door]]
name = "main"
relay = 17
contact = 22

[[reader]]
name = "entrance"
door = "main"
d0 = 5
d1 = 6
keypad = 4
formats = ["h10301"]
pin = "required"
pin_hours = "night"

[[reader]]
name = "exit"
door = "main"
side = "inside"
d0 = 7
d1 = 8
formats = ["h10301"]
"#;

struct People;

const ANNA: SubjectId = SubjectId([1; 16]);
const CLEANER: SubjectId = SubjectId([2; 16]);
const STRANGE: SubjectId = SubjectId([3; 16]);

impl Directory for People {
    fn card(&self, card: &CardNumber) -> Option<Entitlement> {
        self.subject(&SubjectId([card.number() as u8; 16]))
    }

    fn subject(&self, subject: &SubjectId) -> Option<Entitlement> {
        let right = Entitlement::unlimited(*subject, Ways { card: true, face: true });
        match *subject {
            ANNA => Some(right),
            CLEANER => Some(Entitlement { profile: Some(200), ..right }),
            STRANGE => Some(Entitlement { profile: Some(201), ..right }),
            _ => None,
        }
    }

    fn pin_fits(&self, subject: &SubjectId, pin: &Pin) -> bool {
        *subject == ANNA && pin.digits() == [1, 4]
    }
}

impl Timed {
    /// `wall` in seconds since 1970, from GNU date.
    fn new(text: &str, wall: u64) -> Self {
        let config = Config::parse(&format!("{LOCAL}{text}"), std::path::Path::new("/"));
        let config = config.unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let gate = Gate::new(config.access_options()).unwrap_or_else(|e| panic!("{e}"));
        Self { gate, at: Instant(1_000_000), wall: WallTime::from_secs(wall) }
    }

    fn wall(&mut self, secs: u64) {
        self.at += eithergate::domain::Duration::from_secs(secs - self.wall.0 / 1_000);
        self.wall = WallTime::from_secs(secs);
    }

    fn takes(&mut self, input: Input) -> Vec<Told> {
        let mut out = Vec::new();
        self.gate.handle(self.at, Some(self.wall), input, &People, &mut out);
        out
    }

    fn card(&mut self, who: u8) -> Vec<Told> {
        let card = format!("h10301:{who}").parse().unwrap_or_else(|e| panic!("{e}"));
        self.takes(Input::Card { reader: ReaderId(0), card })
    }

    fn face(&mut self, subject: SubjectId) -> Vec<Told> {
        let (captured_at, liveness) = (self.at, Liveness::NotChecked);
        let subject = Some(subject);
        self.takes(Input::Face(Observation {
            captured_at,
            subject,
            look_alike: None,
            distance: 0.1,
            quality: 1.0,
            liveness,
        }))
    }
}

fn grants(told: &[Told], by: Way) -> bool {
    let unlocks = |t: &Told| matches!(t, Told::Switch { output: Output::Lock(_), on: true });
    let granted = |t: &Told| matches!(t, Told::Record(event) if matches!(event.what, EventKind::AccessGranted { way, .. } if way == by));
    told.iter().any(unlocks) && told.iter().any(granted)
}

#[test]
fn rights_hold_in_the_site_s_hours_by_local_time() {
    // Monday 2026-11-23; Tuesday is a holiday; then a Monday in summer.
    for (wall, cleaner) in [
        (1_795_409_999, false), // 05:59:59
        (1_795_410_000, true),  // 06:00
        (1_795_420_799, true),
        (1_795_420_800, false),
        (1_795_500_000, false), // Tuesday 07:00
        (1_784_520_000, true),  // 2026-07-20 06:00, summer time
        (1_784_530_800, false), // 09:00
    ] {
        let mut gate = Timed::new(DOORS, wall);
        assert_eq!(grants(&gate.card(2), Way::Card), cleaner, "{wall}");
        let mut gate = Timed::new(DOORS, wall);
        assert!(!grants(&gate.card(3), Way::Card), "{wall}: hours that this gate doesn't know");
    }
}

#[test]
fn at_night_a_card_takes_a_pin_or_a_face_and_neither_alone_is_enough() {
    // Monday 2026-11-23 12:00, and 23:00.
    let (noon, night) = (1_795_431_600, 1_795_471_200);
    let mut gate = Timed::new(DOORS, noon);
    assert!(grants(&gate.face(ANNA), Way::Face), "by day a face is enough");
    let mut gate = Timed::new(DOORS, noon);
    assert!(grants(&gate.card(1), Way::Card), "and so is a card");

    let mut gate = Timed::new(DOORS, noon);
    gate.takes(Input::Tick);
    gate.wall(night);
    assert!(!grants(&gate.face(ANNA), Way::Face), "at night a face alone opens");
    assert!(grants(&gate.card(1), Way::Card), "card beside face");
    let mut gate = Timed::new(DOORS, night);
    assert!(!grants(&gate.card(1), Way::Card), "at night a card alone opens");
    let keys = [Key::Digit(1), Key::Digit(4), Key::Enter];
    let told: Vec<_> = keys
        .into_iter()
        .flat_map(|key| gate.takes(Input::Key { reader: ReaderId(0), key }))
        .collect();
    assert!(grants(&told, Way::Card), "card and PIN: nobody must give a face");
}

#[test]
fn doors_are_free_and_locked_down_by_their_hours() {
    let scheduled =
        DOORS.replace("contact = 22", "contact = 22\nunlock = \"cleaners\"\nlock_down = \"night\"");
    let mut gate = Timed::new(&scheduled, 1_795_410_000 - 60);
    for (wall, mode) in [
        (1_795_410_000 - 60, DoorMode::LockedDown),
        (1_795_410_000, DoorMode::Unlocked),
        (1_795_420_800, DoorMode::Locked),
        // The holiday from midnight on, in place of a workday.
        (1_795_474_800, DoorMode::LockedDown),
        (1_795_500_000, DoorMode::LockedDown),
    ] {
        gate.wall(wall);
        gate.takes(Input::Tick);
        assert_eq!(gate.gate.mode(DoorId(0)), Some(mode), "{wall}");
    }
}

#[test]
fn whoever_came_in_has_to_leave_first_and_one_of_two_doors_is_open_at_a_time() {
    let hard = format!("{DOORS}[passback]\nrule = \"hard\"\ntimeout_min = 30\n");
    let noon = 1_795_431_600;
    let mut gate = Timed::new(&hard, noon);
    let contact = |gate: &mut Timed, open: bool| {
        use eithergate::domain::{LineState, Wire};
        let state = if open { LineState::Active } else { LineState::Normal };
        gate.takes(Input::Line { door: Some(DoorId(0)), line: Wire::Contact, state });
    };
    contact(&mut gate, false);
    assert!(grants(&gate.card(1), Way::Card));
    contact(&mut gate, true);
    contact(&mut gate, false);
    gate.wall(noon + 1_799);
    assert!(!grants(&gate.card(1), Way::Card), "came in twice");
    gate.wall(noon + 1_801);
    assert!(grants(&gate.card(1), Way::Card), "after the time-out");

    let two = DOORS.replace(
        "[[reader]]\nname = \"exit\"",
        "[[door]]\nname = \"inner\"\nrelay = 13\ncontact = 9\n\n[[interlock]]\ndoors = [\"main\", \"inner\"]\n\n\
         [[reader]]\nname = \"exit\"",
    );
    let mut gate = Timed::new(&two, noon);
    contact(&mut gate, false);
    use eithergate::domain::{LineState, Wire};
    let inner = |state| Input::Line { door: Some(DoorId(1)), line: Wire::Contact, state };
    gate.takes(inner(LineState::Active));
    assert!(!grants(&gate.card(1), Way::Card), "the other door is open");
    gate.takes(inner(LineState::Normal));
    assert!(grants(&gate.card(1), Way::Card));
}
