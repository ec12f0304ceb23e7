//! What is known of certainty from people's pictures: presentations held against enrolments, with nobody judged
//! by a threshold that they had a part in.

use crate::vision::share::bounds;
use crate::vision::{
    BadDistances, Distances, Space, Targets, Template, WrongModel, fuse, supported, threshold,
};

/// One picture: enrolled, and as somebody stands before the gate with it.
pub(super) struct Seen {
    pub person: usize,
    pub enrolled: Template,
    pub quality: f32,
    pub presented: Template,
}

/// Distances of every presentation to every person's enrolment, a person's own without the very picture.
pub(super) struct Table {
    people: usize,
    /// Person presented, person enrolled, distance. Relatives are apart: they are no strangers.
    rows: Vec<(usize, usize, f32)>,
    relatives: Vec<f32>,
}

/// How others fared at a threshold derived without them.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct OnOthers {
    pub gallery: u64,
    /// The lowest and the highest threshold that was derived.
    pub thresholds: [f32; 2],
    /// Of comparisons between strangers.
    pub accepted: Counted,
    /// Of residents' presentations.
    pub refused: Counted,
    /// The least that any derivation supported.
    pub supported: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Counted {
    pub hits: u64,
    pub of: u64,
}

impl Counted {
    fn add(&mut self, hit: bool) {
        self.hits += u64::from(hit);
        self.of += 1;
    }

    /// The two-sided bounds at 95 %, as though all were independent.
    pub fn bounds(&self) -> (f64, f64) {
        bounds(self.hits, self.of, crate::vision::share::CONFIDENCE)
    }
}

impl Table {
    /// At most `templates` of a person's pictures are enrolled, as at a gate.
    pub fn new(
        space: &Space,
        seen: &[Seen],
        templates: usize,
        related: impl Fn(usize, usize) -> bool,
    ) -> Result<Self, WrongModel> {
        let people = seen.iter().map(|s| s.person + 1).max().unwrap_or(0);
        let (mut rows, mut relatives) = (Vec::new(), Vec::new());
        for (number, one) in seen.iter().enumerate() {
            for person in 0..people {
                let others =
                    seen.iter().enumerate().filter(|(i, s)| *i != number && s.person == person);
                let of: Vec<_> =
                    others.take(templates).map(|(_, s)| (s.enrolled.clone(), s.quality)).collect();
                let Some(enrolled) = fuse(space, &of) else { continue };
                let distance = space.distance(&one.presented, &enrolled)?;
                if one.person != person && related(one.person, person) {
                    relatives.push(distance);
                } else {
                    rows.push((one.person, person, distance));
                }
            }
        }
        Ok(Self { people, rows, relatives })
    }

    pub fn people(&self) -> usize {
        self.people
    }

    /// Relatives' comparisons, and how many of them lie below a threshold.
    pub fn relatives_below(&self, threshold: f32) -> Counted {
        let mut counted = Counted::default();
        self.relatives.iter().for_each(|d| counted.add(*d < threshold));
        counted
    }

    /// Distances between strangers and of residents, without some people.
    pub fn distances(&self, without: &[usize]) -> [Vec<f32>; 2] {
        let kept = || {
            let gone = |person| without.contains(person);
            self.rows.iter().filter(move |(a, b, _)| !gone(a) && !gone(b))
        };
        [false, true].map(|own| kept().filter(|r| (r.0 == r.1) == own).map(|r| r.2).collect())
    }

    /// The two curves of a manifest's evidence, without some people.
    pub fn derive(&self, without: &[usize]) -> Result<[Distances; 2], BadDistances> {
        let people = |own: bool| {
            let mut who: Vec<usize> = self
                .rows
                .iter()
                .filter(|r| {
                    (r.0 == r.1) == own && !without.contains(&r.0) && !without.contains(&r.1)
                })
                .map(|r| r.0)
                .collect();
            who.sort_unstable();
            who.dedup();
            who.len() as u32
        };
        let [strangers, residents] = self.distances(without);
        let strangers = Distances::measured(people(false), strangers)?;
        Ok([strangers, Distances::measured(people(true), residents)?])
    }

    /// For each two people, a threshold for a gallery of this size from all others; then these two as strangers
    /// to each other, and each as a resident at the thresholds derived without them.
    pub fn on_others(&self, gallery: u64, targets: Targets) -> Result<OnOthers, BadDistances> {
        let mut found = OnOthers {
            gallery,
            thresholds: [f32::INFINITY, 0.0],
            accepted: Counted::default(),
            refused: Counted::default(),
            supported: u64::MAX,
        };
        let mut judge = |without: &[usize], own: bool| -> Result<(), BadDistances> {
            let [strangers, residents] = self.derive(without)?;
            let limit = threshold(&strangers, gallery, targets);
            let [low, high] = found.thresholds;
            found.thresholds = [low.min(limit), high.max(limit)];
            found.supported = found.supported.min(supported(&strangers, &residents, targets));
            for (a, b, distance) in &self.rows {
                let is_theirs = without.contains(a) && without.contains(b);
                if is_theirs && own && a == b {
                    found.refused.add(*distance >= limit);
                }
                if is_theirs && !own && a != b {
                    found.accepted.add(*distance < limit);
                }
            }
            Ok(())
        };
        for a in 0..self.people {
            judge(&[a], true)?;
            for b in a + 1..self.people {
                judge(&[a, b], false)?;
            }
        }
        Ok(found)
    }
}

/// A distribution, as a manifest has it.
pub(super) fn section(name: &str, distances: &Distances) -> String {
    let mut quantiles = String::new();
    let mut last = String::new();
    for (share, distance) in distances.quantiles() {
        let rounded = format!("{distance:.6}");
        // Two that are the same once rounded would be no rising curve.
        if rounded != last {
            quantiles += &format!("    [{share:.6}, {rounded}],\n");
            last = rounded;
        }
    }
    format!(
        "\n[evidence.{name}]\npeople = {}\ncomparisons = {}\n# Share of comparisons below, distance.\n\
         quantiles = [\n{}]\n",
        distances.people(),
        distances.comparisons(),
        quantiles
    )
}

/// A manifest's text with its evidence replaced, the rest as it was.
pub(super) fn replaced(manifest: &str, evidence: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in manifest.lines() {
        let line_trimmed = line.trim();
        if line_trimmed.starts_with('[')
            && line_trimmed.ends_with(']')
            && !line_trimmed.contains(',')
        {
            inside = line_trimmed == "[evidence]" || line_trimmed.starts_with("[evidence.");
        }
        if !inside {
            kept += line;
            kept.push('\n');
        }
    }
    format!("{}\n\n{}", kept.trim_end(), evidence.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vision::{Metric, MetricKind};

    const SPACE: Space = Space {
        model: [3; 32],
        dimension: 2,
        metric: Metric { kind: MetricKind::Euclidean, threshold: 0.5 },
    };

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn seen(person: usize, x: f32) -> Result<Seen, Box<dyn std::error::Error>> {
        let template = |x: f32| Template::new(SPACE.model, vec![x, 0.0]);
        Ok(Seen { person, enrolled: template(x)?, quality: 1.0, presented: template(x + 0.01)? })
    }

    #[test]
    fn a_picture_is_never_held_against_itself() -> Outcome {
        let seen = [seen(0, 0.0)?, seen(0, 0.2)?, seen(1, 1.0)?];
        let table = Table::new(&SPACE, &seen, 5, |_, _| false)?;
        let [strangers, residents] = table.distances(&[]);
        // The one of person 1 has no other of theirs to be held against.
        assert_eq!(residents.len(), 2);
        assert!((residents[0] - 0.19).abs() < 1e-6 && (residents[1] - 0.21).abs() < 1e-6);
        // Two of person 0 against person 1, one of person 1 against the mean of person 0.
        assert_eq!(strangers.len(), 3);
        assert!((strangers[2] - 0.91).abs() < 1e-6, "{strangers:?}");
        assert_eq!(table.distances(&[1])[0].len(), 0);
        assert_eq!(table.people(), 2);
        let related = Table::new(&SPACE, &seen, 5, |_, _| true)?;
        assert_eq!(related.distances(&[])[0].len(), 0);
        assert_eq!(related.relatives_below(0.95), Counted { hits: 2, of: 3 });
        Ok(())
    }

    /// Twelve people in a line, two pictures of each.
    fn crowd(apart: f32) -> Result<Table, Box<dyn std::error::Error>> {
        let mut all = Vec::new();
        for person in 0..12u16 {
            for picture in 0..2u16 {
                let wobble = f32::from((person * 7 + picture * 3) % 5) * 0.02;
                all.push(seen(person.into(), f32::from(person) * apart + wobble)?);
            }
        }
        Ok(Table::new(&SPACE, &all, 5, |_, _| false)?)
    }

    #[test]
    fn those_judged_had_no_part_in_the_threshold() -> Outcome {
        let mut table = crowd(1.0)?;
        table.rows.iter_mut().filter(|r| r.0 != r.1).for_each(|r| r.2 += 5.0);
        let targets = Targets { strangers_accepted: 0.05, ..Targets::default() };
        let fair = table.on_others(1, targets)?;
        assert_eq!((fair.refused.of, fair.accepted.of), (24, 12 * 11 * 2));
        let [low, high] = fair.thresholds;
        assert!(0.0 < low && low < high, "leaving somebody out must change what is derived");
        // Two who look alike narrow nothing for themselves: all others are far apart.
        table.rows.iter_mut().filter(|r| r.0 != r.1 && r.0 + r.1 == 1).for_each(|r| r.2 = 0.0);
        assert_eq!(table.on_others(1, targets)?.accepted.hits, fair.accepted.hits + 4);
        Ok(())
    }

    #[test]
    fn a_section_is_a_rising_curve_also_once_rounded() -> Outcome {
        let close = (0..200u16).map(|i| 0.5 + f32::from(i) * 2e-7).collect();
        let text = section("strangers", &Distances::measured(9, close)?);
        let value: toml::Value = toml::from_str(&text)?;
        let rows = value["evidence"]["strangers"]["quantiles"].as_array().ok_or("rows")?;
        let far = |row: &toml::Value| row[1].as_float().unwrap_or(f64::NAN);
        assert!(rows.len() > 20 && rows.windows(2).all(|w| far(&w[0]) < far(&w[1])), "{text}");
        Ok(())
    }

    #[test]
    fn a_manifest_keeps_all_but_its_evidence() {
        let before = "a = 1\n[metric]\nb = [\n  [1, 2],\n] # c\n\n[evidence]\nold = 1\n\
                      [evidence.strangers]\nq = [\n[0.1, 2]\n]\n[cohort]\nmean = [1]\n";
        let after = replaced(before, "[evidence]\nnew = 1\n");
        assert_eq!(
            after,
            "a = 1\n[metric]\nb = [\n  [1, 2],\n] # c\n\n[cohort]\nmean = [1]\n\n[evidence]\nnew = 1\n"
        );
        assert_eq!(replaced(&after, "[evidence]\nnew = 1\n"), after);
    }
}
