//! Weekly profiles: at which minutes of which days something holds, and which days are holidays.

use super::zone::{Date, Zone};
use crate::domain::WallTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Minutes of a day: not before `from`, not at or after `to`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: u16,
    /// At most 1440, midnight.
    pub to: u16,
}

/// A week. What goes over midnight is two spans.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// What rights call it, in the site's own numbering. One without is for this gate's doors alone.
    pub number: Option<u8>,
    /// Monday first.
    pub days: [Vec<Span>; 7],
    /// In place of the weekday's on a holiday.
    pub holiday: Vec<Span>,
}

/// Why a calendar makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCalendar {
    #[error("profile {0}: a span begins before it ends, and ends at 24:00 at the latest")]
    Span(usize),
    #[error("there is room for 255 profiles")]
    TooMany,
    #[error("two profiles have the number {0}")]
    Number(u8),
}

/// Where the gate stands in time, its profiles, its holidays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Calendar {
    zone: Zone,
    profiles: Vec<Profile>,
    holidays: BTreeSet<Date>,
}

/// A calendar as it stands in a file, to be checked.
#[derive(Deserialize)]
struct Written {
    zone: Zone,
    profiles: Vec<Profile>,
    holidays: BTreeSet<Date>,
}

impl TryFrom<Written> for Calendar {
    type Error = BadCalendar;
    fn try_from(written: Written) -> Result<Self, BadCalendar> {
        Self::new(written.zone, written.profiles, written.holidays)
    }
}

impl Calendar {
    pub fn new(
        zone: Zone,
        profiles: Vec<Profile>,
        holidays: BTreeSet<Date>,
    ) -> Result<Self, BadCalendar> {
        if profiles.len() > 255 {
            return Err(BadCalendar::TooMany);
        }
        let sound = |span: &Span| span.from < span.to && span.to <= 1_440;
        for (i, profile) in profiles.iter().enumerate() {
            if !profile.days.iter().flatten().chain(&profile.holiday).all(sound) {
                return Err(BadCalendar::Span(i));
            }
            if let Some(number) = profile.number
                && profiles[..i].iter().any(|other| other.number == Some(number))
            {
                return Err(BadCalendar::Number(number));
            }
        }
        Ok(Self { zone, profiles, holidays })
    }

    pub(in crate::access) fn has(&self, profile: u8) -> bool {
        usize::from(profile) < self.profiles.len()
    }

    /// The place of the profile that rights call so.
    pub(in crate::access) fn numbered(&self, number: u8) -> Option<u8> {
        let at = self.profiles.iter().position(|profile| profile.number == Some(number))?;
        u8::try_from(at).ok()
    }

    /// What rights call the profile at a place.
    pub fn number(&self, place: u8) -> Option<u8> {
        self.profiles.get(usize::from(place))?.number
    }

    /// Whether a profile, by its place, holds. One that the calendar doesn't have never does.
    pub fn holds(&self, profile: u8, wall: WallTime) -> bool {
        let Some(profile) = self.profiles.get(usize::from(profile)) else { return false };
        let local = self.zone.local(wall);
        let spans = if self.holidays.contains(&local.date) {
            Some(&profile.holiday)
        } else {
            profile.days.get(usize::from(local.weekday))
        };
        spans.into_iter().flatten().any(|s| (s.from..s.to).contains(&local.minute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_with_a_holiday() {
        let office = Span { from: 8 * 60, to: 18 * 60 };
        let night = [Span { from: 0, to: 360 }, Span { from: 1_320, to: 1_440 }];
        let mut days: [Vec<Span>; 7] = Default::default();
        days[0] = vec![office];
        days[6] = night.to_vec();
        let week = Profile { number: Some(9), days, holiday: vec![Span { from: 600, to: 601 }] };
        let holidays = [Date { year: 2026, month: 11, day: 30 }].into();
        let zone = Zone::new(480, None).expect("sound");
        let calendar = Calendar::new(zone, vec![week], holidays).expect("sound");
        // Monday 2026-11-23 00:00 in China is Sunday 16:00 UTC.
        let monday = 1_795_363_200;
        let holds = |day: u64, minute: u64| {
            calendar.holds(0, WallTime::from_secs(monday + day * 86_400 + minute * 60))
        };
        assert!(!holds(0, 479) && holds(0, 480) && holds(0, 1_079) && !holds(0, 1_080));
        assert!(!holds(1, 600), "Tuesday has none");
        assert!(holds(6, 0) && holds(6, 359) && !holds(6, 360) && holds(6, 1_439));
        assert!(!holds(7, 480) && holds(7, 600) && !holds(7, 601), "the holiday's own hours");
        assert!(holds(14, 480), "and the Monday after is one again");
        assert!(!calendar.holds(1, WallTime::from_secs(monday)), "no such profile");
        assert!(calendar.has(0) && !calendar.has(1));
        assert_eq!([calendar.numbered(9), calendar.numbered(0)], [Some(0), None]);
        assert_eq!([calendar.number(0), calendar.number(1)], [Some(9), None]);
    }

    #[test]
    fn spans_that_make_no_sense_are_refused() {
        for bad in [Span { from: 5, to: 5 }, Span { from: 6, to: 5 }, Span { from: 0, to: 1_441 }] {
            let profile = Profile { holiday: vec![bad], ..Profile::default() };
            let made = Calendar::new(Zone::default(), vec![profile], BTreeSet::new());
            assert_eq!(made, Err(BadCalendar::Span(0)));
        }
        let two = vec![Profile { number: Some(4), ..Profile::default() }; 2];
        let made = Calendar::new(Zone::default(), two, BTreeSet::new());
        assert_eq!(made, Err(BadCalendar::Number(4)));
        let many = vec![Profile::default(); 256];
        assert_eq!(
            Calendar::new(Zone::default(), many, BTreeSet::new()),
            Err(BadCalendar::TooMany)
        );
    }
}
