//! Shares and what a count can show of them: exact bounds of a proportion, and the normal curve's tails.
//! Numbers in, numbers out.

/// How sure a bound is, unless said otherwise: one in twenty such bounds may be wrong.
pub const CONFIDENCE: f64 = 0.95;

/// The two-sided bounds of Clopper and Pearson (1934) for a share of which `hits` of `trials` independent
/// ones are known: exact, never too narrow. From 0 to 1 without trials.
pub fn bounds(hits: u64, trials: u64, confidence: f64) -> (f64, f64) {
    let outside = (1.0 - confidence) / 2.0;
    let hits = hits.min(trials);
    let low = if hits == 0 { 0.0 } else { share_with(hits - 1, trials, 1.0 - outside) };
    (low, share_with(hits, trials, outside))
}

/// The one-sided upper bound: with 0 hits of n it is the rule of three, about 3 / n at 95 %.
pub fn at_most(hits: u64, trials: u64, confidence: f64) -> f64 {
    share_with(hits.min(trials), trials, 1.0 - confidence)
}

/// The share with which `hits` or fewer of `trials` happen with probability `chance`.
fn share_with(hits: u64, trials: u64, chance: f64) -> f64 {
    if hits >= trials {
        return 1.0;
    }
    let (mut low, mut high) = (0.0, 1.0);
    // Each step halves what is left; small shares want relative precision, so more than f64 has bits.
    for _ in 0..200 {
        let middle = (low + high) / 2.0;
        // At most `hits` of `trials` is the incomplete beta function at what is left of the share.
        if beta(1.0 - middle, middle, (trials - hits) as f64, hits as f64 + 1.0) > chance {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// The regularised incomplete beta function at `x`, with `y = 1 - x` given apart so that neither loses its
/// digits: the continued fraction of Abramowitz and Stegun 26.5.8, evaluated from the front (Lentz).
fn beta(x: f64, y: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || y <= 0.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // Only one side is beyond its middle; where rounding says both are, it ends here all the same.
    if x > (a + 1.0) / (a + b + 2.0) && y <= (b + 1.0) / (a + b + 2.0) {
        return 1.0 - beta(y, x, b, a);
    }
    let front = ln_gamma(a + b) - ln_gamma(a) - ln_gamma(b) + a * x.ln() + b * y.ln();
    let away_from_zero = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    let (mut c, mut d) = (1.0, 1.0 / away_from_zero(1.0 - (a + b) * x / (a + 1.0)));
    let mut fraction = d;
    for m in 1..10_000 {
        let m = f64::from(m);
        let even = m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m));
        let odd = -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0));
        let before = fraction;
        for term in [even, odd] {
            d = 1.0 / away_from_zero(1.0 + term * d);
            c = away_from_zero(1.0 + term / c);
            fraction *= c * d;
        }
        if (fraction / before - 1.0).abs() < 1e-14 {
            break;
        }
    }
    front.exp() * fraction / a
}

/// Stirling's series, from 10 on good to the last digits; smaller ones by the recurrence.
fn ln_gamma(x: f64) -> f64 {
    let (mut x, mut below) = (x, 0.0);
    while x < 10.0 {
        below += x.ln();
        x += 1.0;
    }
    let series = 1.0 / (12.0 * x) - 1.0 / (360.0 * x.powi(3)) + 1.0 / (1260.0 * x.powi(5));
    (x - 0.5) * x.ln() - x + (2.0 * std::f64::consts::PI).ln() / 2.0 + series - below
}

/// The share of a normal curve below `z` standard deviations: Abramowitz and Stegun 26.2.11 near the middle,
/// Laplace's continued fraction 26.2.14 in the tails, where its relative precision holds.
pub fn normal_below(z: f64) -> f64 {
    let height = (-z * z / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt();
    if z.abs() < 3.0 {
        let (mut term, mut sum) = (z, z);
        for n in 1..60 {
            term *= z * z / f64::from(2 * n + 1);
            sum += term;
        }
        return 0.5 + height * sum;
    }
    let fraction = (1..60).rev().fold(z.abs(), |f, n| z.abs() + f64::from(n) / f);
    if z < 0.0 { height / fraction } else { 1.0 - height / fraction }
}

/// The reverse: how many standard deviations from the middle a share ends; a share of 0 or 1 as though it
/// were the smallest, or largest, f64 can tell from it.
pub fn normal_at(share: f64) -> f64 {
    let (mut low, mut high) = (-38.0, 8.3);
    for _ in 0..80 {
        let middle = (low + high) / 2.0;
        if normal_below(middle) < share { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

/// The chance that it happens at least once in `times` independent trials.
pub fn once_in(share: f64, times: u64) -> f64 {
    -(times as f64 * (-share.min(1.0)).ln_1p()).exp_m1()
}

/// The share of a single trial with which it happens at least once in `times` with this chance.
pub fn each_of(chance: f64, times: u64) -> f64 {
    -((-chance).ln_1p() / times.max(1) as f64).exp_m1()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn near(a: f64, b: f64, relative: f64) -> bool {
        (a - b).abs() <= relative * b.abs()
    }

    /// By the definition: the binomial sum, term by term.
    fn binomial_at_most(hits: u64, trials: u64, share: f64) -> f64 {
        let (mut term, mut sum) = ((1.0 - share).powi(trials as i32), 0.0);
        for k in 0..=hits {
            sum += term;
            term *= (trials - k) as f64 / (k + 1) as f64 * share / (1.0 - share);
        }
        sum
    }

    proptest! {
        #[test]
        fn bounds_are_where_the_binomial_sum_says(hits in 0u64..30, more in 1u64..300) {
            let trials = hits + more;
            let (low, high) = bounds(hits, trials, 0.95);
            prop_assert!(low <= hits as f64 / trials as f64 && hits as f64 / trials as f64 <= high);
            prop_assert!((binomial_at_most(hits, trials, high) - 0.025).abs() < 1e-6);
            if hits > 0 {
                prop_assert!((1.0 - binomial_at_most(hits - 1, trials, low) - 0.025).abs() < 1e-6);
            }
        }

        #[test]
        fn tails_and_their_reverse_agree(z in -12.0f64..6.0) {
            prop_assert!((normal_at(normal_below(z)) - z).abs() < 1e-4);
        }

        #[test]
        fn many_trials_and_one_are_each_others_reverse(chance in 1e-6f64..0.5, times in 1u64..100_000) {
            prop_assert!(near(once_in(each_of(chance, times), times), chance, 1e-9));
        }
    }

    #[test]
    fn the_rule_of_three_and_known_values() {
        assert!(near(at_most(0, 60, 0.95), 1.0 - 0.05f64.powf(1.0 / 60.0), 1e-9));
        assert!(near(at_most(0, 1_000_000, 0.95), 2.9957e-6, 1e-4));
        assert_eq!(at_most(7, 7, 0.95), 1.0);
        assert_eq!(bounds(0, 0, 0.95), (0.0, 1.0));
        // Tables of the normal curve.
        for (z, share) in [(0.0, 0.5), (1.959_964, 0.975), (-3.090_232, 1e-3), (-6.361_341, 1e-10)]
        {
            assert!(near(normal_below(z), share, 1e-5), "{z}");
        }
    }
}
