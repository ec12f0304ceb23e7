//! Dates and times as people write them, to and from [`WallTime`]: RFC 3339, or a bare date in the site's
//! own offset.

use crate::domain::WallTime;
use std::fmt;
use std::str::FromStr;

const DAY_S: i64 = 86_400;

/// Why a text is no time. It never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTime {
    #[error("must be a date (2026-12-31) or a time with its offset (2026-12-31T18:00:00+08:00)")]
    Form,
    #[error(
        "a date alone needs the site's offset from UTC: add `utc_offset = \"+08:00\"` to site.toml, \
         or write 2026-12-31T00:00:00+08:00"
    )]
    NoOffset,
    #[error("must be an offset like +08:00 or Z")]
    Offset,
    #[error("must be a number of s, m, h, d or w, such as 90s, 30m, 4h or 2d")]
    Span,
}

/// Minutes east of UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UtcOffset(i32);

impl FromStr for UtcOffset {
    type Err = BadTime;
    fn from_str(s: &str) -> Result<Self, BadTime> {
        if s == "Z" || s == "z" {
            return Ok(Self(0));
        }
        let sign = match s.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(BadTime::Offset),
        };
        let (hours, minutes) =
            s.get(1..).and_then(|rest| rest.split_once(':')).ok_or(BadTime::Offset)?;
        let (hours, minutes) = (digits(hours, 2), digits(minutes, 2));
        match (hours, minutes) {
            (Some(h @ 0..=14), Some(m @ 0..=59)) => Ok(Self(sign * (h as i32 * 60 + m as i32))),
            _ => Err(BadTime::Offset),
        }
    }
}

impl fmt::Display for UtcOffset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { '-' } else { '+' };
        write!(f, "{sign}{:02}:{:02}", self.0.abs() / 60, self.0.abs() % 60)
    }
}

/// How long something lasts, in seconds: `90s`, `30m`, `4h`, `2d`, `1w`; at most a year.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub u64);

impl FromStr for Span {
    type Err = BadTime;
    fn from_str(s: &str) -> Result<Self, BadTime> {
        let at = s.find(|c: char| !c.is_ascii_digit()).ok_or(BadTime::Span)?;
        let (number, unit) = s.split_at_checked(at).ok_or(BadTime::Span)?;
        let unit = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => DAY_S as u64,
            "w" => 7 * DAY_S as u64,
            _ => return Err(BadTime::Span),
        };
        let seconds = number.parse().ok().and_then(|n: u64| n.checked_mul(unit));
        let fits = |s: &u64| (1..=366 * DAY_S as u64).contains(s);
        seconds.filter(fits).map(Self).ok_or(BadTime::Span)
    }
}

/// Exactly `n` decimal digits.
fn digits(s: &str, n: usize) -> Option<i64> {
    (s.len() == n && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok()).flatten()
}

/// Days since 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn days_from_civil(y: i64, m: i64, d: i64) -> i64 {
    let y = if m <= 2 { y - 1 } else { y };
    let era = y.div_euclid(400);
    let year_of_era = y.rem_euclid(400);
    let day_of_year = (153 * (m + if m > 2 { -3 } else { 9 }) + 2) / 5 + d - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The inverse, from the same source.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let doe = z.rem_euclid(146_097);
    let yoe = (doe - doe / 1_460 + doe / 36_524 - doe / 146_096) / 365;
    let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    let mp = (5 * doy + 2) / 153;
    let m = if mp < 10 { mp + 3 } else { mp - 9 };
    (yoe + era * 400 + i64::from(m <= 2), m, doy - (153 * mp + 2) / 5 + 1)
}

fn date(s: &str) -> Option<i64> {
    let mut parts = s.split('-');
    let (y, m, d) = (parts.next()?, parts.next()?, parts.next()?);
    let (y, m, d) = (digits(y, 4)?, digits(m, 2)?, digits(d, 2)?);
    if parts.next().is_some() || !(1971..=9998).contains(&y) {
        return None;
    }
    let days = days_from_civil(y, m, d);
    // 31 April would come back as 1 May.
    (civil_from_days(days) == (y, m, d)).then_some(days)
}

/// `T18:00`, `T18:00:00` or with a fraction, then the offset: seconds since the day's start in UTC.
fn time_of_day(s: &str) -> Result<i64, BadTime> {
    let at = s.find(['+', '-', 'Z', 'z']).ok_or(BadTime::Form)?;
    let (clock, offset) = s.split_at_checked(at).ok_or(BadTime::Form)?;
    let offset: UtcOffset = offset.parse().map_err(|_| BadTime::Form)?;
    let mut parts = clock.split(':');
    let mut part = |most: i64| match parts.next().map(|p| digits(p, 2)) {
        None => Ok(0),
        Some(Some(n)) if n <= most => Ok(n),
        Some(_) => Err(BadTime::Form),
    };
    let seconds = part(23)? * 3_600 + part(59)? * 60 + part(59)?;
    if parts.next().is_some() || clock.len() < 5 {
        return Err(BadTime::Form);
    }
    Ok(seconds - i64::from(offset.0) * 60)
}

fn parse(s: &str, site: Option<UtcOffset>, bare_date_adds_days: i64) -> Result<WallTime, BadTime> {
    let seconds = match s.split_once(['T', 't', ' ']) {
        Some((day, clock)) => date(day).ok_or(BadTime::Form)? * DAY_S + time_of_day(clock)?,
        None => {
            let day = date(s).ok_or(BadTime::Form)?;
            let offset = site.ok_or(BadTime::NoOffset)?;
            (day + bare_date_adds_days) * DAY_S - i64::from(offset.0) * 60
        }
    };
    u64::try_from(seconds).map(WallTime::from_secs).map_err(|_| BadTime::Form)
}

/// A beginning: a bare date is its first moment.
pub(super) fn parse_from(s: &str, site: Option<UtcOffset>) -> Result<WallTime, BadTime> {
    parse(s, site, 0)
}

/// An end, not included: a bare date is the moment after it, so the day itself still counts.
pub(super) fn parse_until(s: &str, site: Option<UtcOffset>) -> Result<WallTime, BadTime> {
    parse(s, site, 1)
}

/// `2026-11-22T08:09:34Z`.
pub fn to_rfc3339(t: WallTime) -> String {
    let seconds = (t.as_secs() as i64).clamp(0, 253_402_300_799);
    let (y, m, d) = civil_from_days(seconds.div_euclid(DAY_S));
    let s = seconds.rem_euclid(DAY_S);
    format!("{y:04}-{m:02}-{d:02}T{:02}:{:02}:{:02}Z", s / 3_600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_moments() {
        // `date -u -d '2026-11-22 08:09:34' +%s`
        let t = Ok(WallTime::from_secs(1_795_334_974));
        assert_eq!(parse_from("2026-11-22T08:09:34Z", None), t);
        assert_eq!(parse_from("2026-11-22T16:09:34+08:00", None), t);
        assert_eq!(parse_from("2026-11-22 05:39:34-02:30", None), t);
        let china = "+08:00".parse().ok();
        assert_eq!(parse_from("2026-11-22", china), parse_from("2026-11-22T00:00+08:00", None));
        assert_eq!(parse_until("2026-12-31", china), parse_from("2027-01-01T00:00+08:00", None));
        assert_eq!(parse_until("2026-12-31", None), Err(BadTime::NoOffset));
        assert!(parse_from("2028-02-29", china).is_ok());
    }

    #[test]
    fn no_moment() {
        let china = "+08:00".parse().ok();
        for bad in [
            "",
            "2026",
            "2026-02-29",
            "2026-13-01",
            "2026-1-1",
            "22/11/2026",
            "2026-11-22T",
            "2026-11-22T25:00Z",
            "2026-11-22T08:60Z",
            "2026-11-22T08:00",
            "2026-11-22TZ",
            "2026-11-22T08Z",
            "2026-11-22T08:00+8",
            "2026-11-22T08:00:00:00Z",
            "2026-11-22T08:00+15:00",
            "1969-01-01",
            "99999-01-01",
        ] {
            assert_eq!(parse_from(bad, china), Err(BadTime::Form), "{bad:?}");
        }
    }

    #[test]
    fn spans() {
        let seconds = |s: &str| s.parse::<Span>().map(|span| span.0).ok();
        assert_eq!(seconds("90s"), Some(90));
        assert_eq!(seconds("30m"), Some(1_800));
        assert_eq!(seconds("4h"), Some(14_400));
        assert_eq!(seconds("2d"), Some(172_800));
        assert_eq!(seconds("1w"), Some(604_800));
        for bad in [
            "",
            "h",
            "4",
            "0h",
            "4 h",
            "-4h",
            "4H",
            "367d",
            "99999999999999999999s",
            "4hh",
            "4\u{e9}",
        ] {
            assert_eq!(seconds(bad), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn every_second_comes_back(s in 31_536_000u64..253_000_000_000) {
            let t = WallTime::from_secs(s);
            prop_assert_eq!(parse_from(&to_rfc3339(t), None), Ok(t));
        }

        #[test]
        fn strange_texts_are_refused_quietly(s in "\\PC{0,30}") {
            let _ = parse_from(&s, None);
        }
    }
}
