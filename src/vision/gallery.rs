//! All templates at a gate, in memory, and the exact search among them.

mod rows;

use super::fusion::Cohort;
use super::template::{Space, Template, WrongModel, squared};
use crate::domain::SubjectId;
use rows::{Block, Query, ROWS, Scratch};
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

/// Templates by subject, several to a subject. Overwritten with zeros when dropped; `Debug` shows how
/// many there are.
///
/// One owner changes and searches it in turns. Adding and removing take microseconds whatever the
/// gallery's size, so no search waits for an enrolment.
pub struct Gallery {
    space: Space,
    cohort: Option<Cohort>,
    /// The subject of each row.
    subjects: Vec<SubjectId>,
    /// All full but the last.
    blocks: Vec<Block>,
    /// Each subject's rows.
    rows_of: HashMap<SubjectId, Vec<usize>>,
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

/// The best two subjects so far, by squared distance.
#[derive(Default)]
struct BestTwo {
    first: Option<(SubjectId, f32)>,
    second: Option<(SubjectId, f32)>,
}

impl BestTwo {
    fn offer(&mut self, subject: SubjectId, d: f32) {
        match self.first {
            Some((nearest, least)) if d < least => {
                if nearest != subject {
                    self.second = self.first;
                }
                self.first = Some((subject, d));
            }
            Some((nearest, _)) => {
                if nearest != subject && self.second.is_none_or(|(_, least)| d < least) {
                    self.second = Some((subject, d));
                }
            }
            None => self.first = Some((subject, d)),
        }
    }

    /// What is farther than this changes nothing.
    fn limit(&self) -> f32 {
        self.second.map_or(f32::INFINITY, |(_, d)| d)
    }

    fn nearest(&self, space: &Space) -> Option<Nearest> {
        let (subject, d) = self.first?;
        let second = self.second.map(|(subject, d)| (subject, space.unsquare(d)));
        Some(Nearest { subject, distance: space.unsquare(d), second })
    }
}

impl Gallery {
    /// An empty gallery for one embedding model ([`super::Manifest::space`]).
    pub fn new(space: Space) -> Self {
        let (subjects, blocks, rows_of) = (Vec::new(), Vec::new(), HashMap::new());
        Self { space, cohort: None, subjects, blocks, rows_of }
    }

    /// As [`Gallery::new`]; templates are centred by a cohort when they are added and when they are looked
    /// for, so distances are those between centred ones.
    pub fn centred(space: Space, cohort: Cohort) -> Self {
        Self { cohort: Some(cohort), ..Self::new(space) }
    }

    /// As it is compared here. A template that can't be centred is the cohort's own mean: nobody's.
    fn compared<'a>(&self, template: &'a Template) -> Result<Cow<'a, Template>, WrongModel> {
        self.space.admit(template)?;
        match &self.cohort {
            Some(cohort) => cohort.centre(template).map(Cow::Owned).map_err(|_| WrongModel),
            None => Ok(Cow::Borrowed(template)),
        }
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

    /// How many subjects have a template.
    pub fn subjects(&self) -> usize {
        self.rows_of.len()
    }

    /// How many of them aren't in another gallery.
    pub fn subjects_but(&self, other: &Gallery) -> usize {
        self.rows_of.keys().filter(|subject| !other.rows_of.contains_key(subject)).count()
    }

    /// How many templates a subject has.
    pub fn templates(&self, subject: &SubjectId) -> usize {
        self.rows_of.get(subject).map_or(0, Vec::len)
    }

    pub fn add(&mut self, subject: SubjectId, template: &Template) -> Result<(), WrongModel> {
        let template = self.compared(template)?;
        if self.blocks.last().is_none_or(Block::is_full) {
            self.blocks.push(Block::new(self.space.dimension));
        }
        if let Some(block) = self.blocks.last_mut() {
            block.push(template.values());
            self.rows_of.entry(subject).or_default().push(self.subjects.len());
            self.subjects.push(subject);
        }
        Ok(())
    }

    /// Removes and overwrites all of a subject's templates; says how many there were.
    pub fn remove(&mut self, subject: &SubjectId) -> usize {
        let mut rows = self.rows_of.remove(subject).unwrap_or_default();
        let count = rows.len();
        // From the last on, so that no row yet to go is moved.
        rows.sort_unstable();
        rows.into_iter().rev().for_each(|row| self.remove_row(row));
        count
    }

    /// Puts the last row in the place of this one.
    fn remove_row(&mut self, row: usize) {
        let Some(mut last_block) = self.blocks.pop() else { return };
        let last = self.subjects.len() - 1;
        match self.blocks.get_mut(row / ROWS) {
            Some(block) => {
                block.replace(row % ROWS, last_block.row(last % ROWS));
                last_block.pop_into(last % ROWS);
            }
            None => last_block.pop_into(row % ROWS),
        }
        if !last_block.is_empty() {
            self.blocks.push(last_block);
        }
        let moved = self.subjects[last];
        self.subjects.swap_remove(row);
        if let Some(rows) = self.rows_of.get_mut(&moved) {
            rows.iter_mut().filter(|r| **r == last).for_each(|r| *r = row);
        }
    }

    /// The nearest subject and the nearest other one, by each subject's nearest template. Exact: the
    /// answer of comparing every template. `None` while the gallery is empty.
    pub fn nearest(&self, template: &Template) -> Result<Option<Nearest>, WrongModel> {
        let query = Query::new(self.compared(template)?.values());
        let (mut best, mut scratch) = (BestTwo::default(), Scratch::new());
        let mut limit = best.limit();
        for (block, subjects) in self.blocks.iter().zip(self.subjects.chunks(ROWS)) {
            limit = block.scan(&query, &mut scratch, limit, |row, values| {
                if let Some(subject) = subjects.get(row) {
                    best.offer(*subject, squared(values, query.values()));
                }
                best.limit()
            });
        }
        Ok(best.nearest(&self.space))
    }

    /// As [`Gallery::nearest`] among these subjects alone: who claims to be one of a flat's residents is
    /// compared with them and nobody else.
    pub fn nearest_among(
        &self,
        candidates: &[SubjectId],
        template: &Template,
    ) -> Result<Option<Nearest>, WrongModel> {
        let template = self.compared(template)?;
        let mut best = BestTwo::default();
        for subject in candidates {
            for row in self.rows_of.get(subject).into_iter().flatten() {
                best.offer(*subject, squared(self.row(*row), template.values()));
            }
        }
        Ok(best.nearest(&self.space))
    }

    /// Others nearer than `distance`, in the metric's own unit, to one of a subject's templates, the nearest
    /// first: who would be taken for whom. For enrolment, where there is time.
    pub fn look_alikes(&self, subject: &SubjectId, distance: f32) -> Vec<(SubjectId, f32)> {
        let mut found: HashMap<SubjectId, f32> = HashMap::new();
        let mut scratch = Scratch::new();
        let limit = self.space.square(distance);
        for row in self.rows_of.get(subject).into_iter().flatten() {
            let query = Query::new(self.row(*row));
            for (block, subjects) in self.blocks.iter().zip(self.subjects.chunks(ROWS)) {
                block.scan(&query, &mut scratch, limit, |row, values| {
                    let d = squared(values, query.values());
                    if let Some(other) = subjects.get(row).filter(|o| *o != subject && d < limit) {
                        let least = found.entry(*other).or_insert(d);
                        *least = least.min(d);
                    }
                    limit
                });
            }
        }
        let mut found: Vec<_> =
            found.into_iter().map(|(other, d)| (other, self.space.unsquare(d))).collect();
        found.sort_by(|a, b| a.1.total_cmp(&b.1));
        found
    }

    fn row(&self, row: usize) -> &[f32] {
        self.blocks[row / ROWS].row(row % ROWS)
    }
}

impl fmt::Debug for Gallery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Gallery({} templates)", self.len())
    }
}

#[cfg(test)]
mod tests;
