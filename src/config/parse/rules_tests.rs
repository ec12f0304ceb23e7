//! What holds for the whole gate: lines of its own, supervised ones, hours, rules.

use super::doors_tests::{config, door};
use super::tests::{EXAMPLE, mistakes, one};
use crate::access::*;
use crate::config::Means;
use crate::domain::{DoorId, Duration, ReaderId, Wire};

fn with(sections: &str) -> String {
    format!("{EXAMPLE}\n{sections}\n")
}

fn fire(options: &str) -> String {
    EXAMPLE.replace("input = 24 ", &format!("{options}\n#"))
}

const SUPERVISED: &str = "input = { line = 24, cut = 7, short = { line = 8, active = \"low\" } }";

#[test]
fn what_a_fault_of_the_fire_loop_does_and_when_doors_lock_again() {
    let rules = |options: &str| config(&fire(options)).access_options().fire;
    assert_eq!(rules("input = 24"), FireOptions::default());
    let want = FireOptions { cut: FireCut::Report, relock: FireRelock::ByOrder };
    assert_eq!(rules(&format!("{SUPERVISED}\ncut = \"report\"\nrelock = \"order\"")), want);
    let want = FireOptions { cut: FireCut::Unlock, relock: FireRelock::WithPanel };
    assert_eq!(rules(&format!("{SUPERVISED}\ncut = \"unlock\"\nrelock = \"panel\"")), want);
    one(mistakes(&fire("input = 24\ncut = \"report\"")), "supervision module, or leave this out");
    one(mistakes(&fire("input = 24\ncut = \"open\"")), "must be \"unlock\" or \"report\"");
    one(mistakes(&fire("input = 24\nrelock = true")), "must be a text in quotes, not empty");
    one(mistakes(&fire("")), "missing: add input = 24");
}

#[test]
fn a_supervised_switch_has_lines_for_its_faults() {
    let found = config(&fire(SUPERVISED));
    let input = found.lines.fire.expect("there");
    let lines: Vec<_> = input.lines().map(|(key, l)| (key, l.line, l.active_high)).collect();
    assert_eq!(lines, [("", 24, true), (".cut", 7, true), (".short", 8, false)]);
    let names: Vec<_> = found.inputs().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names[..3], ["fire", "fire.cut", "fire.short"]);
    one(
        mistakes(&fire("input = { line = 24, cut = 22 }")),
        "line 22 belongs to fire, its cut line already: give each its own",
    );
    one(
        mistakes(&fire("input = { line = 24, cut = { line = 7, cut = 8 } }")),
        "[fire] input cut cut: is not an option here; there are: line, active, bias, debounce_ms",
    );
    one(mistakes(&fire("input = { cut = 7 }")), "[fire] input line: missing: add line = 22");
}

#[test]
fn the_box_has_lines_of_its_own() {
    let found = config(&with(
        "[box]\nmains = 7\nbattery = 8\nenclosure = { line = 9, cut = 10 }\ncall_guard = 11\nsiren = 12",
    ));
    let own: Vec<_> = found
        .switches()
        .into_iter()
        .filter(|(_, means, _)| matches!(means, Means::Gate(_)))
        .map(|(name, means, i)| (name, means, i.state.line, i.state.active_high))
        .collect();
    let want = [
        ("fire", Wire::Fire, 24, true),
        ("box.mains", Wire::Mains, 7, true),
        ("box.battery", Wire::Battery, 8, true),
        ("box.enclosure", Wire::Enclosure, 9, true),
        ("box.call_guard", Wire::CallGuard, 11, false),
    ];
    assert_eq!(own, want.map(|(name, wire, l, high)| (name.into(), Means::Gate(wire), l, high)));
    let siren = found.outputs().into_iter().find(|(name, _)| name == "box.siren");
    assert_eq!(siren.map(|(_, output)| output.line), Some(12));
    one(
        mistakes(&with("[box]\nmain = 7")),
        "there are: mains, battery, enclosure, call_guard, siren",
    );
    one(
        mistakes(&with("[box]\nmains = 17")),
        "line 17 belongs to the mains contact already: give each its own",
    );
}

const HOURS: &str = r#"
[calendar]
zone = "+01:00"
summer = { begin = "last sunday march 02:00", end = "last sunday october 03:00" }
holidays = ["2027-01-01", "2027-05-01"]

[[profile]]
name = "market"
every_day = ["06:00-22:00"]
workdays = ["08:00-12:00", "13:00-18:00"]
friday = []
holiday = ["10:00-11:00"]

[[profile]]
name = "night"
number = 7
weekend = ["00:00-06:00", "22:00-24:00"]
"#;

#[test]
fn hours_have_names_here_and_places_in_the_core() {
    let options = "unlock = \"market\"\nfirst_card = true\nlock_down = \"night\"";
    let pin = "d1 = 6\nkeypad = 4\npin = \"required\"\npin_hours = \"night\"\n#";
    let text = door(options).replace("d1 = 6 ", pin) + HOURS;
    let found = config(&text);
    let told = found.access_options();
    let door = &told.doors[0];
    assert_eq!((door.unlock, door.first_card, door.lock_down), (Some(0), true, Some(1)));
    assert_eq!(told.readers[0].pin.map(|pin| pin.hours), Some(Hours::Profile(1)));
    assert_eq!(told.check(), Ok(()));

    let span = |from: u16, to: u16| Span { from: from * 60, to: to * 60 };
    let day = vec![span(8, 12), span(13, 18)];
    let long = vec![span(6, 22)];
    let days = [day.clone(), day.clone(), day.clone(), day, vec![], long.clone(), long];
    let market = Profile { number: None, days, holiday: vec![span(10, 11)] };
    let mut days: [Vec<Span>; 7] = Default::default();
    days[5..].fill(vec![span(0, 6), span(22, 24)]);
    let night = Profile { number: Some(7), days, holiday: vec![] };
    let begin = Change { month: 3, week: 5, weekday: 6, minute: 120 };
    let end = Change { month: 10, week: 5, weekday: 6, minute: 180 };
    let zone = Zone::new(60, Some(Dst { minutes: 60, begin, end })).expect("sound");
    let holidays = [1, 5].map(|month| Date { year: 2027, month, day: 1 }).into();
    assert_eq!(Ok(told.calendar), Calendar::new(zone, vec![market, night], holidays));
    assert_eq!(found.rules.profiles, ["market", "night"]);
}

#[test]
fn hours_that_make_no_sense() {
    for (from, to, end) in [
        ("+01:00", "CET", "\"-05:00\" in New York"),
        ("last sunday march 02:00", "sunday march", "\"last sunday march 02:00\""),
        ("last sunday march 02:00", "fifth sunday march 02:00", "\"last sunday march 02:00\""),
        ("last sunday march", "last sunday october", "and begins and ends in different months"),
        ("2027-05-01", "2027-02-29", "must be a day like \"2027-01-01\""),
        ("2027-05-01", "2027-01-01", "is there twice: leave one out"),
        ("06:00-22:00", "06:00", "must be hours like \"08:00-18:00\""),
        ("22:00-24:00", "22:00-06:00", "\"00:00-06:00\" on the next day"),
        ("\"night\"", "\"market\"", "another profile has this name: give each its own"),
        ("weekend = [", "#", "for example workdays = [\"08:00-18:00\"]"),
        ("number = 7", "number = 256", "must be a whole number from 0 to 255"),
        ("every_day", "everyday", "thursday, friday, saturday, sunday, holiday"),
        ("[calendar]", "[calender]", "there are: "),
    ] {
        assert!(HOURS.contains(from), "{from}");
        let found = mistakes(&with(&HOURS.replacen(from, to, 1)));
        assert!(found.iter().any(|m| m.contains(end)), "{from} -> {to}: {found:#?}");
    }
    let numbers = HOURS.replace("name = \"market\"", "name = \"market\"\nnumber = 7");
    one(mistakes(&with(&numbers)), "another profile has this number: give each its own");
    let (_, profiles) = HOURS.split_once("\n\n").expect("two parts");
    one(mistakes(&with(profiles)), "add this section with zone = \"+08:00\"");
    for (options, end) in [
        ("unlock = \"nacht\"", "is no [[profile]] here; there are: \"market\", \"night\""),
        ("first_card = true", "add unlock, the name of a profile"),
    ] {
        one(mistakes(&(door(options) + HOURS)), end);
    }
    one(
        mistakes(&door("lock_down = \"night\"")),
        "is no profile: add a [[profile]] with name = \"night\" and its hours",
    );
}

#[test]
fn a_pin_at_some_hours() {
    let reader = |options: &str| {
        mistakes(
            &(EXAMPLE.replace("d1 = 6 ", &format!("d1 = 6\nkeypad = 4\n{options}\n#")) + HOURS),
        )
    };
    assert_eq!(reader("pin = \"required\"\npin_hours = \"night\""), [""; 0]);
    one(reader("pin_hours = \"night\""), "add pin = \"required\", or leave it out");
    let inside = door("").split("[owners]").next().unwrap_or_default().to_owned();
    let inside =
        inside.replace("d1 = 6 ", "d1 = 6\nkeypad = 4\nside = \"inside\"\npin = \"required\"\n#");
    one(mistakes(&inside), "nobody is asked for anything when leaving: leave pin out");
}

/// Without keys nobody could give a PIN, and only a face would be left beside the card.
#[cfg(feature = "osdp")]
#[test]
fn beside_a_camera_a_pin_takes_keys_that_somebody_has_seen() {
    let bus = "\n[[bus]]\nname = \"rs485\"\nport = \"/dev/ttyS1\"\n";
    let lines = "d0 = 5                         # the green wire\nd1 = 6 ";
    assert!(EXAMPLE.contains(lines));
    let osdp = |options: &str| {
        let place = format!("bus = \"rs485\"\naddress = 0\npin = \"required\"\n{options}\n#");
        EXAMPLE.replace(lines, &place).replace("kind = \"wiegand\"", "kind = \"osdp\"") + bus
    };
    one(mistakes(&osdp("")), "say so with keypad = true; if not, leave pin out");
    assert_eq!(mistakes(&osdp("keypad = true")), [""; 0]);
    let (cards_alone, rest) =
        osdp("").split_once("[owners]").map(|(a, _)| (a.to_owned(), bus)).expect("there");
    assert_eq!(mistakes(&(cards_alone + rest)), [""; 0]);
}

#[test]
fn rules_for_the_whole_gate() {
    let inside = "[[reader]]\nname = \"exit\"\ndoor = \"main\"\nside = \"inside\"\nd0 = 7\nd1 = 8\nformats = [\"h10301\"]\n";
    let doors = "[[door]]\nname = \"inner\"\nrelay = 13\ncontact = 9\n[[interlock]]\ndoors = [\"inner\", \"main\"]\n";
    let rules = "[passback]\nrule = \"hard\"\ntimeout_min = 90\n\
                 [guessing]\nafter = 3\ncalm_s = 120\ndelay_ms = 1000\nlongest_ms = 8000\n\
                 [alarms]\nrepeat_s = 60\nsiren_s = 30\nexit_held_s = 20";
    let told = config(&with(&format!("{inside}{doors}{rules}"))).access_options();
    let s = Duration::from_secs;
    assert_eq!(told.passback, Passback { rule: PassbackRule::Hard, timeout: Some(s(90 * 60)) });
    assert_eq!(told.lockout, Lockout { after: 3, calm: s(120), delay: s(1), longest: s(8) });
    assert_eq!(told.alarms, AlarmOptions { repeat: s(60), siren: s(30), exit_held: s(20) });
    assert_eq!(told.interlocks, [vec![DoorId(1), DoorId(0)]]);
    assert_eq!(told.readers[1].door, DoorId(0));
    assert_eq!(told.check(), Ok(()));
    let usual = config(EXAMPLE).access_options();
    assert_eq!((usual.lockout, usual.alarms), (Lockout::default(), AlarmOptions::default()));
    assert_eq!((usual.passback, usual.interlocks), (Passback::default(), vec![]));

    let bare = "[[door]]\nname = \"bare\"\nrelay = 13\n";
    for (text, end) in [
        (
            "[passback]\nrule = \"soft\"".to_owned(),
            "with side = \"inside\", or leave this section out",
        ),
        ("[passback]\ntimeout_min = 5".to_owned(), "missing: add rule = \"soft\""),
        (format!("{inside}[passback]\nrule = \"strict\""), "\"off\" or \"soft\" or \"hard\""),
        ("[[interlock]]".to_owned(), "missing: add doors = [\"outer\", \"inner\"]"),
        ("[[interlock]]\ndoors = [\"main\"]".to_owned(), "an interlock has at least two doors"),
        (
            format!("{bare}[[interlock]]\ndoors = [\"main\", \"bare\"]"),
            "bare has no contact, so nobody can tell that it is shut: add one to that [[door]]",
        ),
        ("[guessing]\nlongest_ms = 1500".to_owned(), "set no less"),
        ("[alarms]\nrepeat_s = 0".to_owned(), "must be a whole number from 1 to 86400"),
    ] {
        one(mistakes(&with(&text)), end);
    }
    let twice = mistakes(&with("[[interlock]]\ndoors = [\"main\", \"main\", \"mian\"]"));
    assert!(twice.iter().any(|m| m.ends_with("is there twice: leave one out")), "{twice:#?}");
    assert!(twice.iter().any(|m| m.ends_with("there are: \"main\"")), "{twice:#?}");
    assert_eq!(config(EXAMPLE).reader_name(ReaderId(0)), "entrance");
}
