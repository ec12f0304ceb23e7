//! All templates at a gate, in memory, and the exact search among them.

use super::template::{Space, Template, WrongModel, squared};
use crate::domain::SubjectId;
use std::fmt;
use zeroize::Zeroize;

/// Templates by subject, several to a subject. Overwritten with zeros when dropped; `Debug` shows how
/// many there are.
pub struct Gallery {
    space: Space,
    /// The subject of each row of `values`.
    subjects: Vec<SubjectId>,
    /// Row after row of `space.dimension` numbers.
    values: Vec<f32>,
}

/// What is nearest to a template.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nearest {
    pub subject: SubjectId,
    /// In the model's own metric.
    pub distance: f32,
    /// The nearest other subject.
    pub second: Option<(SubjectId, f32)>,
}

impl Gallery {
    /// An empty gallery for one embedding model ([`super::Manifest::space`]).
    pub fn new(space: Space) -> Self {
        Self { space, subjects: Vec::new(), values: Vec::new() }
    }

    pub fn space(&self) -> &Space {
        &self.space
    }

    /// How many templates.
    pub fn len(&self) -> usize {
        self.subjects.len()
    }

    pub fn is_empty(&self) -> bool {
        self.subjects.is_empty()
    }

    pub fn add(&mut self, subject: SubjectId, template: &Template) -> Result<(), WrongModel> {
        self.space.admit(template)?;
        let needed = self.values.len() + self.space.dimension;
        if needed > self.values.capacity() {
            // Not left to `Vec`, which would free the old numbers as they are.
            let mut larger = Vec::with_capacity(needed.max(2 * self.values.capacity()));
            larger.extend_from_slice(&self.values);
            self.values.zeroize();
            self.values = larger;
        }
        self.values.extend_from_slice(template.values());
        self.subjects.push(subject);
        Ok(())
    }

    /// Removes and overwrites all of a subject's templates; says how many there were.
    pub fn remove(&mut self, subject: &SubjectId) -> usize {
        let (before, dimension) = (self.len(), self.space.dimension);
        let mut row = 0;
        while row < self.subjects.len() {
            if self.subjects[row] != *subject {
                row += 1;
                continue;
            }
            self.subjects.swap_remove(row);
            let last = self.subjects.len() * dimension;
            self.values.copy_within(last..last + dimension, row * dimension);
            self.values[last..].zeroize();
            self.values.truncate(last);
        }
        before - self.len()
    }

    /// The nearest subject and the nearest other one, by each subject's nearest template. Exact: every
    /// template is compared. `None` while the gallery is empty.
    pub fn nearest(&self, template: &Template) -> Result<Option<Nearest>, WrongModel> {
        self.space.admit(template)?;
        let mut best: Option<(SubjectId, f32)> = None;
        let mut second: Option<(SubjectId, f32)> = None;
        let rows = self.values.chunks_exact(self.space.dimension);
        for (row, subject) in rows.zip(&self.subjects) {
            let d = squared(row, template.values());
            match best {
                Some((nearest, least)) if d < least => {
                    if nearest != *subject {
                        second = best;
                    }
                    best = Some((*subject, d));
                }
                Some((nearest, _)) => {
                    if nearest != *subject && second.is_none_or(|(_, least)| d < least) {
                        second = Some((*subject, d));
                    }
                }
                None => best = Some((*subject, d)),
            }
        }
        Ok(best.map(|(subject, d)| Nearest {
            subject,
            distance: self.space.unsquare(d),
            second: second.map(|(subject, d)| (subject, self.space.unsquare(d))),
        }))
    }
}

impl Drop for Gallery {
    fn drop(&mut self) {
        self.values.zeroize();
    }
}

impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gallery({} templates)", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::super::manifest::{Metric, MetricKind};
    use super::*;
    use proptest::prelude::*;

    const SPACE: Space = Space {
        model: [1; 32],
        dimension: 19,
        metric: Metric { kind: MetricKind::Euclidean, threshold: 0.5 },
    };

    fn id(n: u8) -> SubjectId {
        SubjectId([n; 16])
    }

    fn template(values: &[i16]) -> Template {
        let values = values.iter().map(|v| f32::from(*v)).collect();
        Template::new(SPACE.model, values).unwrap_or_else(|e| panic!("{e}"))
    }

    /// The definition, spelled out with whole numbers, which f32 holds exactly.
    fn brute(rows: &[(u8, Vec<i16>)], probe: &[i16]) -> Vec<(u8, i64)> {
        let distance = |row: &[i16]| -> i64 {
            row.iter().zip(probe).map(|(a, b)| (i64::from(*a) - i64::from(*b)).pow(2)).sum()
        };
        let mut subjects: Vec<u8> = rows.iter().map(|(s, _)| *s).collect();
        subjects.sort();
        subjects.dedup();
        let least = |s: &u8| rows.iter().filter(|(o, _)| o == s).map(|(_, r)| distance(r)).min();
        let mut all: Vec<_> = subjects.iter().filter_map(|s| Some((*s, least(s)?))).collect();
        all.sort_by_key(|(_, d)| *d);
        all
    }

    fn row() -> impl Strategy<Value = Vec<i16>> {
        prop::collection::vec(-50i16..50, SPACE.dimension)
    }

    proptest! {
        #[test]
        fn the_search_is_exact(
            rows in prop::collection::vec((0u8..6, row()), 0..40), probe in row(), gone in 0u8..6,
        ) {
            let mut gallery = Gallery::new(SPACE);
            for (subject, row) in &rows {
                gallery.add(id(*subject), &template(row))?;
            }
            let removed = gallery.remove(&id(gone));
            prop_assert_eq!(removed, rows.iter().filter(|(s, _)| *s == gone).count());
            let rows: Vec<_> = rows.into_iter().filter(|(s, _)| *s != gone).collect();
            let expected = brute(&rows, &probe);
            let found = gallery.nearest(&template(&probe))?;
            prop_assert_eq!(found.is_some(), !expected.is_empty());
            if let Some(found) = found {
                let root = |d: i64| (d as f32).sqrt();
                prop_assert_eq!(found.distance, root(expected[0].1));
                prop_assert_eq!(found.second.map(|s| s.1), expected.get(1).map(|e| root(e.1)));
                prop_assert!(found.second.is_none_or(|s| s.0 != found.subject));
                let ties = expected.iter().filter(|e| e.1 == expected[0].1).count();
                prop_assert!(ties > 1 || found.subject == id(expected[0].0));
            }
        }
    }

    #[test]
    fn another_models_template_is_refused() -> Result<(), Box<dyn std::error::Error>> {
        let mut gallery = Gallery::new(SPACE);
        let other = Template::new([2; 32], vec![0.0; 19])?;
        assert_eq!(gallery.add(id(1), &other), Err(WrongModel));
        assert_eq!(gallery.nearest(&other), Err(WrongModel));
        let short = Template::new(SPACE.model, vec![0.0; 18])?;
        assert_eq!(gallery.add(id(1), &short), Err(WrongModel));
        assert!(gallery.is_empty());
        Ok(())
    }
}
