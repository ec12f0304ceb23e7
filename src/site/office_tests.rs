//! An office's state over its whole life, in a directory of its own.

use super::*;
use crate::allowlist::Allowlist;
use crate::domain::{CardNumber, Directory, RefusedUpdate};
use crate::site::{ImportOptions, Imported, Written};
use crate::trust::Expectation;
use std::os::unix::fs::PermissionsExt;

type Outcome = Result<(), Box<dyn std::error::Error>>;

const NOW: WallTime = WallTime::from_secs(1_795_000_000);

struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Result<Self, Box<dyn std::error::Error>> {
        let world = Self { dir: tempfile::tempdir()? };
        let init = Init { name: "garden".parse()?, utc_offset: None, now: NOW };
        Office::init(&world.site(), &init)?;
        Ok(world)
    }

    fn site(&self) -> PathBuf {
        self.dir.path().join("site")
    }

    fn office(&self) -> Result<Office, SiteError> {
        Office::open(&self.site())
    }

    /// Adds a gate and gives what its installer gets.
    fn gate(&self, name: &str) -> Result<(Expectation, GateKeys), Box<dyn std::error::Error>> {
        let (mut office, _lock) = Office::open_to_change(&self.site())?;
        let gate: GateId = name.parse()?;
        let bundle = self.dir.path().join(format!("bundle-{name}"));
        office.add_gate(&gate, &bundle)?;
        let snippet: toml::Table = fs::read_to_string(bundle.join("gate.toml"))?.parse()?;
        let text = |table: &str, key: &str| {
            snippet.get(table).and_then(|t| t.get(key)).and_then(|v| v.as_str()).unwrap_or_default()
        };
        let expected = Expectation {
            site: text("gate", "site").parse()?,
            gate: text("gate", "name").parse()?,
            root: text("trust", "root_key").parse()?,
            now: Some(NOW),
        };
        let keys = GateKeys::read(&bundle.join(text("trust", "key_file")))?;
        Ok((expected, keys))
    }

    fn import(&self, csv: &str) -> Result<Imported, SiteError> {
        self.office()?.import(csv.as_bytes(), ImportOptions::default())
    }

    fn publish(&self, gates: &[&str]) -> Result<Vec<Published>, Box<dyn std::error::Error>> {
        let gates = gates.iter().map(|g| g.parse()).collect::<Result<Vec<GateId>, _>>()?;
        Ok(self.office()?.publish(&gates, 30, NOW)?)
    }
}

fn open(
    list: &Published,
    gate: &(Expectation, GateKeys),
    current: Option<u64>,
) -> Result<Allowlist, RefusedUpdate> {
    Allowlist::open(&list.envelope, &gate.1, &gate.0, current)
}

#[test]
fn from_a_card_file_to_a_gate_that_knows_the_card() -> Outcome {
    let world = World::new()?;
    let (north, south) = (world.gate("north")?, world.gate("south")?);
    world.import(
        "format,facility,number,face,gates\nh10301,123,4567,yes,\nh10301,123,4568,no,north\n",
    )?;
    let lists = world.publish(&[])?;
    assert_eq!(lists.iter().map(|l| l.gate.as_str()).collect::<Vec<_>>(), ["north", "south"]);
    let at_north = open(&lists[0], &north, None).map_err(|e| format!("{e:?}"))?;
    let at_south = open(&lists[1], &south, None).map_err(|e| format!("{e:?}"))?;
    let card = |n: u32| format!("h10301:{}", (123u32 << 16) + n).parse::<CardNumber>();
    let right = at_north.card(&card(4567)?).ok_or("the first card is unknown")?;
    assert!(right.ways.card && right.ways.face);
    assert_eq!(at_north.subject(&right.subject), Some(right));
    assert!(at_north.card(&card(4568)?).is_some_and(|right| !right.ways.face));
    assert!(at_south.card(&card(4567)?).is_some());
    assert_eq!(at_south.card(&card(4568)?), None, "a card for the other gate only");
    // Each gate can open only its own.
    assert_eq!(open(&lists[0], &south, None).err(), Some(RefusedUpdate::NotForUs));
    let stolen = (north.0.clone(), south.1.clone());
    assert_eq!(open(&lists[0], &stolen, None).err(), Some(RefusedUpdate::Sealed));
    Ok(())
}

#[test]
fn versions_only_grow_even_when_the_clock_stands_still() -> Outcome {
    let world = World::new()?;
    let north = world.gate("north")?;
    let (first, second) = (world.publish(&[])?, world.publish(&["north"])?);
    assert_eq!(first[0].version, NOW.as_secs());
    assert_eq!(second[0].version, NOW.as_secs() + 1);
    let current = Some(second[0].version);
    assert_eq!(open(&first[0], &north, current).err(), Some(RefusedUpdate::Older));
    assert_eq!(world.office()?.gates().values().next().map(|g| g.version), current);
    Ok(())
}

#[test]
fn a_site_of_another_root_is_not_obeyed() -> Outcome {
    let (ours, other) = (World::new()?, World::new()?);
    let (north, _) = (ours.gate("north")?, other.gate("north")?);
    let forged = other.publish(&[])?;
    assert_eq!(open(&forged[0], &north, None).err(), Some(RefusedUpdate::BadSignature));
    Ok(())
}

#[test]
fn what_is_there_is_not_overwritten() -> Outcome {
    let world = World::new()?;
    let before = world.office()?.root_key();
    let init = Init { name: "other".parse()?, utc_offset: None, now: NOW };
    assert!(matches!(Office::init(&world.site(), &init), Err(SiteError::Occupied(_))));
    assert_eq!(world.office()?.root_key(), before);

    world.gate("north")?;
    let (mut office, lock) = Office::open_to_change(&world.site())?;
    let north = "north".parse()?;
    let out = world.dir.path().join("again");
    assert!(matches!(office.add_gate(&north, &out), Err(SiteError::GateExists(_))));
    assert!(!out.exists());
    let full = world.dir.path().join("bundle-north");
    assert!(matches!(office.add_gate(&"south".parse()?, &full), Err(SiteError::Occupied(_))));
    assert!(matches!(Office::open_to_change(&world.site()), Err(SiteError::Busy(_))));
    drop(lock);
    assert_eq!(world.office()?.gates().len(), 1, "the second gate was not half added");
    Ok(())
}

#[test]
fn secrets_are_private_and_stay_out_of_the_public_files() -> Outcome {
    let world = World::new()?;
    world.gate("north")?;
    world.import("format,facility,number\nh10301,1,1\n")?;
    world.publish(&[])?;
    let mode = |path: &Path| fs::metadata(path).map(|m| m.permissions().mode() & 0o777);
    assert_eq!(mode(&world.site())?, 0o700);
    for name in ["root.key", "office.key", "card.key", "epoch-1.key", "subjects.jsonl", "site.toml"]
    {
        assert_eq!(mode(&world.site().join(name))?, 0o600, "{name}");
    }
    assert_eq!(mode(&world.dir.path().join("bundle-north/gate.key"))?, 0o600);
    assert!(!fs::read_to_string(world.site().join("site.toml"))?.contains("secret"));
    Ok(())
}

#[test]
fn an_import_with_a_bad_line_changes_nothing() -> Outcome {
    let world = World::new()?;
    world.import("format,facility,number\nh10301,1,1\n")?;
    let before = fs::read(world.site().join("subjects.jsonl"))?;
    assert!(world.import("format,facility,number\nh10301,1,2\nh10301,1,x\n").is_err());
    let dry = ImportOptions { dry_run: true, ..ImportOptions::default() };
    world.office()?.import(b"format,facility,number\nh10301,1,2\n", dry)?;
    assert_eq!(fs::read(world.site().join("subjects.jsonl"))?, before);
    Ok(())
}

#[test]
fn a_face_as_the_only_way_in_is_not_published_and_its_line_is_named() -> Outcome {
    let world = World::new()?;
    world.gate("north")?;
    let lines = format!(
        "{{\"subject\":\"{}\",\"cards\":[\"h10301:1\"],\"face\":true}}\n{{\"subject\":\"{}\",\"cards\":[],\"face\":true}}\n",
        "01".repeat(16),
        "02".repeat(16)
    );
    fs::write(world.site().join("subjects.jsonl"), lines)?;
    let refused = world.publish(&[]).err().ok_or("was published")?.to_string();
    assert!(refused.starts_with("line 2 of ") && refused.contains("face"), "{refused}");
    assert_eq!(world.office()?.last_version(), 0, "no version was used up");
    Ok(())
}

#[test]
fn the_root_key_may_be_away_and_renews_when_it_is_back() -> Outcome {
    let world = World::new()?;
    let north = world.gate("north")?;
    let stick = world.dir.path().join("stick.key");
    fs::rename(world.site().join("root.key"), &stick)?;
    assert!(world.office()?.root_key_left_here().is_none());
    let lists = world.publish(&[])?;
    assert!(open(&lists[0], &north, None).is_ok());

    let later = WallTime::from_secs(NOW.as_secs() + 1_000 * DAY_S);
    let late_gate = (Expectation { now: Some(later), ..north.0.clone() }, north.1.clone());
    for wrong in [later, WallTime::from_secs(0)] {
        let refused = world.office()?.publish(&[], 30, wrong).err().map(|e| e.to_string());
        assert!(refused.is_some_and(|why| why.contains("site renew")));
    }
    world.office()?.renew(&stick, later)?;
    let renewed = world.office()?.publish(&[], 30, later)?;
    assert!(open(&renewed[0], &late_gate, None).is_ok());

    let office_key = world.site().join("office.key");
    assert!(matches!(world.office()?.renew(&office_key, later), Err(SiteError::WrongRoot)));
    Ok(())
}

#[test]
fn errors_say_what_to_do() -> Outcome {
    let world = World::new()?;
    let nowhere = Office::open(&world.dir.path().join("nowhere")).err().map(|e| e.to_string());
    assert!(nowhere.is_some_and(|why| why.contains("site init")));
    let none = world.publish(&[]).err().map(|e| e.to_string());
    assert!(none.is_some_and(|why| why.contains("site gate add")));
    world.gate("north")?;
    assert!(world.publish(&["east"]).is_err());
    let key = world.site().join("office.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644))?;
    let exposed = world.publish(&[]).err().map(|e| e.to_string());
    assert!(exposed.is_some_and(|why| why.contains("chmod 600")));
    Ok(())
}

/// 010784f221 and 020684f221: the same last 24 bits, other ones before.
#[test]
fn what_a_reader_can_t_tell_apart_opens_there_for_nobody() -> Outcome {
    let world = World::new()?;
    let north = world.gate("north")?;
    let (mut office, lock) = Office::open_to_change(&world.site())?;
    assert!(office.set_view("low24".parse()?, true)?);
    assert!(!office.set_view("low24".parse()?, true)?);
    assert!(office.set_view("low32-reversed".parse()?, true)?);
    let unknown = office.set_view("high24".parse()?, false);
    assert!(matches!(unknown, Err(SiteError::NoView(_))));
    drop((office, lock));
    // One of the two has no right at this gate: its card must not pass for the other.
    world.gate("south")?;
    world.import(
        "format,notation,number,gates\nem4100,10H,010784f221,north\nem4100,10H,020684f221,south\n\
         em4100,10H,0300000001,\n",
    )?;
    let (seen, clashes) = (world.office()?.seen()?, world.office()?.clashes()?);
    assert_eq!(seen.iter().map(|(_, n)| *n).collect::<Vec<_>>(), [2, 3], "{seen:?}");
    assert_eq!(clashes.len(), 1);
    let lists = world.publish(&["north"])?;
    assert_eq!((lists[0].subjects, lists[0].cards, lists[0].names), (2, 2, 5));
    let list = open(&lists[0], &north, None).map_err(|e| format!("{e:?}"))?;
    let knows = |card: &str| card.parse().map(|card| list.card(&card).is_some());
    assert!(knows("em4100:4421120545")? && knows("low32:126153249")?);
    assert!(!knows("low24:8712737")?, "somebody else's card would open");
    assert!(knows("em4100:12884901889")? && knows("low32:1")? && knows("low24:1")?);

    // Without the view there is nothing to confuse; the card goes under all its numbers.
    world.import("format,notation,number\nem4100,10D,1\n").err().ok_or("guessed a subject")?;
    let written = |notation: &str, number| Written {
        format: "em4100",
        notation: notation.parse().ok(),
        facility: None,
        number: Some(number),
        whole_number: None,
    };
    let office = world.office()?;
    let unclear = office.remove_card(written("3+5", "13261985"));
    assert!(matches!(unclear, Err(SiteError::CardUnclear)), "{unclear:?}");
    assert_eq!(office.remove_card(written("10D", "126153249"))?, 1);
    assert!(matches!(office.remove_card(written("10D", "126153249")), Err(SiteError::CardUnknown)));
    assert_eq!(office.clashes()?, [], "the one that is left is told");
    Ok(())
}

#[test]
fn a_card_goes_under_all_its_numbers() -> Outcome {
    let world = World::new()?;
    world.office()?.set_view("low24".parse()?, true)?;
    let link = ImportOptions { link: true, ..ImportOptions::default() };
    let csv = "format,notation,facility,number\nh10301,,132,61985\nem4100,10H,,010784f221\n\
               em4100,3+5,132,61985\nh10301,,1,1\n";
    let done = world.office()?.import(csv.as_bytes(), link)?;
    assert_eq!((done.new_cards, done.new_subjects, done.linked), (4, 2, 2));
    let lost = Written {
        format: "h10301",
        notation: None,
        facility: Some("132"),
        number: Some("61985"),
        whole_number: None,
    };
    assert_eq!(world.office()?.remove_card(lost)?, 3);
    assert_eq!(world.office()?.subjects()?.cards(), 1);
    Ok(())
}
