//! Switches: from the levels of lines to what they say. A plain one says normal or active with each edge. A
//! supervised one has lines of its own for a cut and a bridged loop; one event on the cable moves several
//! of them, in any order, so it is active or normal only once none of them has moved for a while: a cut wire never
//! looks like a pressed button for a moment. A fault is said sooner, and a line that doesn't rest is at fault.

use super::{LinkNews, Meaning};
use crate::access::Input;
use crate::config::{self, Config, InputLine, Means};
use crate::domain::{Duration, Instant, LineState, Trigger, Wire};
use crate::io::PinEdge;

/// How much sooner one line of a module may move than another on the same event, debounced alike.
const SPREAD: Duration = Duration::from_millis(20);
/// So many times as long as its lines take to tell one event, and it should have come to rest.
const RESTLESS: u64 = 10;

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
        self.0.iter().filter_map(|switch| switch.unrest.as_ref()).map(|u| u.look).min()
    }
}

struct Switch {
    means: Means,
    input: config::Input,
    /// Whether its line, its cut line and its short line are active; unknown before the first level.
    levels: [Option<bool>; 3],
    /// What was said last.
    said: Option<LineState>,
    /// Its lines moved.
    unrest: Option<Unrest>,
}

/// Of a supervised one.
struct Unrest {
    since: Instant,
    last: Instant,
    /// When its lines are read together.
    look: Instant,
}

impl Switch {
    fn new(means: Means, input: config::Input) -> Self {
        Self { means, input, levels: [None; 3], said: None, unrest: None }
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
            let (since, look) = (edge.at, edge.at + self.window(1));
            let unrest = self.unrest.get_or_insert(Unrest { since, last: since, look });
            unrest.last = edge.at;
            return before;
        }
        self.say()
    }

    /// How long its lines take to tell one event, so many times.
    fn window(&self, times: u64) -> Duration {
        let debounces = self.lines().into_iter().flatten().map(|line| line.debounce.as_micros());
        let (least, most) = debounces.fold((u64::MAX, 0), |(a, b), d| (a.min(d), b.max(d)));
        Duration::from_micros((most.saturating_sub(least) + SPREAD.as_micros()) * times)
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
        let (rests, restless) = (self.window(1), self.window(RESTLESS));
        let at_fault = self.state().is_some_and(LineState::is_fault);
        let unrest = self.unrest.as_mut().filter(|unrest| unrest.look <= now)?;
        let (rested, ends) = (unrest.last + rests, unrest.since + restless);
        let look = rested.min(ends);
        if !at_fault && look > now {
            unrest.look = look;
            return None;
        }
        self.unrest = None;
        // Nobody presses a button like that.
        if !at_fault && ends < rested { self.tell(LineState::Cut) } else { self.say() }
    }

    /// What is new.
    fn say(&mut self) -> Option<Meaning> {
        let state = self.state()?;
        self.tell(state)
    }

    fn tell(&mut self, state: LineState) -> Option<Meaning> {
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
    use proptest::prelude::*;

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
            (&[at(1, false, 200), at(2, false, 200)], Some(Normal)),
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
            assert_eq!(rex.unrest.as_ref().map(|u| u.look), Some(due), "{edges:?}");
            assert_eq!(said(rex.poll(due - Duration::from_micros(1))), None, "{edges:?}");
            assert_eq!(said(rex.poll(due)), want, "{edges:?}");
            assert_eq!((rex.unrest.is_none(), said(rex.poll(due))), (true, None));
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
    fn what_does_not_rest_is_at_fault_and_whole_again_once_it_does() {
        let mut rex = supervised(Means::Door(DoorId(0), Wire::Rex));
        (1..=3).for_each(|line| drop(rex.level(at(line, false, 0))));
        let rattling = (0..60).map(|i| at(1, i % 2 == 0, 100 + 10 * i));
        let told: Vec<_> = rattling.filter_map(|edge| said(rex.edge(edge))).collect();
        assert_eq!(told, [Cut]);
        assert_eq!(said(rex.poll(at(1, false, 724).at)), None);
        assert_eq!(said(rex.poll(at(1, false, 725).at)), Some(Normal));
    }

    proptest! {
        /// Whatever somebody does to a cable before they cut it and after, and however its lines follow: nobody has pressed
        /// the button.
        #[test]
        fn a_cut_cable_is_no_press(
            before in proptest::collection::vec((2u32..=3, 1u64..60), 0..6),
            lag in 0u64..=34,
            cut_first: bool,
            after in proptest::collection::vec(1u64..60, 0..4),
            looks in 1u64..50,
        ) {
            let mut rex = supervised(Means::Door(DoorId(0), Wire::Rex));
            (1..=3).for_each(|line| drop(rex.level(at(line, false, 0))));
            let (mut now, mut high, mut edges) = (100, [false; 4], Vec::new());
            for (line, wait) in before {
                high[line as usize] ^= true;
                edges.push(at(line, high[line as usize], now));
                now += wait;
            }
            let order = if cut_first { [2, 1] } else { [1, 2] };
            edges.push(at(order[0], true, now));
            edges.push(at(order[1], true, now + lag));
            now += lag;
            // Its ends touch: bridged, and cut again, with the state line as it likes.
            for wait in after {
                now += wait;
                high[3] ^= true;
                edges.push(at(3, high[3], now));
            }
            let mut told = Vec::new();
            for pair in edges.windows(2) {
                told.extend(said(rex.edge(pair[0])));
                let mut look = pair[0].at;
                while look < pair[1].at {
                    told.extend(said(rex.poll(look)));
                    look += Duration::from_millis(looks);
                }
            }
            told.extend(edges.last().and_then(|edge| said(rex.edge(*edge))));
            told.extend(said(rex.poll(at(1, false, now + 5_000).at)));
            prop_assert!(!told.contains(&Active), "{:?} {:?}", edges, told);
            prop_assert_eq!(told.last(), Some(&Cut));
        }
    }

    #[test]
    fn a_plain_one_speaks_at_once_and_a_button_held_at_the_start_does_not() {
        let input = config::Input::plain(line(1, 20));
        let mut rex = Switch::new(Means::Door(DoorId(0), Wire::Rex), input);
        assert_eq!(said(rex.level(at(1, true, 0))), None);
        assert_eq!(said(rex.edge(at(1, false, 50))), Some(Normal));
        assert_eq!(said(rex.edge(at(1, true, 60))), Some(Active));
        assert!(rex.unrest.is_none());
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
