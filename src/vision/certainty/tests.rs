use super::*;
use crate::vision::share::bounds;
use proptest::prelude::*;

/// Normal numbers, the same each time.
struct Dice(u64);

impl Dice {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn normal(&mut self, mean: f64, deviation: f64) -> f64 {
        let radius = (-2.0 * (1.0 - self.uniform()).ln()).sqrt();
        mean + deviation * radius * (2.0 * std::f64::consts::PI * self.uniform()).cos()
    }

    fn distances(&mut self, count: usize, mean: f64, deviation: f64) -> Vec<f32> {
        (0..count).map(|_| self.normal(mean, deviation).abs() as f32).collect()
    }
}

fn drawn(seed: u64, count: usize, mean: f64, deviation: f64) -> Distances {
    let distances = Dice(seed).distances(count, mean, deviation);
    // Each comparison is of people of its own.
    Distances::measured(count as u32, distances).unwrap_or_else(|e| panic!("{e}"))
}

/// As far apart as fused templates of a good model.
fn strangers() -> Distances {
    drawn(1, 20_000, 0.80, 0.09)
}

fn residents() -> Distances {
    drawn(2, 2_000, 0.26, 0.06)
}

/// A made-up world of distances between strangers: shares of normal curves, with their means and deviations.
struct World(&'static str, &'static [(f64, f64, f64)]);

const WORLDS: [World; 3] = [
    World("normal", &[(1.0, 0.80, 0.09)]),
    World("heavy-tailed", &[(0.8, 0.80, 0.085), (0.2, 0.80, 0.105)]),
    World("with relatives", &[(0.98, 0.80, 0.09), (0.02, 0.65, 0.09)]),
];

impl World {
    fn drawn(&self, dice: &mut Dice, count: usize) -> Distances {
        let mut one = || {
            let mut left = dice.uniform();
            let is_it = |part: &&(f64, f64, f64)| {
                left -= part.0;
                left < 0.0
            };
            let (_, mean, deviation) = self.1.iter().find(is_it).unwrap_or(&self.1[0]);
            dice.normal(*mean, *deviation).abs() as f32
        };
        let distances = (0..count).map(|_| one()).collect();
        Distances::measured(count as u32, distances).unwrap_or_else(|e| panic!("{e}"))
    }

    fn share_below(&self, distance: f64) -> f64 {
        self.1.iter().map(|(share, m, d)| share * normal_below((distance - m) / d)).sum()
    }
}

/// Of a hundred thresholds derived, no more than five may let more strangers through than the target: whatever the
/// curve is like, and however few were compared.
#[test]
fn the_threshold_keeps_its_promise_in_made_up_worlds() {
    let mut dice = Dice(99);
    for world in &WORLDS {
        for (count, worlds) in [(10usize, 400u64), (40, 600), (200, 400), (20_000, 200)] {
            let (mut kept, mut sum) = ([0u64; 3], [0.0; 3]);
            for _ in 0..worlds {
                let known = world.drawn(&mut dice, count);
                for (i, gallery) in [100u64, 500, 2_000].into_iter().enumerate() {
                    let limit = f64::from(threshold(&known, gallery, Targets::default()));
                    let share = if limit > 0.0 { world.share_below(limit) } else { 0.0 };
                    kept[i] += u64::from(share <= each_of(0.01, gallery));
                    sum[i] += limit;
                }
            }
            let World(name, _) = world;
            let mean = sum.map(|s| s / worlds as f64);
            println!("{name:>15}{count:>7}: kept {kept:?} of {worlds}, thresholds {mean:.3?}");
            assert!(kept.iter().all(|k| k * 100 >= worlds * 95), "{name}, {count}: {kept:?}");
            // Nor is everybody refused: a resident's face is at 0.26 or so.
            let least = match count {
                10 => [0.06, 0.02, 0.0],
                40 => [0.29, 0.23, 0.18],
                200 => [0.31, 0.25, 0.20],
                _ => [0.36, 0.29, 0.22],
            };
            assert!(mean.iter().zip(least).all(|(m, l)| *m >= l), "{name}, {count}: {mean:?}");
        }
    }
}

/// Strangers presented to galleries of the usual sizes, one by one.
#[test]
fn the_threshold_keeps_its_promise_on_others() {
    let mut dice = Dice(99);
    let (strangers, residents) = (strangers(), residents());
    for gallery in [100u64, 500, 1_000] {
        let terms = terms(&strangers, &residents, gallery, Targets::default());
        assert!(!terms.claim_needed && terms.compared == gallery, "{terms:?}");
        let trials = 2_000_000 / gallery;
        let near = |dice: &mut Dice| (dice.normal(0.80, 0.09) as f32) < terms.threshold;
        let accepted = (0..trials).filter(|_| (0..gallery).any(|_| near(&mut dice))).count() as u64;
        let (low, high) = bounds(accepted, trials, 0.999);
        assert!(low <= 0.01 && high >= 0.001, "{accepted} of {trials} at {gallery}");
        let refused = (0..20_000)
            .filter(|_| dice.normal(0.26, 0.06) as f32 >= terms.threshold)
            .count() as u64;
        assert!(bounds(refused, 20_000, 0.999).0 <= terms.residents_refused.at_most);
        assert!(terms.residents_refused.share <= 0.05);
        assert!(terms.strangers_accepted.at_most <= 0.010_1, "{terms:?}");
        // A gallery of 500 wants one in 50,000; 20,000 comparisons don't show that, and it says so.
        assert!(terms.strangers_accepted.extrapolated);
        assert!(terms.strangers_accepted.at_most >= terms.strangers_accepted.share);
    }
}

#[test]
fn beyond_the_supported_size_only_a_claim_is_compared() {
    // Residents so spread that the targets hold for few.
    let (strangers, residents) = (strangers(), drawn(3, 2_000, 0.35, 0.09));
    let supported = supported(&strangers, &residents, Targets::default());
    assert!((2..500).contains(&supported), "{supported}");
    let at = terms(&strangers, &residents, supported, Targets::default());
    assert!(!at.claim_needed && at.residents_refused.share <= 0.05 + 1e-6, "{at:?}");
    let beyond = terms(&strangers, &residents, supported + 1, Targets::default());
    assert!(beyond.claim_needed && beyond.compared == MAX_CLAIMED, "{beyond:?}");
    assert!(beyond.threshold > at.threshold, "fewer are compared, so more may match");
    assert_eq!((at.supported, beyond.supported), (supported, supported));
    // Hopeless residents: nothing is supported, and a claim is all there is.
    let none = terms(&strangers, &drawn(4, 2_000, 0.8, 0.09), 3, Targets::default());
    assert!(none.claim_needed && none.supported == 0 && none.compared == 3, "{none:?}");
}

/// Few people, all compared with each other: in made-up worlds the bound must hold about as often as it says.
#[test]
fn the_bound_holds_in_worlds_of_few_people() {
    let mut dice = Dice(5);
    let (mut held, worlds) = (0, 200);
    for _ in 0..worlds {
        // Twelve people in 30 dimensions: 66 pairs that share their ends.
        let spread = (0.8f64 * 0.8 / 60.0).sqrt();
        let person = |dice: &mut Dice| [0; 30].map(|_| dice.normal(0.0, spread));
        let people: Vec<_> = (0..12).map(|_| person(&mut dice)).collect();
        let far = |a: &[f64; 30], b: &[f64; 30]| {
            a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt() as f32
        };
        let mut all = Vec::new();
        for (i, a) in people.iter().enumerate() {
            all.extend(people.iter().skip(i + 1).map(|b| far(a, b)));
        }
        let few = Distances::measured(12, all).unwrap_or_else(|e| panic!("{e}"));
        // What one comparison in 500 should let through at most, on others from the same world.
        let limit = few.surely(0.002) as f32;
        let mut through = 0;
        for _ in 0..2_000 {
            through += u64::from(far(&person(&mut dice), &person(&mut dice)) < limit);
        }
        held += u64::from(bounds(through, 2_000, 0.95).0 <= 0.002);
    }
    assert!(held >= worlds * 93 / 100, "{held} of {worlds}");
}

#[test]
fn refusing_everybody_shows() {
    let strict = Targets { strangers_accepted: 1e-9, ..Targets::default() };
    let terms = terms(&strangers(), &drawn(3, 2_000, 0.5, 0.09), 1_000, strict);
    assert!(terms.residents_refused.share > 0.9 && terms.claim_needed, "{terms:?}");
}

#[test]
fn what_is_no_distribution_is_refused() {
    let q = |shares: &[f64]| shares.iter().map(|s| (*s, *s)).collect::<Vec<_>>();
    assert_eq!(Distances::new(9, 100, q(&[0.1, 0.5])), Err(BadDistances::Count));
    assert_eq!(Distances::new(9, 100, q(&[0.1, 0.5, 0.4])), Err(BadDistances::Order));
    assert_eq!(Distances::new(9, 100, q(&[0.0, 0.5, 0.6])), Err(BadDistances::Order));
    assert_eq!(Distances::new(9, 100, q(&[0.1, 0.5, f64::NAN])), Err(BadDistances::Order));
    assert_eq!(Distances::new(9, 100, q(&[0.001, 0.5, 0.6])), Err(BadDistances::Unfounded));
    let absurd = Distances::new(9, 9_000_000_000_000_000_000, q(&[0.1, 0.5, 0.6]));
    assert_eq!(absurd, Err(BadDistances::TooMany));
    assert_eq!(Distances::measured(9, vec![0.5; 500]), Err(BadDistances::Count));
    assert_eq!(Distances::measured(0, vec![]), Err(BadDistances::Count));
    assert!(Distances::measured(3, vec![f32::NAN, 0.1, 0.2, 0.3]).is_ok());
}

proptest! {
    #[test]
    fn more_distance_is_more_share_and_back(share in 1e-9f64..0.999, other in 1e-9f64..0.999) {
        let strangers = strangers();
        let distance = strangers.distance_at(share);
        prop_assert!((strangers.share_below(distance) / share - 1.0).abs() < 1e-3);
        let further = strangers.distance_at(other);
        prop_assert_eq!(share < other, distance < further);
    }

    /// A larger gallery is never promised more than a smaller one.
    #[test]
    fn terms_only_tighten_with_size(a in 1u64..3_000, b in 1u64..3_000) {
        let (strangers, residents) = (strangers(), residents());
        let at = |n| terms(&strangers, &residents, n, Targets::default());
        let (small, large) = (at(a.min(b)), at(a.max(b)));
        prop_assert!(large.claim_needed || large.threshold <= small.threshold);
        prop_assert!(small.claim_needed <= large.claim_needed);
    }
}
