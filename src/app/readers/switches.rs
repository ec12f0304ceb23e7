//! Switches: from the levels of lines to what they say. A plain one says normal or active with each edge. A
//! supervised one has lines of its own for a cut and a bridged loop; one event on the cable moves several
//! of them, so they are read together once they have settled: a cut wire never looks like a pressed button
//! for a moment.

use super::{LinkNews, Meaning};
use crate::access::Input;
use crate::config::{self, Config, InputLine, Means};
use crate::domain::{Duration, Instant, LineState, Trigger, Wire};
use crate::io::PinEdge;

/// How much sooner one line of a module may move than another on the same event, debounced alike.
const SPREAD: Duration = Duration::from_millis(20);

pub(super) struct Switches(Vec<Switch>);

impl Switches {
    pub(super) fn new(config: &Config) -> Self {
        let all = config.switches().into_iter();
        Self(all.map(|(_, means, input)| Switch::new(means, input)).collect())
    }

    /// Takes one edge. Asks nothing of lines it doesn't know.
    pub(super) fn edge(&mut self, edge: PinEdge) -> Option<Meaning> {
        self.0.iter_mut().find(|switch| switch.owns(edge.line))?.edge(edge)
    }

    /// How a line stands before anything happened on it.
    pub(super) fn level(&mut self, at: PinEdge) -> Option<Meaning> {
        self.0.iter_mut().find(|switch| switch.owns(at.line))?.level(at)
    }

    /// Supervised ones that have settled by `now`.
    pub(super) fn poll(&mut self, now: Instant) -> impl Iterator<Item = Meaning> {
        self.0.iter_mut().filter_map(move |switch| switch.poll(now))
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.0.iter().filter_map(|switch| switch.settles).min()
    }
}

struct Switch {
    means: Means,
    input: config::Input,
    /// Whether its line, its cut line and its short line are active; unknown before the first level.
    levels: [Option<bool>; 3],
    /// What was said last.
    said: Option<LineState>,
    /// When its lines are read together.
    settles: Option<Instant>,
}

impl Switch {
    fn new(means: Means, input: config::Input) -> Self {
        Self { means, input, levels: [None; 3], said: None, settles: None }
    }

    fn lines(&self) -> [Option<InputLine>; 3] {
        [Some(self.input.state), self.input.cut, self.input.short]
    }

    fn owns(&self, line: u32) -> bool {
        self.lines().iter().flatten().any(|l| l.line == line)
    }

    fn take(&mut self, edge: PinEdge) {
        for (line, level) in self.lines().into_iter().zip(&mut self.levels) {
            if let Some(line) = line.filter(|line| line.line == edge.line) {
                *level = Some(edge.high == line.active_high);
            }
        }
    }

    /// What its lines say together; `None` while one of them has not been heard.
    fn state(&self) -> Option<LineState> {
        let heard = self.lines().into_iter().zip(self.levels).map(|(line, level)| match line {
            Some(_) => level,
            None => Some(false),
        });
        let levels: Vec<bool> = heard.collect::<Option<_>>()?;
        Some(match levels[..] {
            // Both: the module has no power, or its own cable is cut.
            [_, true, _] => LineState::Cut,
            [_, _, true] => LineState::Short,
            [true, ..] => LineState::Active,
            _ => LineState::Normal,
        })
    }

    fn edge(&mut self, edge: PinEdge) -> Option<Meaning> {
        // What had settled before it is said first: a loop that is late doesn't lose a press that is over.
        let before = self.poll(edge.at);
        self.take(edge);
        if self.input.is_supervised() {
            let debounces = self.lines().into_iter().flatten().map(|line| line.debounce);
            let (least, most) = debounces
                .fold((Duration(u64::MAX), Duration::ZERO), |(a, b), d| (a.min(d), b.max(d)));
            // From the first edge: a line that never rests must not keep the others silent.
            let wait = Duration::from_micros(most.as_micros() - least.as_micros());
            self.settles.get_or_insert(edge.at + wait + SPREAD);
            return before;
        }
        self.say()
    }

    /// A button that is held down at the start says nothing: who pressed it is long gone, or it is stuck. Nor
    /// does a contact of somebody having passed.
    fn level(&mut self, at: PinEdge) -> Option<Meaning> {
        self.take(at);
        let is_held = matches!(
            self.means,
            Means::Door(_, Wire::Rex | Wire::PassedIn | Wire::PassedOut)
                | Means::Camera(Trigger::Button)
        );
        if is_held && self.state() == Some(LineState::Active) {
            self.said = Some(LineState::Active);
            return None;
        }
        self.say()
    }

    fn poll(&mut self, now: Instant) -> Option<Meaning> {
        self.settles.take_if(|settles| *settles <= now)?;
        self.say()
    }

    /// What is new.
    fn say(&mut self) -> Option<Meaning> {
        let state = self.state()?;
        if self.said.replace(state) == Some(state) {
            return None;
        }
        Some(match self.means {
            Means::Door(door, line) => {
                Meaning::Input(Input::Line { door: Some(door), line, state })
            }
            Means::Gate(line) => Meaning::Input(Input::Line { door: None, line, state }),
            // A loop at fault is tampered with.
            Means::Tamper(reader) => {
                let news = LinkNews::Tamper(state != LineState::Normal);
                Meaning::Link { reader, news }
            }
            Means::Camera(Trigger::Button) => {
                Meaning::Camera { active: state == LineState::Active }
            }
            // What can't be told may be somebody.
            Means::Camera(_) => Meaning::Camera { active: state != LineState::Normal },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Bias, DoorId, ReaderId};
    use LineState::*;

    const START: Instant = Instant(10_000_000);

    fn line(line: u32, debounce_ms: u64) -> InputLine {
        let debounce = Duration::from_millis(debounce_ms);
        InputLine { line, active_high: true, bias: Bias::PullUp, debounce }
    }

    /// On lines 1 (itself), 2 (cut) and 3 (short), all heard.
    fn supervised(means: Means) -> Switch {
        let input =
            config::Input { state: line(1, 20), cut: Some(line(2, 20)), short: Some(line(3, 5)) };
        Switch::new(means, input)
    }

    fn at(line: u32, high: bool, ms: u64) -> PinEdge {
        PinEdge { line, high, at: START + Duration::from_millis(ms) }
    }

    fn said(meaning: Option<Meaning>) -> Option<LineState> {
        match meaning {
            Some(Meaning::Input(Input::Line { state, .. })) => Some(state),
            None => None,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_event_on_the_cable_is_said_once() {
        let mut rex = supervised(Means::Door(DoorId(0), Wire::Rex));
        assert_eq!(said(rex.level(at(1, false, 0))), None);
        assert_eq!(said(rex.level(at(2, false, 0))), None, "the third is not heard yet");
        assert_eq!(said(rex.level(at(3, false, 0))), Some(Normal));
        // What moves, in which order, and what is said once it has settled 35 ms after the first.
        for (edges, want) in [
            // Cutting it looks like pressing it, a moment sooner or later.
            (&[at(1, true, 100), at(2, true, 101)][..], Some(Cut)),
            (&[at(1, false, 200), at(2, false, 215)], Some(Normal)),
            (&[at(2, true, 300), at(1, true, 334)], Some(Cut)),
            (&[at(2, false, 400)], Some(Active)),
            (&[at(1, false, 500), at(3, true, 510)], Some(Short)),
            // Not even a line that never rests keeps it silent, and nothing is said twice.
            (&[at(3, false, 600), at(3, true, 610), at(3, false, 620), at(3, true, 630)], None),
            // The module has lost its power.
            (&[at(1, true, 700), at(2, true, 700)], Some(Cut)),
        ] {
            let due = edges[0].at + Duration::from_millis(35);
            for edge in edges {
                assert_eq!(said(rex.edge(*edge)), None, "{edges:?}");
            }
            assert_eq!(rex.settles, Some(due), "{edges:?}");
            assert_eq!(said(rex.poll(due - Duration::from_micros(1))), None, "{edges:?}");
            assert_eq!(said(rex.poll(due)), want, "{edges:?}");
            assert_eq!((rex.settles, said(rex.poll(due))), (None, None));
        }
    }

    #[test]
    fn a_press_that_is_over_before_the_loop_looks_is_still_a_press() {
        let mut rex = supervised(Means::Door(DoorId(0), Wire::Rex));
        for line in 1..=3 {
            rex.level(at(line, false, 0));
        }
        assert_eq!(said(rex.edge(at(1, true, 100))), None);
        assert_eq!(said(rex.edge(at(1, false, 135))), Some(Active));
        assert_eq!(said(rex.poll(at(1, false, 170).at)), Some(Normal));
        // One that had not settled is none.
        assert_eq!(said(rex.edge(at(1, true, 200))), None);
        assert_eq!(said(rex.edge(at(1, false, 234))), None);
        assert_eq!(said(rex.poll(at(1, false, 300).at)), None);
    }

    #[test]
    fn a_plain_one_speaks_at_once_and_a_button_held_at_the_start_does_not() {
        let input = config::Input::plain(line(1, 20));
        let mut rex = Switch::new(Means::Door(DoorId(0), Wire::Rex), input);
        assert_eq!(said(rex.level(at(1, true, 0))), None);
        assert_eq!(said(rex.edge(at(1, false, 50))), Some(Normal));
        assert_eq!(said(rex.edge(at(1, true, 60))), Some(Active));
        assert_eq!(rex.settles, None);
        let mut contact = Switch::new(Means::Door(DoorId(0), Wire::Contact), input);
        assert_eq!(said(contact.level(at(1, true, 0))), Some(Active));
        // A loop that is cut at the start says so, whatever it is.
        let mut rex = supervised(Means::Door(DoorId(0), Wire::Rex));
        let levels = [at(1, true, 0), at(2, true, 0), at(3, false, 0)];
        assert_eq!(levels.map(|level| said(rex.level(level))), [None, None, Some(Cut)]);
    }

    #[test]
    fn a_tamper_loop_at_fault_is_tampered_with() {
        let mut tamper = supervised(Means::Tamper(ReaderId(1)));
        let levels = [at(1, false, 0), at(2, false, 0), at(3, true, 0)];
        let told = levels.map(|level| tamper.level(level)).into_iter().flatten().next();
        assert!(
            matches!(told, Some(Meaning::Link { news: LinkNews::Tamper(true), .. })),
            "{told:?}"
        );
    }
}
