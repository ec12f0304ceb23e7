//! Two beams, one behind the other, to whole passages with their direction.
//!
//! The beams are read like a quadrature encoder: outer alone, both, inner alone, free again is somebody who
//! came in; the other way round, who left; going back on the way is no passage. Two bodies that keep both
//! beams broken as one count as one: with two beams nobody can tell.

use crate::domain::Heading;

#[derive(Clone, Debug, Default)]
pub(in crate::access) struct Beams {
    outer: bool,
    inner: bool,
    /// How far in somebody is: 0 to 4 from the street, 0 to -4 from inside.
    steps: i8,
}

impl Beams {
    /// Takes a beam's change; gives a passage that has just ended.
    pub(in crate::access) fn set(&mut self, outer: bool, broken: bool) -> Option<Heading> {
        let before = self.phase();
        *(if outer { &mut self.outer } else { &mut self.inner }) = broken;
        let after = self.phase();
        match (after - before).rem_euclid(4) {
            1 => self.steps += 1,
            3 => self.steps -= 1,
            _ => return None,
        }
        if after != 0 {
            return None;
        }
        match std::mem::take(&mut self.steps) {
            4.. => Some(Heading::In),
            ..=-4 => Some(Heading::Out),
            _ => None,
        }
    }

    /// A beam's line is at fault: what was under way can't be told any more.
    pub(in crate::access) fn forget(&mut self) {
        *self = Self::default();
    }

    fn phase(&self) -> i8 {
        match (self.outer, self.inner) {
            (false, false) => 0,
            (true, false) => 1,
            (true, true) => 2,
            (false, true) => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `o` and `i` break a beam, `O` and `I` free it.
    fn passages(changes: &str) -> Vec<Heading> {
        let mut beams = Beams::default();
        changes
            .chars()
            .filter_map(|c| beams.set(c.eq_ignore_ascii_case(&'o'), c.is_lowercase()))
            .collect()
    }

    #[test]
    fn who_comes_and_who_goes() {
        use Heading::{In, Out};
        assert_eq!(passages("oiOI"), [In]);
        assert_eq!(passages("ioIO"), [Out]);
        assert_eq!(passages("oiOIioIOoiOI"), [In, Out, In]);
        assert_eq!(passages("oO"), []);
        assert_eq!(passages("oiIO"), [], "turned back");
        assert_eq!(passages("oiOoIO"), [], "turned back late");
        assert_eq!(passages("oiIiOI"), [In], "hesitated");
        assert_eq!(passages("ooiiOOII"), [In], "a beam that says it twice");
        // Two close behind each other, told apart as soon as one beam has been free between them.
        assert_eq!(passages("oiOIoiOI"), [In, In]);
    }
}
