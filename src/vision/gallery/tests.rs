use super::rows::{Block, Query, Scratch};
use super::*;
use crate::vision::manifest::{Metric, MetricKind};
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

/// Numbers that look random and are the same each time (SplitMix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Within 1 of 0, thick in the middle.
    fn bell(&mut self) -> f32 {
        (0..4).map(|_| (self.next() >> 40) as f32 / 8_388_608.0 - 1.0).sum::<f32>() / 4.0
    }

    fn around(&mut self, centre: &[f32], spread: f32) -> Vec<f32> {
        centre.iter().map(|c| c + spread * self.bell()).collect()
    }
}

fn floats(values: Vec<f32>) -> Template {
    Template::new(SPACE.model, values).unwrap_or_else(|e| panic!("{e}"))
}

/// Adding, removing and searching by turns over several blocks gives at each turn what comparing
/// everything with `squared` gives, to the last bit, whatever the numbers' size.
#[test]
fn pruning_changes_no_answer() -> Result<(), WrongModel> {
    for (seed, size) in [(1, 1.0), (2, 1e-18), (3, 1e-25), (4, 1e15), (5, 1e18), (6, 1e25)] {
        let mut dice = Dice(seed);
        let mut gallery = Gallery::new(SPACE);
        let mut all: Vec<(u8, Vec<f32>)> = Vec::new();
        let people: Vec<_> =
            (0..60).map(|_| dice.around(&[0.3 * size; SPACE.dimension], size)).collect();
        // Two blocks' worth, for one of the sizes.
        for turn in 0..if seed == 1 { 20_000 } else { 4_000 } {
            let n = (dice.next() % 60) as u8;
            let mut values = dice.around(&people[usize::from(n)], 0.4 * size);
            // Now and then one number dwarfs the rest, and rounding to a byte keeps little of them.
            if turn % 50 == 0 {
                values[turn % SPACE.dimension] *= 300.0;
            }
            gallery.add(id(n), &floats(values.clone()))?;
            all.push((n, values));
            if turn % 2_000 == 1_999 {
                let gone = (dice.next() % 60) as u8;
                let had = all.iter().filter(|(n, _)| *n == gone).count();
                assert_eq!(gallery.remove(&id(gone)), had);
                all.retain(|(n, _)| *n != gone);
                assert_eq!(gallery.len(), all.len());
            }
            if turn % 97 != 0 {
                continue;
            }
            let probe = dice.around(&people[usize::from(n)], 0.4 * size);
            let mut expected: HashMap<u8, f32> = HashMap::new();
            for (n, values) in &all {
                let least = expected.entry(*n).or_insert(f32::INFINITY);
                *least = least.min(squared(values, &probe));
            }
            let mut expected: Vec<_> = expected.into_values().map(f32::sqrt).collect();
            expected.sort_by(f32::total_cmp);
            let found = gallery.nearest(&floats(probe))?;
            let found = found.map(|f| (f.distance, f.second.map(|s| s.1)));
            let expected = expected.first().map(|d| (*d, expected.get(1).copied()));
            assert_eq!(found, expected, "size {size}, turn {turn}");
        }
        assert_eq!(gallery.subjects(), gallery.rows_of.values().filter(|r| !r.is_empty()).count());
    }
    Ok(())
}

/// Rounding to a byte must rule out nearly all rows, or the search is no faster than a plain one.
#[test]
fn few_rows_are_looked_at_twice() {
    let mut dice = Dice(9);
    let mut block = Block::new(128);
    for _ in 0..1000 {
        let values = dice.around(&[0.1; 128], 0.5);
        block.push(&values);
    }
    let near = dice.around(block.row(700), 0.05);
    let mut looked = Vec::new();
    block.scan(&Query::new(&near), &mut Scratch::new(), 0.3, |row, values| {
        looked.push(row);
        squared(values, &near)
    });
    assert_eq!(looked, [700]);
}

#[test]
fn a_claim_is_compared_with_its_candidates_alone() -> Result<(), WrongModel> {
    let mut gallery = Gallery::new(SPACE);
    for n in 0..9 {
        gallery.add(id(n), &template(&[i16::from(n); 19]))?;
        gallery.add(id(n), &template(&[100 + i16::from(n); 19]))?;
    }
    gallery.remove(&id(0));
    let probe = template(&[3; 19]);
    let found = gallery.nearest_among(&[id(5), id(7), id(4), id(77)], &probe)?;
    let root = 19f32.sqrt();
    let expected = Nearest { subject: id(4), distance: root, second: Some((id(5), 2.0 * root)) };
    assert_eq!(found, Some(expected));
    assert_eq!(gallery.nearest_among(&[id(0)], &probe)?, None);
    Ok(())
}

#[test]
fn look_alikes_are_found_at_enrolment() -> Result<(), WrongModel> {
    let mut gallery = Gallery::new(SPACE);
    for (n, values) in [(1, [0; 19]), (2, [1; 19]), (3, [9; 19]), (4, [-2; 19]), (1, [8; 19])] {
        gallery.add(id(n), &template(&values))?;
    }
    let root = 19f32.sqrt();
    // 1 and 2 are one root apart, 1 (its second template) and 3 too, 1 and 4 two.
    let mut near = gallery.look_alikes(&id(1), 1.5 * root);
    near.sort_by_key(|n| n.0);
    assert_eq!(near, [(id(2), root), (id(3), root)]);
    assert_eq!(gallery.look_alikes(&id(1), 2.5 * root).last(), Some(&(id(4), 2.0 * root)));
    assert_eq!(gallery.look_alikes(&id(3), 0.9 * root), []);
    assert_eq!(gallery.look_alikes(&id(9), 99.0), []);
    Ok(())
}

#[test]
fn a_centred_gallery_compares_directions_from_the_cohorts_mean()
-> Result<(), Box<dyn std::error::Error>> {
    let (mut centre, mut far, mut there) = ([0i16; 19], [0i16; 19], [0i16; 19]);
    (centre[0], far[0], there[0]) = (10, 10, 10);
    (far[1], there[1]) = (7, 2);
    let cohort = Cohort::new(50, centre.iter().map(|v| f32::from(*v)).collect())?;
    let mut gallery = Gallery::centred(SPACE, cohort);
    gallery.add(id(1), &template(&far))?;
    let found = gallery.nearest(&template(&there))?;
    assert_eq!(found.map(|f| f.distance), Some(0.0));
    assert_eq!(gallery.nearest(&template(&centre)), Err(WrongModel));
    Ok(())
}
