//! What is known of certainty from people's pictures: presentations held against enrolments, with nobody judged
//! by a threshold that they had a part in.

use crate::vision::share::bounds;
use crate::vision::{
    BadDistances, Distances, Space, Targets, Template, WrongModel, fuse, supported, threshold,
};

/// Of so many people each one and each two are left out in turn; of more, each and each two of so many groups: the
/// work grows with the square of it.
const ONE_BY_ONE: usize = 40;
const GROUPS: usize = 20;

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
        let mut of: Vec<Vec<usize>> = vec![Vec::new(); people];
        for (number, one) in seen.iter().enumerate() {
            of[one.person].push(number);
        }
        let enrolled = |person: usize, but: Option<usize>| {
            let others = of[person].iter().filter(|number| Some(**number) != but).take(templates);
            let of: Vec<_> =
                others.map(|n| (seen[*n].enrolled.clone(), seen[*n].quality)).collect();
            fuse(space, &of)
        };
        let everybody: Vec<_> = (0..people).map(|person| enrolled(person, None)).collect();
        let (mut rows, mut relatives) = (Vec::new(), Vec::new());
        for (number, one) in seen.iter().enumerate() {
            let own = enrolled(one.person, Some(number));
            for (person, other) in everybody.iter().enumerate() {
                let other = if person == one.person { &own } else { other };
                let Some(enrolled) = other else { continue };
                let distance = space.distance(&one.presented, enrolled)?;
                if one.person != person && related(one.person, person) {
                    relatives.push(distance);
                } else {
                    rows.push((one.person, person, distance));
                }
            }
        }
        Ok(Self::of(people, rows, relatives))
    }

    /// Without pictures: of each person the templates that are enrolled. Strangers are compared as they are at the
    /// gate, `frames` fused against everybody's enrolment; people with themselves by halves of what is enrolled,
    /// because nothing else is known of them.
    pub fn of_enrolled(
        space: &Space,
        people: &[Vec<Template>],
        frames: usize,
        templates: usize,
    ) -> Result<Self, WrongModel> {
        let fused = |of: &[Template]| {
            let of: Vec<_> = of.iter().map(|template| (template.clone(), 1.0)).collect();
            fuse(space, &of)
        };
        let first = |of: &Vec<Template>, count: usize| fused(of.get(..count).unwrap_or(of));
        let everybody: Vec<_> = people.iter().map(|of| first(of, templates)).collect();
        let mut rows = Vec::new();
        for (person, of) in people.iter().enumerate() {
            if let Some(presented) = first(of, frames).filter(|_| of.len() >= frames) {
                for (other, enrolled) in everybody.iter().enumerate() {
                    let Some(enrolled) = enrolled.as_ref().filter(|_| other != person) else {
                        continue;
                    };
                    rows.push((person, other, space.distance(&presented, enrolled)?));
                }
            }
            let mut of = of.get(..templates).unwrap_or(of).to_vec();
            for _ in 0..of.len() {
                of.rotate_left(1);
                let (some, rest) = of.split_at(of.len() / 2);
                let Some((some, rest)) = fused(some).zip(fused(rest)) else { continue };
                rows.push((person, person, space.distance(&some, &rest)?));
            }
        }
        Ok(Self::of(people.len(), rows, Vec::new()))
    }

    fn of(people: usize, mut rows: Vec<(usize, usize, f32)>, relatives: Vec<f32>) -> Self {
        // In order, so that what is derived from a part of them has nothing left to sort.
        rows.sort_by(|a, b| a.2.total_cmp(&b.2));
        Self { people, rows, relatives }
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
    pub fn distances(&self, without: impl Fn(usize) -> bool) -> [Vec<f32>; 2] {
        let kept = || self.rows.iter().filter(|(a, b, _)| !without(*a) && !without(*b));
        [false, true].map(|own| kept().filter(|r| (r.0 == r.1) == own).map(|r| r.2).collect())
    }

    /// The two curves of a manifest's evidence, without some people.
    pub fn derive(&self, without: impl Fn(usize) -> bool) -> Result<[Distances; 2], BadDistances> {
        let people = |own: bool| {
            let mut who = vec![false; self.people];
            for (a, b, _) in &self.rows {
                who[*a] |= (a == b) == own && !without(*a) && !without(*b);
            }
            who.iter().filter(|took_part| **took_part).count() as u32
        };
        let [strangers, residents] = self.distances(&without);
        let strangers = Distances::measured(people(false), strangers)?;
        Ok([strangers, Distances::measured(people(true), residents)?])
    }

    /// For each two groups of people, thresholds for galleries of these sizes from all others; then these as
    /// strangers to each other, and each as residents at the thresholds derived without them. A group is one
    /// person, or of more than [`ONE_BY_ONE`] people a twentieth.
    pub fn on_others(
        &self,
        galleries: &[u64],
        targets: Targets,
    ) -> Result<Vec<OnOthers>, BadDistances> {
        let groups = if self.people > ONE_BY_ONE { GROUPS } else { self.people };
        let group = |person: usize| person % groups.max(1);
        // Who is to be judged once a pair of groups has been left out.
        let mut by_groups: Vec<Vec<(bool, f32)>> = vec![Vec::new(); groups * groups];
        for (a, b, distance) in &self.rows {
            let (low, high) = (group(*a).min(group(*b)), group(*a).max(group(*b)));
            by_groups[low * groups + high].push((a == b, *distance));
        }
        let empty = |gallery: &u64| OnOthers {
            gallery: *gallery,
            thresholds: [f32::INFINITY, 0.0],
            accepted: Counted::default(),
            refused: Counted::default(),
            supported: u64::MAX,
        };
        let mut all: Vec<_> = galleries.iter().map(empty).collect();
        for low in 0..groups {
            for high in low..groups {
                let left_out = |person: usize| group(person) == low || group(person) == high;
                let [strangers, residents] = self.derive(left_out)?;
                for found in &mut all {
                    let limit = threshold(&strangers, found.gallery, targets);
                    let [lowest, highest] = found.thresholds;
                    found.thresholds = [lowest.min(limit), highest.max(limit)];
                    found.supported =
                        found.supported.min(supported(&strangers, &residents, targets));
                    for (own, distance) in &by_groups[low * groups + high] {
                        match own {
                            true => found.refused.add(*distance >= limit),
                            false => found.accepted.add(*distance < limit),
                        }
                    }
                }
            }
        }
        Ok(all)
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
        let [strangers, residents] = table.distances(|_| false);
        // The one of person 1 has no other of theirs to be held against.
        assert_eq!(residents.len(), 2);
        assert!((residents[0] - 0.19).abs() < 1e-6 && (residents[1] - 0.21).abs() < 1e-6);
        // Two of person 0 against person 1, one of person 1 against the mean of person 0.
        assert_eq!(strangers.len(), 3);
        assert!((strangers[1] - 0.91).abs() < 1e-6, "{strangers:?}");
        assert_eq!(table.distances(|p| p == 1)[0].len(), 0);
        assert_eq!(table.people(), 2);
        let related = Table::new(&SPACE, &seen, 5, |_, _| true)?;
        assert_eq!(related.distances(|_| false)[0].len(), 0);
        assert_eq!(related.relatives_below(0.95), Counted { hits: 2, of: 3 });
        Ok(())
    }

    /// Twelve people in a line, two pictures of each.
    fn crowd(apart: f32) -> Result<Table, Box<dyn std::error::Error>> {
        crowd_of(12, apart)
    }

    fn crowd_of(people: u16, apart: f32) -> Result<Table, Box<dyn std::error::Error>> {
        let mut all = Vec::new();
        for person in 0..people {
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
        let only = |found: Vec<OnOthers>| found.into_iter().next().ok_or("none");
        let fair = only(table.on_others(&[1], targets)?)?;
        assert_eq!((fair.refused.of, fair.accepted.of), (24, 12 * 11 * 2));
        let [low, high] = fair.thresholds;
        assert!(0.0 < low && low < high, "leaving somebody out must change what is derived");
        // Two who look alike narrow nothing for themselves: all others are far apart.
        table.rows.iter_mut().filter(|r| r.0 != r.1 && r.0 + r.1 == 1).for_each(|r| r.2 = 0.0);
        let alike = only(table.on_others(&[1], targets)?)?;
        assert_eq!(alike.accepted.hits, fair.accepted.hits + 4);
        Ok(())
    }

    #[test]
    fn enrolled_people_are_compared_as_a_gate_would() -> Outcome {
        let template = |x: f32| Template::new(SPACE.model, vec![x, 0.0]);
        let ann = vec![template(0.0)?, template(0.2)?, template(0.4)?];
        let people = [ann, vec![template(1.0)?]];
        let table = Table::of_enrolled(&SPACE, &people, 2, 5)?;
        let [strangers, residents] = table.distances(|_| false);
        // Two of Ann's fused against Bob; Bob has too few to come as a stranger.
        assert_eq!(strangers.len(), 1);
        assert!((strangers[0] - 0.9).abs() < 1e-6, "{strangers:?}");
        // Each one of Ann's against the other two, and nothing of Bob.
        assert_eq!(residents.len(), 3);
        assert!(residents.iter().zip([0.0, 0.3, 0.3]).all(|(d, w)| (d - w).abs() < 1e-6));
        Ok(())
    }

    /// As many as a gate may have: everybody is judged once, in groups.
    #[test]
    fn of_many_people_groups_are_left_out_and_nobody_is_forgotten() -> Outcome {
        let table = crowd_of(100, 1.0)?;
        let judged = table.on_others(&[1, 500], Targets::default())?;
        for found in judged {
            assert_eq!((found.refused.of, found.accepted.of), (200, 100 * 99 * 2));
        }
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
