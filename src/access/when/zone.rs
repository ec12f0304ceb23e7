//! Local time from UTC by a fixed offset and, where there is one, a summer time rule like that of POSIX
//! `TZ` (`Mm.w.d/time`). A gate's rules change by configuration, so no zone database is needed.

use crate::domain::WallTime;
use serde::{Deserialize, Serialize};

const DAY_MIN: i64 = 1_440;

/// A day of the (proleptic Gregorian) calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Date {
    pub year: i32,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
}

impl Date {
    /// From days since 1970-01-01; Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".
    fn from_days(days: i64) -> Self {
        let z = days + 719_468;
        let era = z.div_euclid(146_097);
        let of_era = z.rem_euclid(146_097);
        let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
        let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let month_from_march = (5 * of_year + 2) / 153;
        let day = of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = year_of_era + era * 400 + i64::from(month <= 2);
        Self { year: year as i32, month: month as u8, day: day as u8 }
    }

    fn to_days(self) -> i64 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let year_of_era = year.rem_euclid(400);
        let month = i64::from(self.month);
        let from_march = if month > 2 { month - 3 } else { month + 9 };
        let of_year = (153 * from_march + 2) / 5 + i64::from(self.day) - 1;
        era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year - 719_468
    }
}

/// Monday is 0.
fn weekday(days: i64) -> u8 {
    (days + 3).rem_euclid(7) as u8
}

/// The minute of local time at which summer time begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// 1 to 12.
    pub month: u8,
    /// The how manieth such weekday of the month; 5 is the last.
    pub week: u8,
    /// Monday is 0.
    pub weekday: u8,
    /// Of the local time in force before the change.
    pub minute: u16,
}

impl Change {
    /// Minutes since 1970 on the local clock in force before the change.
    fn local_minute(self, year: i32) -> i64 {
        let first = Date { year, month: self.month, day: 1 }.to_days();
        let to_weekday = (i64::from(self.weekday) - i64::from(weekday(first))).rem_euclid(7);
        let mut day = first + to_weekday + 7 * (i64::from(self.week) - 1);
        while Date::from_days(day).month != self.month {
            day -= 7;
        }
        day * DAY_MIN + i64::from(self.minute)
    }

    fn is_sound(self) -> bool {
        (1..=12).contains(&self.month)
            && (1..=5).contains(&self.week)
            && self.weekday < 7
            && self.minute < 1_440
    }
}

/// Summer time: an hour (or so) more between two changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dst {
    pub minutes: i16,
    pub begin: Change,
    pub end: Change,
}

/// Where the gate stands in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written")]
pub struct Zone {
    offset_min: i16,
    dst: Option<Dst>,
}

/// A zone as it stands in a file, to be checked.
#[derive(Deserialize)]
struct Written {
    offset_min: i16,
    dst: Option<Dst>,
}

impl TryFrom<Written> for Zone {
    type Error = BadZone;
    fn try_from(written: Written) -> Result<Self, BadZone> {
        Self::new(written.offset_min, written.dst)
    }
}

/// Why a zone makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadZone {
    #[error("the offset from UTC is at most 14 hours")]
    Offset,
    #[error(
        "a change of summer time has a month of 1 to 12, a week of 1 to 5 and a minute below 1440"
    )]
    Change,
    #[error("summer time adds 1 to 120 minutes, and begins and ends in different months")]
    Dst,
}

/// A moment on the wall beside the gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::access) struct Local {
    pub date: Date,
    /// Monday is 0.
    pub weekday: u8,
    /// Of the day.
    pub minute: u16,
}

impl Zone {
    pub fn new(offset_min: i16, dst: Option<Dst>) -> Result<Self, BadZone> {
        if offset_min.unsigned_abs() > 14 * 60 {
            return Err(BadZone::Offset);
        }
        if let Some(dst) = dst {
            if !dst.begin.is_sound() || !dst.end.is_sound() {
                return Err(BadZone::Change);
            }
            if !(1..=120).contains(&dst.minutes) || dst.begin.month == dst.end.month {
                return Err(BadZone::Dst);
            }
        }
        Ok(Self { offset_min, dst })
    }

    pub(in crate::access) fn local(&self, wall: WallTime) -> Local {
        let utc = (wall.0 / 60_000) as i64;
        let minute = utc + self.offset(utc);
        let days = minute.div_euclid(DAY_MIN);
        let date = Date::from_days(days);
        Local { date, weekday: weekday(days), minute: minute.rem_euclid(DAY_MIN) as u16 }
    }

    /// Minutes ahead of UTC at a minute of UTC.
    fn offset(&self, utc: i64) -> i64 {
        let standard = i64::from(self.offset_min);
        let Some(dst) = self.dst else { return standard };
        // Nowhere does summer time begin or end within a day of New Year, so UTC's year will do.
        let year = Date::from_days(utc.div_euclid(DAY_MIN)).year;
        let summer = standard + i64::from(dst.minutes);
        let begin = dst.begin.local_minute(year) - standard;
        let end = dst.end.local_minute(year) - summer;
        let is_summer =
            if begin < end { (begin..end).contains(&utc) } else { !(end..begin).contains(&utc) };
        if is_summer { summer } else { standard }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds since 1970 of UTC times, from GNU date.
    fn at(zone: Zone, secs: u64) -> String {
        let l = zone.local(WallTime::from_secs(secs));
        let Date { year, month, day } = l.date;
        format!("{year}-{month:02}-{day:02} {}:{:02} {}", l.minute / 60, l.minute % 60, l.weekday)
    }

    fn berlin() -> Zone {
        let begin = Change { month: 3, week: 5, weekday: 6, minute: 120 };
        let end = Change { month: 10, week: 5, weekday: 6, minute: 180 };
        Zone::new(60, Some(Dst { minutes: 60, begin, end })).expect("sound")
    }

    #[test]
    fn a_fixed_offset() {
        let china = Zone::new(480, None).expect("sound");
        assert_eq!(at(china, 0), "1970-01-01 8:00 3");
        assert_eq!(at(china, 1_795_347_600), "2026-11-22 19:40 6");
        assert_eq!(at(china, 1_709_222_399), "2024-02-29 23:59 3");
        assert_eq!(at(china, 1_709_222_400), "2024-03-01 0:00 4");
        // A leap day that comes once in 400 years.
        assert_eq!(at(china, 951_782_400), "2000-02-29 8:00 1");
        assert_eq!(at(Zone::new(-570, None).expect("sound"), 0), "1969-12-31 14:30 2");
    }

    #[test]
    fn summer_time_of_the_north_and_of_the_south() {
        // 2026: 29 March and 25 October, both at 01:00 UTC.
        assert_eq!(at(berlin(), 1_774_745_999), "2026-03-29 1:59 6");
        assert_eq!(at(berlin(), 1_774_746_000), "2026-03-29 3:00 6");
        assert_eq!(at(berlin(), 1_792_889_999), "2026-10-25 2:59 6");
        assert_eq!(at(berlin(), 1_792_890_000), "2026-10-25 2:00 6");
        // Sydney: first Sunday of October to first Sunday of April; 2026-04-04 16:00 UTC.
        let begin = Change { month: 10, week: 1, weekday: 6, minute: 120 };
        let end = Change { month: 4, week: 1, weekday: 6, minute: 180 };
        let sydney = Zone::new(600, Some(Dst { minutes: 60, begin, end })).expect("sound");
        assert_eq!(at(sydney, 1_775_318_399), "2026-04-05 2:59 6");
        assert_eq!(at(sydney, 1_775_318_400), "2026-04-05 2:00 6");
        assert_eq!(at(sydney, 1_767_225_600), "2026-01-01 11:00 3");
    }

    #[test]
    fn nonsense_is_refused() {
        let good = Change { month: 3, week: 5, weekday: 6, minute: 120 };
        let dst = |begin, end, minutes| Zone::new(0, Some(Dst { minutes, begin, end }));
        assert_eq!(Zone::new(900, None), Err(BadZone::Offset));
        let october = Change { month: 10, ..good };
        for bad in [
            Change { month: 0, ..good },
            Change { month: 13, ..good },
            Change { week: 0, ..good },
            Change { week: 6, ..good },
            Change { weekday: 7, ..good },
            Change { minute: 1_440, ..good },
        ] {
            assert_eq!(dst(bad, october, 60), Err(BadZone::Change), "{bad:?}");
            assert_eq!(dst(october, bad, 60), Err(BadZone::Change), "{bad:?}");
        }
        assert_eq!(dst(good, good, 60), Err(BadZone::Dst));
        assert_eq!(dst(good, october, 0), Err(BadZone::Dst));
        assert_eq!(dst(good, october, 121), Err(BadZone::Dst));
    }

    #[test]
    fn days_and_dates_are_each_others_inverse() {
        for days in (-800_000..800_000).step_by(37) {
            assert_eq!(Date::from_days(days).to_days(), days);
        }
    }
}
