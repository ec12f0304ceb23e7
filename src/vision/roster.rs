//! Who is enrolled at this gate, and by which terms a face is found among them: the threshold that holds for
//! as many people as there are, look-alikes, pairs that were taken for each other, and claims. While a site
//! changes its embedding model, those who are known by the former one alone are found by that
//! ([`changeover`]).
//!
//! Who may pass is not known here.

mod changeover;

use super::certainty::{Targets, Terms, terms, threshold};
use super::fusion::{Cohort, Fusion};
use super::gallery::Gallery;
use super::manifest::Evidence;
use super::template::{Space, Template, WrongModel};
use super::verdict::{Margins, Separations, Verdict, judge};
use crate::domain::SubjectId;
use std::collections::HashMap;

/// The gallery with what is known of the model's certainty.
///
/// With evidence, a subject's templates are compared as one, their mean, because that is what the evidence was
/// measured with; without, each for itself against the plain threshold of the model's manifest.
pub struct Roster {
    gallery: Gallery,
    evidence: Option<Evidence>,
    targets: Targets,
    /// Each subject's templates so far, where they are compared as one.
    gathered: HashMap<SubjectId, Fusion>,
    apart: Separations,
    /// Templates that were added.
    held: usize,
    /// Those who have yet to move across from another model.
    former: Option<Box<Roster>>,
    /// `None` while people came or went and the terms have yet to be worked out.
    settled: Option<Settled>,
}

struct Settled {
    margins: Margins,
    terms: Option<Terms>,
    /// Nearer than this is beyond doubt.
    sure: f32,
}

/// What was found for a face.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    pub verdict: Verdict,
    /// To the nearest one enrolled, in the metric of the model that found them; infinite without any.
    pub distance: f32,
    /// The former model knows them beyond doubt, and the current one doesn't know them well enough yet: once
    /// they have passed, what the current model sees of them may be enrolled.
    pub crossing: Option<Crossing>,
}

/// Somebody on their way from one model to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Crossing {
    pub subject: SubjectId,
    /// With this template they have as many as the current model asks for: the former model's may go.
    pub last: bool,
}

/// How many templates are enrolled of somebody before the camera, and how many a subject moves across with, where the model's evidence doesn't say with how many it was
/// measured.
const WANTED: usize = 5;
const TEMPLATES: u32 = 3;
/// Beyond doubt: what a tenth of the strangers that are accepted would reach; without evidence, so much of
/// the plain threshold.
const SURE_TARGET: f64 = 0.1;
const SURE_PLAIN: f32 = 0.8;

impl Roster {
    /// Nobody yet. `cohort` is used where the evidence was gathered with it.
    pub fn new(
        space: Space,
        evidence: Option<Evidence>,
        cohort: Option<Cohort>,
        targets: Targets,
    ) -> Self {
        let centred = evidence.as_ref().is_some_and(|e| e.centred);
        let gallery = match cohort.filter(|_| centred) {
            Some(cohort) => Gallery::centred(space, cohort),
            None => Gallery::new(space),
        };
        let (gathered, apart) = (HashMap::new(), Separations::default());
        let (held, former, settled) = (0, None, None);
        Self { gallery, evidence, targets, gathered, apart, held, former, settled }
    }

    pub fn space(&self) -> &Space {
        self.gallery.space()
    }

    /// Where the former model's templates live, as long as somebody is known by them.
    pub fn former(&self) -> Option<&Space> {
        self.former.as_ref().filter(|former| former.subjects() > 0).map(|former| former.space())
    }

    /// Templates held, of either model.
    pub fn held(&self) -> usize {
        self.held + self.former.as_ref().map_or(0, |former| former.held)
    }

    /// Subjects, of either model.
    pub fn subjects(&self) -> usize {
        let elsewhere = |former: &Roster| former.gallery.subjects_but(&self.gallery);
        self.gallery.subjects() + self.former.as_deref().map_or(0, elsewhere)
    }

    /// How many frames have to be fused before anybody is found, where that was measured.
    pub fn frames(&self) -> Option<u32> {
        let former = self.former.as_ref().and_then(|former| former.frames());
        self.evidence.as_ref().map(|e| e.frames).max(former)
    }

    /// How many templates of a subject the current model's certainty was measured with, or does well with.
    pub fn templates_wanted(&self) -> usize {
        self.evidence.as_ref().map_or(WANTED, |evidence| evidence.templates as usize)
    }

    /// A template of either model.
    pub fn add(&mut self, subject: SubjectId, template: &Template) -> Result<(), WrongModel> {
        if let Some(former) = self.former.as_mut().filter(|f| f.space().admit(template).is_ok()) {
            return former.add_own(subject, template);
        }
        self.add_own(subject, template)?;
        if self.own(&subject) >= self.wanted()
            && let Some(former) = &mut self.former
        {
            former.remove(&subject);
        }
        Ok(())
    }

    fn add_own(&mut self, subject: SubjectId, template: &Template) -> Result<(), WrongModel> {
        self.settled = None;
        self.gallery.space().admit(template)?;
        if self.evidence.is_none() {
            self.gallery.add(subject, template)?;
        } else {
            let gathered = self.gathered.entry(subject).or_default();
            gathered.add(template, 1.0);
            let fused = gathered.template(self.gallery.space()).ok_or(WrongModel)?;
            self.gallery.remove(&subject);
            self.gallery.add(subject, &fused)?;
        }
        self.held += 1;
        Ok(())
    }

    /// Removes and overwrites all that is known of a subject; says how many templates were added.
    pub fn remove(&mut self, subject: &SubjectId) -> usize {
        self.settled = None;
        self.apart.forget(subject);
        let gathered = self.gathered.remove(subject).map(|fusion| fusion.frames() as usize);
        let rows = self.gallery.remove(subject);
        let own = gathered.unwrap_or(rows);
        self.held -= own;
        own + self.former.as_mut().map_or(0, |former| former.remove(subject))
    }

    /// Somebody who is one of these was taken for the other.
    pub fn separate(&mut self, a: SubjectId, b: SubjectId) {
        self.apart.add(a, b);
        if let Some(former) = &mut self.former {
            former.separate(a, b);
        }
    }

    /// Works the terms out anew if people came or went; gives them then. The inner `None`: the model's
    /// manifest has no evidence, so nothing can be promised.
    pub fn settle(&mut self) -> Option<Option<Terms>> {
        let former = self.former.as_mut().and_then(|former| former.settle());
        if self.settled.is_some() && former.is_none() {
            return None;
        }
        if self.settled.is_none() {
            self.settled = Some(self.settled_anew());
        }
        let own = self.settled.as_ref().and_then(|s| s.terms);
        let Some(Settled { terms: former, .. }) =
            self.former.as_ref().and_then(|former| former.settled.as_ref())
        else {
            return Some(own);
        };
        Some(own.zip(*former).map(|(own, former)| changeover::both(own, former)))
    }

    fn settled_anew(&self) -> Settled {
        let people = self.gallery.subjects() as u64;
        let plain = self.gallery.space().metric.threshold;
        let Some(evidence) = &self.evidence else {
            return Settled { margins: Margins::new(plain), terms: None, sure: SURE_PLAIN * plain };
        };
        // Centred templates lie in a space of their own, of which the plain threshold says nothing.
        let widest = if evidence.centred { f32::INFINITY } else { plain };
        let targets = Targets { widest, ..self.targets };
        let terms = terms(&evidence.strangers, &evidence.residents, people, targets);
        let rarely = SURE_TARGET * targets.strangers_accepted;
        let rarely = Targets { strangers_accepted: rarely, ..targets };
        let sure = threshold(&evidence.strangers, terms.compared, rarely);
        Settled { margins: Margins::new(terms.threshold), terms: Some(terms), sure }
    }

    /// More are enrolled than the model can tell from strangers: nobody is looked for without a claim.
    pub fn wants_claim(&self) -> bool {
        let own = self.settled.as_ref().and_then(|s| s.terms);
        own.is_some_and(|terms| terms.claim_needed)
            || self.former.as_ref().is_some_and(|former| former.wants_claim())
    }

    /// Looks for a fused template, and for what the former model made of the same frames, where there is one:
    /// among those who were claimed where a claim is wanted, else among all. `None` if it is another model's, if
    /// there is no claim where one is wanted, or before [`Roster::settle`].
    pub fn find(
        &self,
        template: &Template,
        formerly: Option<&Template>,
        claimed: Option<&[SubjectId]>,
    ) -> Option<Found> {
        let own = self.find_own(template, claimed)?;
        let Some((former, formerly)) = self.former.as_ref().zip(formerly) else { return Some(own) };
        let before = former.find_own(formerly, claimed)?;
        let mut found = changeover::agree(own, before);
        found.crossing = self.crossing(template, &own, former, &before);
        Some(found)
    }

    fn find_own(&self, template: &Template, claimed: Option<&[SubjectId]>) -> Option<Found> {
        let Settled { margins, terms, .. } = self.settled.as_ref()?;
        let nearest = if terms.is_some_and(|terms| terms.claim_needed) {
            let compared = terms.map_or(0, |terms| terms.compared) as usize;
            let claimed = claimed?;
            self.gallery.nearest_among(claimed.get(..compared).unwrap_or(claimed), template)
        } else {
            self.gallery.nearest(template)
        };
        let (verdict, distance) = match nearest.ok()? {
            Some(nearest) => (judge(&nearest, margins, &self.apart), nearest.distance),
            None => (Verdict::Nobody, f32::INFINITY),
        };
        Some(Found { verdict, distance, crossing: None })
    }

    /// Who is so near to a subject that they may be taken for each other, the nearest first.
    pub fn look_alikes(&self, subject: &SubjectId) -> Vec<SubjectId> {
        let Some(Settled { margins, .. }) = &self.settled else { return Vec::new() };
        let found = self.gallery.look_alikes(subject, margins.threshold);
        let mut found: Vec<_> = found.into_iter().map(|(other, _)| other).collect();
        let formerly = self.former.iter().flat_map(|former| former.look_alikes(subject));
        for other in formerly {
            if !found.contains(&other) {
                found.push(other);
            }
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::certainty::Distances;
    use super::super::manifest::{Metric, MetricKind};
    use super::*;

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    const SPACE: Space = Space {
        model: [9; 32],
        dimension: 2,
        metric: Metric { kind: MetricKind::Euclidean, threshold: 0.5 },
    };

    fn id(n: u16) -> SubjectId {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&n.to_le_bytes());
        SubjectId(id)
    }

    fn template(x: f32, y: f32) -> Template {
        Template::new(SPACE.model, vec![x, y]).unwrap_or_else(|e| panic!("{e}"))
    }

    /// A normal curve of strangers around 1 and of residents around 0.3.
    fn evidence() -> Result<Evidence, Box<dyn std::error::Error>> {
        let curve = |mean: f64, deviation: f64| {
            let at = |z: f64| (crate::vision::share::normal_below(z), mean + z * deviation);
            Distances::new(100, 100_000, (-8..=8).map(|i| at(f64::from(i) / 2.0)).collect())
        };
        let (strangers, residents) = (curve(1.0, 0.1)?, curve(0.3, 0.05)?);
        let rests_on = "made up".to_owned();
        Ok(Evidence { frames: 5, templates: 4, centred: false, rests_on, strangers, residents })
    }

    fn roster() -> Result<Roster, Box<dyn std::error::Error>> {
        Ok(Roster::new(SPACE, Some(evidence()?), None, Targets::default()))
    }

    fn verdict(roster: &Roster, x: f32, y: f32) -> Option<Verdict> {
        roster.find(&template(x, y), None, None).map(|f| f.verdict)
    }

    #[test]
    fn without_evidence_the_plain_threshold_rules_and_nothing_is_promised() -> Outcome {
        let mut roster = Roster::new(SPACE, None, None, Targets::default());
        assert_eq!(verdict(&roster, 0.0, 0.0), None, "before its terms are settled");
        assert_eq!(roster.settle(), Some(None));
        let nobody =
            Some(Found { verdict: Verdict::Nobody, distance: f32::INFINITY, crossing: None });
        assert_eq!(roster.find(&template(0.0, 0.0), None, None), nobody);
        roster.add(id(1), &template(0.0, 0.0))?;
        roster.add(id(1), &template(3.0, 0.0))?;
        assert_eq!(roster.settle(), Some(None));
        assert_eq!(roster.settle(), None, "nothing new");
        assert_eq!((roster.held(), roster.subjects(), roster.frames()), (2, 1, None));
        // Each template for itself.
        assert_eq!(verdict(&roster, 0.0, 0.49), Some(Verdict::One(id(1))));
        assert_eq!(verdict(&roster, 3.0, 0.49), Some(Verdict::One(id(1))));
        assert_eq!(verdict(&roster, 1.5, 0.0), Some(Verdict::Nobody));
        Ok(())
    }

    #[test]
    fn with_evidence_the_threshold_follows_the_number_of_people() -> Outcome {
        let mut roster = roster()?;
        let mut before = f32::INFINITY;
        for n in [1u16, 10, 100, 5_000] {
            for i in roster.subjects() as u16..n {
                roster.add(id(i), &template(f32::from(i) * 3.0, 0.0))?;
            }
            let terms = roster.settle().flatten().ok_or("no terms")?;
            assert!(terms.threshold <= before, "{n}: {terms:?}");
            before = terms.threshold;
            assert!(!terms.claim_needed && terms.compared == u64::from(n));
            assert_eq!(verdict(&roster, 0.0, terms.threshold - 0.01), Some(Verdict::One(id(0))));
            assert_eq!(verdict(&roster, 0.0, terms.threshold + 0.01), Some(Verdict::Nobody));
        }
        // Few people are compared by the plain threshold, many by a narrower one.
        assert!(before < SPACE.metric.threshold, "{before}");
        Ok(())
    }

    #[test]
    fn with_evidence_a_subjects_templates_are_compared_as_one() -> Outcome {
        let mut roster = roster()?;
        roster.add(id(1), &template(0.0, 0.0))?;
        roster.add(id(1), &template(2.0, 0.0))?;
        roster.settle();
        assert_eq!((roster.held(), roster.gallery.len()), (2, 1));
        assert_eq!(verdict(&roster, 1.0, 0.0), Some(Verdict::One(id(1))));
        assert_eq!(verdict(&roster, 0.0, 0.0), Some(Verdict::Nobody));
        assert_eq!((roster.remove(&id(1)), roster.remove(&id(1)), roster.held()), (2, 0, 0));
        // What was gathered went too.
        roster.add(id(1), &template(4.0, 0.0))?;
        roster.settle();
        assert_eq!(verdict(&roster, 4.0, 0.0), Some(Verdict::One(id(1))));
        Ok(())
    }

    #[test]
    fn beyond_the_supported_size_nobody_is_found_without_a_claim() -> Outcome {
        let mut roster = roster()?;
        roster.targets.strangers_accepted = 1e-8;
        for i in 0..40 {
            roster.add(id(i), &template(f32::from(i) * 3.0, 0.0))?;
        }
        let terms = roster.settle().flatten().ok_or("no terms")?;
        assert!(terms.claim_needed && terms.supported < 40 && roster.wants_claim(), "{terms:?}");
        assert_eq!(verdict(&roster, 3.0, 0.0), None);
        let among = |claimed: &[u16], x| {
            let claimed: Vec<_> = claimed.iter().map(|n| id(*n)).collect();
            roster.find(&template(x, 0.0), None, Some(&claimed)).map(|f| f.verdict)
        };
        assert_eq!(among(&[5, 1], 3.0), Some(Verdict::One(id(1))));
        assert_eq!(among(&[5, 2], 3.0), Some(Verdict::Nobody));
        assert_eq!(among(&[], 3.0), Some(Verdict::Nobody));
        // No more are compared than the threshold is for.
        assert_eq!(among(&[11, 12, 13, 14, 15, 16, 17, 18, 1], 3.0), Some(Verdict::Nobody));
        Ok(())
    }

    #[test]
    fn look_alikes_are_told_and_not_me_keeps_them_apart() -> Outcome {
        let mut roster = Roster::new(SPACE, None, None, Targets::default());
        roster.add(id(1), &template(0.0, 0.0))?;
        roster.add(id(2), &template(0.3, 0.0))?;
        roster.add(id(3), &template(9.0, 0.0))?;
        roster.settle();
        assert_eq!(roster.look_alikes(&id(1)), [id(2)]);
        assert_eq!(roster.look_alikes(&id(3)), []);
        assert_eq!(verdict(&roster, 0.14, 0.0), Some(Verdict::Either(id(1), id(2))));
        roster.separate(id(1), id(2));
        assert_eq!(verdict(&roster, 0.14, 0.0), Some(Verdict::Nobody));
        assert_eq!(verdict(&roster, 0.0, 0.0), Some(Verdict::One(id(1))));
        Ok(())
    }
}
