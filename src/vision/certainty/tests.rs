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

/// People who had no part in the derivation, presented to galleries of the sizes.
#[test]
fn the_threshold_keeps_its_promise_on_others() {
    let mut dice = Dice(99);
    let (strangers, residents) = (strangers(), residents());
    for gallery in [100u64, 500, 2_000] {
        let terms = terms(&strangers, &residents, gallery, Targets::default());
        assert!(!terms.claim_needed && terms.compared == gallery, "{terms:?}");
        let trials = 2_000_000 / gallery;
        let near = |dice: &mut Dice| (dice.normal(0.80, 0.09) as f32) < terms.threshold;
        let accepted = (0..trials).filter(|_| (0..gallery).any(|_| near(&mut dice))).count() as u64;
        let (low, high) = bounds(accepted, trials, 0.999);
        // The curve itself was estimated from 20,000: a factor of two is what that leaves open.
        assert!(low <= 0.02 && high >= 0.003, "{accepted} of {trials} at {gallery}");
        let refused = (0..20_000)
            .filter(|_| dice.normal(0.26, 0.06) as f32 >= terms.threshold)
            .count() as u64;
        assert!(bounds(refused, 20_000, 0.999).0 <= terms.residents_refused.at_most);
        assert!(terms.residents_refused.share <= 0.05);
        assert!(terms.strangers_accepted.at_most <= 0.010_1, "{terms:?}");
        // A gallery of 2000 wants one in 200,000; 20,000 comparisons don't show that, and it says so.
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
        let limit = few.distance_at(few.surely(0.002)) as f32;
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
