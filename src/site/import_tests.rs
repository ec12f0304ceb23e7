//! Card files good and bad.

use super::*;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn card_key() -> CardKey {
    CardKey(crate::trust::Key256::from_bytes([9; 32]))
}

fn import_at(
    views: &[&str],
    link: bool,
    subjects: Subjects,
    csv: &str,
) -> Result<(Subjects, Imported), ImportError> {
    let gates = ["north", "south"].iter().filter_map(|name| name.parse().ok()).collect();
    let offset = "+08:00".parse().ok();
    let views: Vec<View> = views.iter().filter_map(|view| view.parse().ok()).collect();
    let options = ImportOptions { link, ..ImportOptions::default() };
    let importer =
        Importer { gates: &gates, offset, views: &views, card_key: &card_key(), options };
    let mut next = subjects.len() as u8;
    importer.import(csv.as_bytes(), subjects, || {
        next += 1;
        SubjectId([next; 16])
    })
}

fn import_into(subjects: Subjects, csv: &str) -> Result<(Subjects, Imported), ImportError> {
    import_at(&[], false, subjects, csv)
}

fn import(csv: &str) -> Result<(Subjects, Imported), ImportError> {
    import_into(Subjects::default(), csv)
}

/// The lines found bad and why.
fn bad(csv: &str) -> Vec<(u64, String)> {
    match import(csv) {
        Err(ImportError::BadLines { first, .. }) => {
            first.into_iter().map(|bad| (bad.line, bad.why)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn cards_as_printed_become_cards_as_a_reader_sends_them() -> Outcome {
    let (subjects, done) = import(
        "format,facility,number,whole_number\n\
         h10301,123,4567,\n\
         H10306,1,2,\n\
         h10304,7,8,\n\
         h10302,,34359738367,\n\
         h10301,,,8065496\n\
         em4100,,,1099511627775\n",
    )?;
    assert_eq!(done.new_cards, 6);
    for card in [
        format!("h10301:{}", (123 << 16) + 4567),
        format!("h10306:{}", (1 << 16) + 2),
        format!("h10304:{}", (7 << 19) + 8),
        "h10302:34359738367".into(),
        "h10301:8065496".into(),
        "em4100:1099511627775".into(),
    ] {
        assert!(subjects.holder(&card.parse()?).is_some(), "{card}");
    }
    Ok(())
}

#[test]
fn several_cards_of_one_subject_and_their_rights() -> Outcome {
    let id = "ab".repeat(16);
    let (subjects, done) = import(&format!(
        "\u{feff}subject,format,facility,number,face,gates,from,until\r\n\
         {id},h10301,1,1,yes,north;south,2026-11-22,2026-12-31\r\n\
         {},h10301,1,2,YES,south; north,2026-11-22,2026-12-31\r\n\
         ,h10301,1,3,,,,\r\n",
        id.to_uppercase()
    ))?;
    let expected = Imported { lines: 3, new_cards: 3, new_subjects: 2, ..Imported::default() };
    assert_eq!(done, expected);
    let resident = subjects.get(&id.parse()?).ok_or("no such subject")?;
    assert_eq!(resident.cards.len(), 2);
    assert!(resident.face && resident.gates.as_ref().is_some_and(|gates| gates.len() == 2));
    assert_eq!(resident.until, Some(parse_from("2027-01-01T00:00+08:00", None)?));
    let other = subjects.holder(&"h10301:65539".parse()?).and_then(|s| subjects.get(&s).cloned());
    assert!(other.is_some_and(|r| !r.face && r.gates.is_none() && r.until.is_none()));
    Ok(())
}

#[test]
fn importing_again_changes_only_what_the_file_says() -> Outcome {
    let (subjects, _) = import("format,facility,number,face\nh10301,1,1,yes\nh10301,1,2,no\n")?;
    let nothing = Imported { lines: 2, ..Imported::default() };
    let (subjects, done) =
        import_into(subjects, "format,facility,number\nh10301,1,1\nh10301,1,2\n")?;
    assert_eq!((done, subjects.faces()), (nothing, 1));
    // A withdrawal.
    let (subjects, done) = import_into(subjects, "format,facility,number,face\nh10301,1,1,no\n")?;
    assert_eq!((done.changed_subjects, done.new_cards, subjects.faces()), (1, 0, 0));
    Ok(())
}

#[test]
fn a_card_of_another_subject_is_refused_by_line_and_not_by_number() -> Outcome {
    let (one, two) = ("01".repeat(16), "02".repeat(16));
    let csv =
        format!("subject,format,facility,number\n{one},h10301,9,54321\n{two},h10301,9,54321\n");
    let refused = import(&csv).err().ok_or("was imported")?.to_string();
    assert!(refused.contains("line 3: this card belongs to another subject"), "{refused}");
    assert!(!refused.contains("54321") && !refused.contains(&two), "{refused}");
    Ok(())
}

#[test]
fn every_bad_line_is_told_by_its_number_and_nothing_is_imported() {
    let csv = "format,facility,number,face,gates,from,until\n\
               h10301,1,1,,,,\n\
               h10301,256,1,,,,\n\
               h10301,1,65536,,,,\n\
               h10301,,1,,,,\n\
               h10302,1,1,,,,\n\
               h99999,1,1,,,,\n\
               h10301,1,-1,,,,\n\
               h10301,1,,,,,\n\
               h10301,1,9,maybe,,,\n\
               h10301,1,9,,east,,\n\
               h10301,1,9,,,tomorrow,\n\
               h10301,1,9,,,2026-12-31,2026-12-01\n\
               h10301,1\n";
    let found = bad(csv);
    let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
    assert_eq!(lines, (3..=14).collect::<Vec<_>>(), "{found:?}");
    let words = [
        "facility", "number", "facility", "facility", "format", "number", "number", "face",
        "gates", "from", "until", "cells",
    ];
    for ((line, why), word) in found.iter().zip(words) {
        assert!(why.contains(word), "line {line}: {why}");
    }
}

#[test]
fn so_many_bad_lines_are_shown_and_the_rest_counted() {
    let csv = format!("format,facility,number\n{}", "h10301,999,1\n".repeat(60));
    match import(&csv) {
        Err(ImportError::BadLines { first, more }) => assert_eq!((first.len(), more), (50, 10)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn lines_of_one_subject_must_agree() {
    let id = "ab".repeat(16);
    let csv =
        format!("subject,format,facility,number,face\n{id},h10301,1,1,yes\n{id},h10301,1,2,no\n");
    assert!(bad(&csv).first().is_some_and(|(line, why)| *line == 3 && why.contains("line 2")));
}

#[test]
fn personal_columns_are_refused_by_header_and_by_content() {
    for header in ["phone", "身份证号", "姓名", "ID", "mobile"] {
        let csv = format!("format,facility,number,{header}\nh10301,1,1,\n");
        assert!(matches!(import(&csv), Err(ImportError::Personal { .. })), "{header}");
    }
    for csv in [
        // In a column whose header is innocent.
        "format,facility,number,subject\nh10301,1,1,11010519491231002X\n",
        "format,facility,number,gates\nh10301,1,1,13800138000\n",
        "format,facility,number\nh10302,,13800138000\nh10302,,5\nh10302,,13900139000\n",
        // A cell beyond the header, and a file without one.
        "format,facility,number\nh10301,1,1,13800138000\n",
        "13800138000,h10301\n13900139000,h10301\n",
    ] {
        let refused = import(csv).err();
        assert!(matches!(refused, Some(ImportError::Personal { .. })), "{csv}: {refused:?}");
        let text = refused.map(|e| e.to_string()).unwrap_or_default();
        assert!(!text.contains("138001") && !text.contains("1949"), "{text}");
    }
    // One long card number among others may look like a mobile number.
    assert!(import("format,number\nh10302,13800138000\nh10302,5\n").is_ok());
}

#[test]
fn files_that_are_no_card_files() {
    assert_eq!(import("").err(), Some(ImportError::NoHeader));
    assert_eq!(import("format,facility\nh10301,1\n").err(), Some(ImportError::Missing));
    assert!(matches!(import("format,number,number\n"), Err(ImportError::Twice(_))));
    let unknown = import("format,number,colour\n").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(unknown.contains("3 (colour)") && unknown.contains("whole_number"), "{unknown}");
    // Numbers of a file without a header are not quoted.
    let headless = import("h10301,123,4567\n").err().map(|e| e.to_string()).unwrap_or_default();
    assert!(!headless.contains("4567"), "{headless}");
    let gates = BTreeSet::new();
    let options = ImportOptions::default();
    let importer =
        Importer { gates: &gates, offset: None, views: &[], card_key: &card_key(), options };
    let gbk =
        importer.import(b"\xbf\xa8\xba\xc5,format\n", Subjects::default(), || SubjectId([0; 16]));
    assert_eq!(gbk.err(), Some(ImportError::NotUtf8));
}

#[test]
fn pins_are_hashed_at_once_and_trivial_ones_refused_without_being_quoted() -> Outcome {
    let (one, two) = (SubjectId([0xab; 16]), SubjectId([0xcd; 16]));
    let file = |a: &str, b: &str| {
        let (one, two) = (one.to_hex(), two.to_hex());
        format!("format,whole_number,subject,pin\nh10301,5,{one},{a}\nh10301,6,{two},{b}\n")
    };
    let (subjects, _) = import(&file("0407", "0407"))?;
    let pin = |subjects: &Subjects, id| subjects.get(&id).and_then(|r| r.pin);
    assert_eq!(pin(&subjects, one), Some(card_key().pin(&one, &"0407".parse()?)));
    assert_ne!(pin(&subjects, one), pin(&subjects, two), "one PIN of two subjects");
    assert!(!subjects.to_lines()?.contains("0407"), "the office's file has the PIN itself");
    // An empty cell takes it away, no column leaves it.
    let (after, done) = import_into(subjects.clone(), &file("", "0407"))?;
    assert_eq!((pin(&after, one), done.changed_subjects), (None, 1));
    let (after, done) = import_into(subjects.clone(), "format,whole_number\nh10301,5\n")?;
    assert_eq!((pin(&after, one), done.changed_subjects), (pin(&subjects, one), 0));
    for (text, told) in [
        ("0000", "first that anybody tries"),
        ("1234", "first that anybody tries"),
        ("7890", "first that anybody tries"),
        ("87654321", "first that anybody tries"),
        ("1212", "repeats two digits"),
        ("407", "leading zero"),
        ("040705061", "4 to 8 digits"),
        ("4o70", "4 to 8 digits"),
    ] {
        let bad = bad(&file(text, "0407"));
        assert!(matches!(&bad[..], [(2, why)] if why.contains(told)), "{text}: {bad:?}");
    }
    let one = one.to_hex();
    let two_pins =
        format!("format,whole_number,subject,pin\nh10301,5,{one},0407\nh10301,6,{one},0408\n");
    assert!(bad(&two_pins)[0].1.contains("differ from those of line 2"));
    Ok(())
}

fn cards_of(subjects: &Subjects) -> Vec<String> {
    subjects.iter().flat_map(|(_, r)| r.cards.iter().map(CardNumber::to_canonical)).collect()
}

/// The tag 010784f221 and what is printed on it, on panels, and in exports.
#[test]
fn each_notation_is_the_same_card() -> Outcome {
    let views = ["low24", "low32"];
    for (line, card) in [
        ("em4100,10H,,010784f221", "em4100:4421120545"),
        ("EM4100,14D,,00004421120545", "em4100:4421120545"),
        ("em4100,10H-reversed,,21:f2:84:07:01", "em4100:4421120545"),
        ("em4100,10d,,0126153249", "low32:126153249"),
        ("em4100,8H,,784F221", "low32:126153249"),
        ("em4100,8H-reversed,,21f28407", "low32:126153249"),
        ("em4100,5+5,1924,61985", "low32:126153249"),
        ("em4100,3+5,,\"132,61985\"", "low24:8712737"),
        ("em4100,3+5,,13261985", "low24:8712737"),
        ("em4100,3+5,132,61985", "low24:8712737"),
        ("em4100,8D,,08712737", "low24:8712737"),
        ("uid32,8H,,1EA68671", "uid32:514229873"),
        ("uid32,10D-reversed,,1904649758", "uid32:514229873"),
        ("uid56,14H,,0443EB61E02580", "uid56:1200578145297792"),
        // Another panel's export: as its reader sent it.
        ("h10301,,132,61985", "h10301:8712737"),
        ("h10301,3+5,,13261985", "h10301:8712737"),
        ("h10306,10D,,0126153249", "h10306:126153249"),
        ("h10306,8H,,0784f221", "h10306:126153249"),
    ] {
        let csv = format!("format,notation,facility,number\n{line}\n");
        let (subjects, _) = import_at(&views, false, Subjects::default(), &csv)
            .map_err(|why| format!("{line}: {why}"))?;
        assert_eq!(cards_of(&subjects), [card], "{line}");
    }
    Ok(())
}

#[test]
fn a_notation_that_can_t_be_is_told_with_its_remedy() {
    for (line, told) in [
        ("em4100,,0126153249", "notation: say how the number is written (10D"),
        ("em4100,9H,0126153249", "notation: must be one of 6H, 8H"),
        ("em4100,14H,0126153249", "notation: 14H has more bits than em4100"),
        ("em4100,10D,0126153249", "eithergate site view add low32` first"),
        ("em4100,10D,9999999999", "number: is too large for 32 bits"),
        ("h10301,10D,0126153249", "notation: 10D has 32 bits, h10301 has 24"),
        ("h99999,10D,1", "h10304, "),
        ("low24,8D,1", "format: must be one of h10301"),
    ] {
        let found = bad(&format!("format,notation,number\n{line}\n"));
        assert!(found.iter().any(|(_, why)| why.contains(told)), "{line}: {found:?}");
        assert!(!found.iter().any(|(_, why)| why.contains("0126153249")), "{found:?}");
    }
}

#[test]
fn a_card_known_in_two_ways_is_one_subject_s_or_told() -> Outcome {
    let views = ["low24"];
    let exported = "format,facility,number\nh10301,132,61985\n";
    let serial = "format,notation,number\nem4100,10H,010784f221\n";
    let (known, _) = import_at(&views, false, Subjects::default(), exported)?;
    let owner = known.iter().next().map(|(id, _)| *id).ok_or("nobody")?;

    let told = import_at(&views, false, known.clone(), serial).err().ok_or("guessed")?.to_string();
    assert!(told.contains("line 2: by its low24") && told.contains("--link"), "{told}");
    let (linked, done) = import_at(&views, true, known.clone(), serial)?;
    assert_eq!((done.linked, done.new_cards, done.new_subjects), (1, 1, 0));
    assert_eq!(linked.get(&owner).map(|r| r.cards.len()), Some(2));
    // By name there is nothing to guess, and another name is refused.
    let named =
        |id: String| format!("subject,format,notation,number\n{id},em4100,10H,010784f221\n");
    let (again, done) = import_at(&views, false, known.clone(), &named(owner.to_hex()))?;
    assert_eq!((done.linked, again.len()), (0, 1));
    let told = import_at(&views, true, known.clone(), &named("ee".repeat(16)));
    let told = told.err().ok_or("given to another")?.to_string();
    assert!(told.contains("card of another subject"), "{told}");
    // At a site where no reader cuts serials they are two cards.
    let (apart, _) = import_at(&[], false, known, serial)?;
    assert_eq!(apart.len(), 2);

    // In one file, in the other order.
    let both = "format,notation,facility,number\nem4100,10H,,010784f221\nh10301,,132,61985\n";
    let told = import_at(&views, false, Subjects::default(), both).err().ok_or("guessed")?;
    assert!(told.to_string().contains("line 3"), "{told}");
    let (one, _) = import_at(&views, true, Subjects::default(), both)?;
    assert_eq!((one.len(), one.cards()), (1, 2));
    Ok(())
}

#[test]
fn cards_that_a_reader_can_t_tell_apart_are_told_by_line() -> Outcome {
    // The same last 24 bits.
    let csv = "format,notation,number\nem4100,10H,010784f221\nem4100,10H,0106000001\nem4100,10H,020684f221\n";
    let (subjects, done) = import_at(&["low24", "low32"], false, Subjects::default(), csv)?;
    assert_eq!(subjects.len(), 3, "all of them are enrolled");
    let told: Vec<_> = done.clashing.iter().map(|c| (c.line, c.view.as_str())).collect();
    assert_eq!(told, [(2, "low24"), (4, "low24")]);
    assert_eq!(import_at(&["low32"], false, Subjects::default(), csv)?.1.clashing, []);
    Ok(())
}

#[test]
fn limits_help_and_extended_opening_are_rights_like_others() -> Outcome {
    let file = |cells: &str| {
        format!("format,whole_number,pin,duress_pin,uses,profile,extended\nh10301,5,{cells}\n")
    };
    let (subjects, _) = import(&file("0407,0512,3,2,yes"))?;
    let rights = |subjects: &Subjects| {
        let found = subjects.iter().next().map(|(id, r)| (*id, r.clone()));
        found.ok_or("nobody")
    };
    let (one, right) = rights(&subjects)?;
    assert_eq!(right.duress, Some(card_key().pin(&one, &"0512".parse()?)));
    assert_eq!(
        (right.uses.map(|n| n.get()), right.profile, right.extended),
        (Some(3), Some(2), true)
    );
    // No column leaves them, an empty cell takes them away.
    let (after, _) = import_into(subjects.clone(), "format,whole_number\nh10301,5\n")?;
    assert_eq!(rights(&after)?.1, right);
    let (after, done) = import_into(subjects, &file("0407,,,,"))?;
    let (_, left) = rights(&after)?;
    assert_eq!((left.duress, left.uses, left.profile, left.extended), (None, None, None, false));
    assert_eq!(done.changed_subjects, 1);
    for (cells, told) in [
        ("0407,0407,,,", "duress_pin: must be another one"),
        (",0512,,,", "duress_pin: goes with a pin"),
        ("0407,1234,,,", "duress_pin: is one of the first"),
        (",,0,,", "uses: must be 1 to 65535"),
        (",,65536,,", "uses: must be 1 to 65535"),
        (",,,256,", "profile: must be a number"),
        (",,,,perhaps", "extended: must be yes or no"),
    ] {
        let bad = bad(&file(cells));
        assert!(matches!(&bad[..], [(2, why)] if why.contains(told)), "{cells}: {bad:?}");
    }
    Ok(())
}
