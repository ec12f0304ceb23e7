use super::*;
use crate::domain::{Bias, Duration};

pub(super) const EXAMPLE: &str = include_str!("../../../config/eithergate.toml");

pub(super) fn mistakes(text: &str) -> Vec<String> {
    match parse(text, Path::new("/etc/eithergate")) {
        Ok(_) => Vec::new(),
        Err(mistakes) => mistakes.iter().map(Mistake::to_string).collect(),
    }
}

fn edited(from: &str, to: &str) -> Vec<String> {
    assert!(EXAMPLE.contains(from), "{from:?} is not in the example");
    mistakes(&EXAMPLE.replace(from, to))
}

#[track_caller]
pub(super) fn one(found: Vec<String>, end: &str) {
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].ends_with(end), "{found:#?}");
}

#[test]
fn the_example_is_valid_and_relative_paths_start_from_its_folder() {
    let config = parse(EXAMPLE, Path::new("/etc/eithergate"));
    let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
    assert_eq!(config.trust.key_file, Path::new("/etc/eithergate/gate.key"));
    assert_eq!(config.gate.as_str(), "north");
    assert_eq!(config.readers[0].formats[0].name().as_str(), "h10301");
    let broker = config.broker.unwrap_or_else(|| panic!("no broker"));
    assert_eq!((broker.host.as_str(), broker.port, broker.tls), ("broker.example", 8883, true));
    assert!(
        config_of(EXAMPLE).trusts_everybody(),
        "a key that anybody may take over is not noticed"
    );
    let other = EXAMPLE.replace(
        "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
        "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw",
    );
    assert!(!config_of(&other).trusts_everybody());
    let access = config.face.map(|f| f.max_age);
    assert_eq!(access, Some(Duration::from_secs(1)));
}

fn config_of(text: &str) -> crate::config::Config {
    parse(text, Path::new("/etc/eithergate")).unwrap_or_else(|m| panic!("{m:#?}"))
}

#[test]
fn names_of_readers_are_their_own() {
    let two = format!(
        "{EXAMPLE}\n[[reader]]\nname = \"entrance\"\ndoor = \"main\"\nd0 = 20\nd1 = 21\nformats = [\"h10301\"]\n"
    );
    one(mistakes(&two), "name: another reader has this name: give each its own");
}

#[test]
fn every_mistake_is_reported_at_once_with_its_place() {
    let text = r#"
[gate]
name = "North Gate"
site = "willow-court"
run_dir = "/run/eithergate"
colour = "green"

[hardware]
backend = "simm"
socket = "/run/s"

[[door]]
name = "main"
relay = 17
contact = 17
open_ms = 5

[[reader]]
name = "entrance"
door = "mian"
d0 = "five"
formats = ["h10301", "wiegand26"]
"#;
    let found = mistakes(text);
    let places: Vec<&str> = found.iter().filter_map(|m| m.split(": ").next()).collect();
    assert_eq!(
        places,
        ["1:1", "2:1", "3:8", "6:1", "9:11", "15:11", "16:11", "18:1", "20:8", "21:6", "22:22"],
        "{found:#?}"
    );
    assert!(found[0].contains("[trust]: this section is missing"), "{}", found[0]);
    assert!(found[8].contains(r#"there are: "main""#), "{}", found[8]);
}

#[test]
fn a_face_needs_a_card_path_and_the_owners_word() {
    let no_reader = EXAMPLE.split("[[reader]]").next().unwrap_or_default().to_owned()
        + "[owners]"
        + EXAMPLE.split("[owners]").nth(1).unwrap_or_default();
    one(mistakes(&no_reader), "nobody must give a face: add a [[reader]]");
    let owners = EXAMPLE.find("[owners]").unwrap_or_default();
    let face = EXAMPLE.find("[face]").unwrap_or_default();
    let without = format!("{}{}", &EXAMPLE[..owners], &EXAMPLE[face..]);
    one(mistakes(&without), "on record: add [owners]");
}

#[test]
fn who_is_asking_and_how_a_face_is_shown_to_live() {
    use crate::domain::LivenessPolicy::{Blink, Model, Motion};
    let with = |lines: &str| EXAMPLE.replace("[face]\n", &format!("[face]\n{lines}\n"));
    let face = |lines: &str| config_of(&with(lines)).face.unwrap_or_else(|| panic!("no face"));
    let usual = face("");
    assert_eq!((usual.liveness, usual.region, usual.min_pupils_px), (Motion, None, 24.0));
    assert_eq!((usual.strangers_accepted, usual.residents_refused), (0.01, 0.05));
    let other = face(
        "region = [20, 0, 60, 100]\nmin_pupils_px = 40\ndwell_ms = 0\nliveness = \"blink\"\n\
         strangers_accepted_per_mille = 1",
    );
    assert_eq!((other.region, other.min_pupils_px), (Some([0.2, 0.0, 0.6, 1.0]), 40.0));
    assert_eq!((other.dwell, other.liveness), (Duration::ZERO, Blink));
    assert_eq!(other.strangers_accepted, 0.001);
    let model = face("liveness = \"model\"\nliveness_model = \"spoof.toml\"");
    assert_eq!((model.liveness, model.liveness_model.as_deref()), (Model, Some("spoof.toml")));
    for (wrong, told) in [
        ("region = [50, 0, 60, 100]", "must lie in the picture"),
        ("region = [0, 0, 0, 100]", "must lie in the picture"),
        ("region = [0, 0, 100]", "a list of 4 whole numbers from 0 to 100"),
        ("liveness = \"smile\"", "must be \"off\" or \"motion\" or \"blink\" or \"model\""),
        ("liveness = \"model\"", "add liveness_model = \"liveness.toml\""),
        ("liveness_model = \"spoof.toml\"", "leave one of them out"),
        ("strangers_accepted_per_mille = 0", "a whole number from 1 to 500"),
    ] {
        let found = mistakes(&with(wrong));
        assert!(found.len() == 1 && found[0].contains(told), "{wrong}: {found:#?}");
    }
}

#[test]
fn a_reader_s_view_is_what_its_reads_are_looked_up_by() {
    let with = |view: &str| {
        let line = format!("formats = [\"h10301\"]\nview = \"{view}\"");
        EXAMPLE.replace("formats = [\"h10301\"]", &line)
    };
    let config = parse(&with("low24-reversed"), Path::new("/"));
    let reader = &config.unwrap_or_else(|m| panic!("{m:#?}")).readers[0];
    let looked_up = |card: &str| {
        let card = card.parse().unwrap_or_else(|e| panic!("{e}"));
        reader.looked_up(card).to_canonical()
    };
    assert_eq!(looked_up("h10301:8712737"), "low24:2224772");
    assert_eq!(looked_up("em4100:145802659585"), "low24:8712737", "a whole serial, cut here");
    // Another format than the reader's: as it came.
    assert_eq!(looked_up("h10306:126153249"), "h10306:126153249");
    one(mistakes(&with("low32")), "formats carries these 32 bits: name one that does");
    assert!(mistakes(&with("low25"))[0].contains("view: must be low24, low32, high24"));
}

#[test]
fn each_line_has_one_owner() {
    one(
        edited("d1 = 6", "d1 = 17"),
        "line 17 belongs to door main's relay already: give each its own",
    );
}

#[test]
fn a_line_is_a_number_or_a_table() {
    let table = "relay = { line = 18, active = \"low\", safe = \"energised\" }";
    let text =
        EXAMPLE.replace("relay = { line = 17, active = \"high\", safe = \"released\" }", table);
    let text = text.replace(
        "contact = 22 ",
        "contact = { line = 25, active = \"low\", bias = \"none\", debounce_ms = 5 } ",
    );
    let config = parse(&text, Path::new("/etc/eithergate")).unwrap_or_else(|m| panic!("{m:#?}"));
    let door = &config.doors[0];
    let (relay, contact) = (door.relay, door.contact);
    assert_eq!((relay.line, relay.active_high, relay.safe_energised), (18, false, true));
    assert!(!relay.safe_level() && relay.level(false));
    let debounce = Duration::from_millis(5);
    let want = crate::config::InputLine { line: 25, active_high: false, bias: Bias::Off, debounce };
    assert_eq!(contact, Some(crate::config::Input::plain(want)));
    let names: Vec<_> = config.inputs().into_iter().map(|(name, i)| (name, i.line)).collect();
    assert_eq!(names, [("fire".into(), 24), ("main.contact".into(), 25), ("main.rex".into(), 23)]);

    one(
        edited("rex = { line = 23, active", "rex = { line = 23, actve"),
        "[[door]] rex actve: is not an option here; there are: line, active, bias, debounce_ms, cut, short",
    );
    one(edited("rex = { line = 23, active = \"low\" }", "rex = {}"), "missing: add line = 22");
    one(
        edited("rex = { line = 23", "rex = { line = 24"),
        "line 24 belongs to fire already: give each its own",
    );
}

#[test]
fn pins_come_from_a_chip_and_a_board_that_pulls_them_is_thought_of() {
    let hardware = |text: &str| {
        let (from, to) =
            (EXAMPLE.find("backend =").unwrap_or(0), EXAMPLE.find("# The fire").unwrap_or(0));
        format!("{}{text}\n{}", &EXAMPLE[..from], &EXAMPLE[to..])
    };
    let config = parse(&hardware("backend = \"rppal\""), Path::new("/"));
    let board = config.unwrap_or_else(|m| panic!("{m:#?}")).hardware.board;
    assert_eq!(board, Some(crate::config::Board::RaspberryPi));
    one(mistakes(&hardware("backend = \"gpiochip\"")), "chip: missing: add chip = \"gpiochip0\"");
    one(
        mistakes(&hardware("backend = \"gpiochip\"\nchip = \"a\"\nsocket = \"b\"")),
        "socket: is not an option here; there are: backend, board, chip",
    );
    let relay = |table: &str| hardware("backend = \"rppal\"").replace("line = 17", table);
    let found = mistakes(&relay("line = 8"));
    assert!(found[0].contains("door main's relay: a Raspberry Pi pulls line 8 up"), "{found:#?}");
    for fine in ["line = 9", "line = 8, allow_reset_pull = true"] {
        assert_eq!(mistakes(&relay(fine)), [""; 0], "{fine}");
    }
    let low = relay("line = 8").replace("8, active = \"high\"", "8, active = \"low\"");
    assert_eq!(mistakes(&low), [""; 0]);
    let leans = |line: u32, active_high: bool| {
        let output = crate::config::Output {
            line,
            active_high,
            safe_energised: false,
            allow_reset_pull: false,
        };
        output.leans_energised_at_reset(crate::config::Board::RaspberryPi)
    };
    assert_eq!([leans(17, false), leans(17, true), leans(7, false)], [true, false, false]);
    one(mistakes(&relay("line = 54")), "a Raspberry Pi has no line 54");
    let as_is = hardware("backend = \"rppal\"").replace("d1 = 6", "d1 = 6\nbias = \"as-is\"");
    one(mistakes(&as_is), "say \"pull-up\", \"pull-down\" or \"none\"");
    // A board that nobody named is found out later.
    assert_eq!(mistakes(&EXAMPLE.replace("line = 17", "line = 8")), [""; 0]);
}

#[cfg(not(feature = "sim"))]
#[test]
fn a_build_without_simulated_pins_says_so() {
    let text = EXAMPLE.replace("backend = \"gpiochip\"", "backend = \"sim\"");
    let found = mistakes(&text);
    assert!(found[0].contains("this build has no simulated pins: set \"gpiochip\""), "{found:#?}");
}

#[test]
fn a_misspelt_option_is_not_ignored() {
    let found = edited("open_ms = 5000", "opens_ms = 5000");
    assert!(
        found[0].contains("opens_ms: is not an option here; there are: name, relay"),
        "{found:?}"
    );
}

#[test]
fn a_gate_adds_formats_and_readers_name_them_as_the_built_in_ones() {
    let own = |text: &str| {
        let own = EXAMPLE.replace("formats = [\"h10301\"]", "formats = [\"h10301\", \"own\"]");
        mistakes(&format!("{own}\n[[format]]\n{text}"))
    };
    let good = "name = \"own\"\nlayout = \"PFFNNNNN\"\nparity = [\"odd PXXXXXXX\"]";
    assert_eq!(own(good), Vec::<String>::new());
    one(own(&good.replace("\"PFF", "\"FFF")).split_off(1), "P at bit 1, where the layout has none");
    one(own(&good.replace("PFF", "PxF")).split_off(1), "bit 2 is 'x'; there are: F N P 0 1 .");
    one(own(&good.replace("own", "Own")).split_off(1), "and begin with a letter");
    one(own(&good.replace("own", "em4100")).split_off(1), "since cards are enrolled by it");
    one(own(&good.replace("layout", "lay")).split_off(2), "there are: name, layout, parity");
    let keypad = own(good).len() + edited("d1 = 6 ", "d1 = 6\nkeypad = 8\n#").len();
    assert_eq!(keypad, 0);
    let clash = EXAMPLE.replace("d1 = 6 ", "d1 = 6\nkeypad = 8\n#").replace("h10301\"]", "own\"]");
    one(
        mistakes(&format!("{clash}\n[[format]]\n{good}")),
        "a reader can't send both, leave one out",
    );
}

#[test]
fn formats_that_look_alike_are_not_named_together() {
    for (two, name) in [("h10302\", \"h10304", "h10302"), ("h10306\", \"h10306", "h10306")] {
        let found = edited("[\"h10301\"]", &format!("[\"{two}\"]"));
        one(found, &format!("can't be told from {name} by its bits: name one"));
    }
}

#[test]
fn a_keypad_sends_four_or_eight_bits() {
    let with = |keypad: &str| edited("d1 = 6 ", &format!("d1 = 6\nkeypad = {keypad}\n#"));
    assert_eq!(with("4"), Vec::<String>::new());
    one(with("5"), "keypad: must be 4 or 8, the bits this keypad sends for a key");
    one(with("true"), "keypad: must be a whole number from 4 to 8");
}

#[test]
fn what_is_no_toml_is_one_mistake() {
    assert_eq!(mistakes("[gate\nname = 3").len(), 1);
}

#[test]
fn broker_addresses() {
    for (url, want) in [
        ("mqtt://127.0.0.1:1884", Some(("127.0.0.1", 1884, false))),
        ("mqtt://broker", Some(("broker", 1883, false))),
        ("mqtts://[::1]:9000/", Some(("[::1]", 9000, true))),
        ("http://broker", None),
        ("mqtt://", None),
        ("mqtt://a b", None),
        ("mqtt://user:secret@broker", None),
        ("mqtt://broker:0", None),
        ("mqtt://broker:99999", None),
    ] {
        let want = want.map(|(host, port, tls)| (host.to_owned(), port, tls));
        assert_eq!(split_url(url), want, "{url}");
    }
}

#[test]
fn a_pin_needs_a_keypad_and_lamps_have_lines_of_their_own() {
    let reader = "d1 = 6 ";
    let pin = edited(reader, "pin = \"required\"\nd1 = 6 ");
    assert!(pin.len() == 1 && pin[0].contains("add keypad = 4 or keypad = 8"), "{pin:#?}");
    let whole = "pin = \"required\"\nkeypad = 4\npin_ms = 15000\nled_green = 26\n\
                 buzzer = { line = 12, active = \"high\" }\nd1 = 6 ";
    let config = parse(&EXAMPLE.replace(reader, whole), Path::new("/etc/eithergate"));
    let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
    let pin = config.readers[0].pin.map(|pin| (pin.total, pin.between_keys));
    assert_eq!(pin, Some((Duration::from_secs(15), Duration::from_secs(5))));
    let outputs: Vec<_> = config.outputs().into_iter().map(|(n, o)| (n, o.safe_level())).collect();
    let outputs: Vec<_> = outputs.iter().map(|(n, safe)| (n.as_str(), *safe)).collect();
    // Dark and silent: high where a lamp is on at low.
    let dark = [("main.relay", false), ("entrance.led_green", true), ("entrance.buzzer", false)];
    assert_eq!(outputs, dark);
    one(
        edited(reader, "led_red = 6\nd1 = 6 "),
        "belongs to reader entrance's d1 already: give each its own",
    );
}

#[cfg(feature = "osdp")]
mod buses {
    use super::*;
    use crate::config::Link;
    use crate::domain::{Assurance, Direction};

    const BUS: &str = "
[[bus]]
name = \"rs485\"
port = \"/dev/ttyS1\"
baud = 38400
rs485 = \"kernel\"

[[reader]]
name = \"exit\"
door = \"main\"
kind = \"osdp\"
bus = \"rs485\"
address = 5
formats = [\"h10301\"]
";

    fn with(from: &str, to: &str) -> Vec<String> {
        assert!(BUS.contains(from), "{from:?}");
        mistakes(&format!("{EXAMPLE}{}", BUS.replace(from, to)))
    }

    #[test]
    fn a_reader_has_its_place_on_a_bus() {
        let config = parse(&format!("{EXAMPLE}{BUS}"), Path::new("/etc/eithergate"));
        let config = config.unwrap_or_else(|m| panic!("{m:#?}"));
        let port = &config.buses[0].port;
        assert_eq!((port.path.to_str(), port.baud), (Some("/dev/ttyS1"), 38_400));
        assert!(matches!(port.direction, Direction::Kernel { .. }));
        let reader = &config.readers[1];
        let Link::Osdp(place) = &reader.link else { panic!("{reader:?}") };
        assert_eq!((place.bus, place.address, place.low), (0, 5, false));
        assert_eq!(reader.assurance, Assurance::High);
        assert_eq!(config.readers[0].assurance, Assurance::Low);

        one(with("38400", "38000"), "baud: OSDP has 9600, 19200, 38400, 57600, 115200, 230400");
        one(with("address = 5", "address = 127"), "address: must be a whole number from 0 to 126");
        one(
            with("bus = \"rs485\"", "bus = \"rs422\""),
            "bus: is no [[bus]] here; there are: \"rs485\"",
        );
        let (_, second) = BUS.split_once("\n\n").unwrap();
        let twice = format!("{EXAMPLE}{BUS}{}", second.replace("exit", "side"));
        one(mistakes(&twice), "exit has this address already: give each reader its own");
    }

    #[test]
    fn low_is_said_by_name_and_no_use_at_a_high_door() {
        let low = BUS.replace("address = 5", "address = 5\nassurance = \"low\"");
        let config = parse(&format!("{EXAMPLE}{low}"), Path::new("/")).unwrap();
        assert!(matches!(&config.readers[1].link, Link::Osdp(place) if place.low));

        let high = EXAMPLE.replace("name = \"main\"\n", "name = \"main\"\nassurance = \"high\"\n");
        assert_ne!(high, EXAMPLE);
        // The example's Wiegand reader, and the plain one.
        let found = mistakes(&format!("{high}{low}"));
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(found.iter().all(|m| m.contains("is a low-assurance reader")), "{found:#?}");
        assert_eq!(mistakes(&format!("{high}{BUS}")).len(), 1);
    }
}

#[cfg(not(feature = "osdp"))]
#[test]
fn a_build_without_osdp_says_so() {
    let bus = "\n[[bus]]\nname = \"a\"\nport = \"b\"\n";
    one(
        mistakes(&format!("{EXAMPLE}{bus}")),
        "this build knows no OSDP: build it with --features osdp",
    );
}
