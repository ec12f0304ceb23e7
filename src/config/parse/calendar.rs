//! `[calendar]` and `[[profile]]`: where the gate stands in time, which hours have a name, which days are
//! holidays. Names here, places in the core.

use crate::access::{Calendar, Change, Date, Dst, Profile, Span, Zone};
use crate::config::raw::{Item, Notes, Section};
use std::collections::BTreeSet;

/// Profiles by name, in the calendar's order.
#[derive(Default)]
pub(super) struct Profiles {
    pub names: Vec<String>,
}

impl Profiles {
    /// The profile that a key names, if it names one.
    pub(super) fn named(&self, s: &Section<'_>, key: &'static str) -> Option<u8> {
        let name = s.text(key)?;
        let found = self.names.iter().position(|known| *known == name.value);
        if found.is_none() {
            let what = if self.names.is_empty() {
                format!(
                    "is no profile: add a [[profile]] with name = {:?} and its hours",
                    name.value
                )
            } else {
                let known: Vec<_> = self.names.iter().map(|n| format!("\"{n}\"")).collect();
                format!("is no [[profile]] here; there are: {}", known.join(", "))
            };
            s.note(name.span, key, what);
        }
        found.and_then(|at| u8::try_from(at).ok())
    }
}

const WEEK: [&str; 7] =
    ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

/// The calendar and the names of its profiles.
pub(super) fn calendar(root: &Section<'_>, notes: &Notes<'_>) -> (Calendar, Profiles) {
    let (mut names, mut profiles) = (Profiles::default(), Vec::new());
    let mut numbers = BTreeSet::new();
    let sections = root.sections("profile");
    let has_profiles = !sections.is_empty();
    if sections.len() > 255 {
        notes.add(0..0, "[[profile]]", "there is room for 255 profiles");
    }
    for s in sections {
        let name = s.required_text("name", "\"office hours\"");
        let profile = profile(&s, &mut numbers);
        s.finish();
        let Some(name) = name else { continue };
        if names.names.contains(&name.value) {
            notes.add(
                name.span,
                "[[profile]] name",
                "another profile has this name: give each its own",
            );
        }
        names.names.push(name.value);
        profiles.push(profile);
    }
    let Some(s) = root.section("calendar") else {
        if has_profiles {
            let what = "hours are told by local time: add this section with zone = \"+08:00\"";
            notes.add(0..0, "[calendar]", what);
        }
        return (Calendar::default(), names);
    };
    let zone = zone(&s);
    let holidays = holidays(&s);
    s.finish();
    // Each rule of the core's is checked above, where it can be named more closely.
    (Calendar::new(zone, profiles, holidays).unwrap_or_default(), names)
}

fn profile(s: &Section<'_>, numbers: &mut BTreeSet<u64>) -> Profile {
    let number = s.whole("number", 0..=255);
    if let Some(number) = &number
        && !numbers.insert(number.value)
    {
        s.note(number.span.clone(), "number", "another profile has this number: give each its own");
    }
    let every_day = spans(s, "every_day");
    let (workdays, weekend) = (spans(s, "workdays"), spans(s, "weekend"));
    let days = std::array::from_fn(|day| {
        let group = if day < 5 { &workdays } else { &weekend };
        let own = WEEK.get(day).and_then(|key| spans(s, key));
        own.or_else(|| group.clone()).or_else(|| every_day.clone()).unwrap_or_default()
    });
    let holiday = spans(s, "holiday").unwrap_or_default();
    let number = number.and_then(|number| u8::try_from(number.value).ok());
    let profile = Profile { number, days, holiday };
    if profile.days.iter().flatten().chain(&profile.holiday).next().is_none() {
        let what = "has no hours: add every_day, workdays, weekend, monday to sunday or holiday, \
                    for example workdays = [\"08:00-18:00\"]";
        s.note(s.span(), "", what);
    }
    profile
}

/// Hours of a day; none if the key isn't there.
fn spans(s: &Section<'_>, key: &'static str) -> Option<Vec<Span>> {
    let list = s.texts(key)?;
    let read = |item: Item<String>| {
        let span = item.value.split_once('-').and_then(|(from, to)| {
            Some(Span { from: minute(from.trim())?, to: minute(to.trim())? })
        });
        match span {
            Some(span) if span.from < span.to => return Some(span),
            Some(_) => {
                let what = "begins before it ends; over midnight are two: \"22:00-24:00\", and \
                            \"00:00-06:00\" on the next day";
                s.note(item.span, key, what);
            }
            None => s.note(item.span, key, "must be hours like \"08:00-18:00\""),
        }
        None
    };
    Some(list.value.into_iter().filter_map(read).collect())
}

/// "08:30", up to "24:00", in minutes.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let two = |text: &str| {
        let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    let (hours, minutes) = (two(hours)?, two(minutes)?);
    let minute = hours * 60 + minutes;
    (minutes < 60 && minute <= 1_440).then_some(minute)
}

fn zone(s: &Section<'_>) -> Zone {
    let offset = s.required_text("zone", "\"+08:00\"").and_then(|zone| {
        let offset = offset(&zone.value);
        if offset.is_none() {
            let what = "must be how far local time is ahead of UTC in winter, up to 14 hours: \
                        \"+08:00\" in China, \"+01:00\" in Berlin, \"-05:00\" in New York";
            s.note(zone.span, "zone", what);
        }
        offset
    });
    const EXAMPLE: &str =
        "{ begin = \"last sunday march 02:00\", end = \"last sunday october 03:00\" }";
    let dst = s.table("summer", EXAMPLE).and_then(|t| {
        let begin = change(&t, "begin", "\"last sunday march 02:00\"");
        let end = change(&t, "end", "\"last sunday october 03:00\"");
        let minutes = t.whole_or("minutes", 1..=120, 60) as i16;
        let dst = begin.zip(end).map(|(begin, end)| Dst { minutes, begin, end });
        if let Err(why) = Zone::new(0, dst) {
            t.note(t.span(), "", why.to_string());
        }
        t.finish();
        dst
    });
    Zone::new(offset.unwrap_or(0), dst).unwrap_or_default()
}

fn offset(text: &str) -> Option<i16> {
    let (sign, rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+')?),
    };
    let minutes = i16::try_from(minute(rest)?).ok()?;
    Some(sign * minutes).filter(|minutes| Zone::new(*minutes, None).is_ok())
}

const WEEKS: [&str; 5] = ["first", "second", "third", "fourth", "last"];
const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// "last sunday march 02:00": the local time at which summer time begins or ends.
fn change(t: &Section<'_>, key: &'static str, example: &str) -> Option<Change> {
    let text = t.required_text(key, example)?;
    let words: Vec<_> = text.value.split_whitespace().collect();
    let place = |of: &[&str], word: &str| of.iter().position(|w| *w == word).map(|at| at as u8);
    let read = match words[..] {
        [week, day, month, time] => (|| {
            Some(Change {
                month: place(&MONTHS, month)? + 1,
                week: place(&WEEKS, week)? + 1,
                weekday: place(&WEEK, day)?,
                minute: minute(time).filter(|minute| *minute < 1_440)?,
            })
        })(),
        _ => None,
    };
    if read.is_none() {
        let what = format!(
            "must be first, second, third, fourth or last, a day, a month, a time: {example}"
        );
        t.note(text.span, key, what);
    }
    read
}

fn holidays(s: &Section<'_>) -> BTreeSet<Date> {
    let mut holidays = BTreeSet::new();
    for item in s.texts("holidays").map(|list| list.value).unwrap_or_default() {
        match date(&item.value) {
            Some(date) if holidays.insert(date) => {}
            Some(_) => s.note(item.span, "holidays", "is there twice: leave one out"),
            None => s.note(item.span, "holidays", "must be a day like \"2027-01-01\""),
        }
    }
    holidays
}

/// "2027-01-01", if there is such a day.
fn date(text: &str) -> Option<Date> {
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let parts: Vec<_> = text.split('-').collect();
    let [year, month, day] = parts[..] else { return None };
    if [year.len(), month.len(), day.len()] != [4, 2, 2] || !parts.iter().all(|part| digits(part)) {
        return None;
    }
    let (year, month, day): (i32, u8, u8) =
        (year.parse().ok()?, month.parse().ok()?, day.parse().ok()?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let last = match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => return None,
    };
    (1..=last).contains(&day).then_some(Date { year, month, day })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_days_and_offsets() {
        for (text, want) in [
            ("00:00", Some(0)),
            ("08:30", Some(510)),
            ("24:00", Some(1_440)),
            ("24:01", None),
            ("8:30", None),
            ("08:60", None),
            ("+8:30", None),
            ("99:99", None),
        ] {
            assert_eq!(minute(text), want, "{text}");
        }
        for (text, want) in [
            ("+08:00", Some(480)),
            ("-09:30", Some(-570)),
            ("+14:00", Some(840)),
            ("+14:01", None),
            ("08:00", None),
            ("UTC+8", None),
        ] {
            assert_eq!(offset(text), want, "{text}");
        }
        let good = ["2027-01-01", "2028-02-29", "2000-02-29", "2027-12-31"];
        assert!(good.iter().all(|text| date(text).is_some()));
        let bad =
            ["2027-02-29", "2100-02-29", "2027-13-01", "2027-00-10", "2027-04-31", "2027-1-1"];
        assert!(bad.iter().all(|text| date(text).is_none()));
        let odd = ["", "2027-01-00", "+027-01-01", "2027-01-01-", "01-01-2027"];
        assert!(odd.iter().all(|text| date(text).is_none()));
    }
}
