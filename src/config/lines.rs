//! What hangs on the gate's lines: where the pins are, inputs and outputs, and what each stands for.

use crate::domain::{Bias, DoorId, Duration, ReaderId, Trigger, Wire};
#[cfg(feature = "sim")]
use std::path::PathBuf;

/// Where pins come from, and on what board they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hardware {
    pub backend: Backend,
    /// `None` to find out.
    pub board: Option<Board>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The kernel's GPIO chip with this path, name or label.
    Gpiochip { chip: String },
    /// A Raspberry Pi's own.
    Rppal,
    /// Simulated pins behind a Unix socket, for demonstration and tests. `keep` says whether a line keeps its
    /// level when the process that drove it is gone.
    #[cfg(feature = "sim")]
    Sim { socket: PathBuf, keep: bool },
}

/// What is known about how a board treats its lines before anybody drives them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Board {
    /// GPIO0 to 8 are pulled up, the others down (BCM2835 ARM Peripherals, table 6-31; the same on all later ones).
    RaspberryPi,
    Other,
}

impl Board {
    /// Whether a line is pulled high; `None` where that isn't known.
    pub fn pulled_high(self, line: u32) -> Option<bool> {
        match self {
            Self::RaspberryPi => Some(line <= 8),
            Self::Other => None,
        }
    }
}

/// A switch: a contact, a button, an alarm loop. A digital line knows two levels; where a supervision module
/// watches the loop's resistance, it says on lines of its own that the loop is cut or bridged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Input {
    pub state: InputLine,
    /// Active while the loop is open.
    pub cut: Option<InputLine>,
    /// Active while the loop is bridged.
    pub short: Option<InputLine>,
}

impl Input {
    /// One that knows normal and active alone.
    pub const fn plain(state: InputLine) -> Self {
        Self { state, cut: None, short: None }
    }

    pub const fn is_supervised(self) -> bool {
        self.cut.is_some() || self.short.is_some()
    }

    /// Its lines, with what is added to its name for each.
    pub fn lines(self) -> impl Iterator<Item = (&'static str, InputLine)> {
        let all = [("", Some(self.state)), (".cut", self.cut), (".short", self.short)];
        all.into_iter().filter_map(|(key, line)| Some((key, line?)))
    }
}

/// One line of a switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputLine {
    pub line: u32,
    /// The electrical level that means "active" (open, pressed, fire, cut).
    pub active_high: bool,
    pub bias: Bias,
    /// A level counts once it has lasted this long.
    pub debounce: Duration,
}

/// An output line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Output {
    pub line: u32,
    /// The electrical level that energises what hangs on it.
    pub active_high: bool,
    /// What it is left in while nobody decides: before the start, after the end, after a crash.
    pub safe_energised: bool,
    /// The board may pull it to its energised level while it boots: somebody has thought about it.
    pub allow_reset_pull: bool,
}

impl Output {
    /// Whether the board's own pull energises it between power-up and the start of this program. The weak
    /// pull-down of the lines above can't energise what is active low, as its input is pulled up by more.
    pub fn energised_at_reset(self, board: Board) -> bool {
        self.active_high && !self.allow_reset_pull && board.pulled_high(self.line) == Some(true)
    }

    /// Whether the board pulls it, weakly, towards the level that energises: most relay boards with an
    /// active-low input pull that up by more, some don't.
    pub fn leans_energised_at_reset(self, board: Board) -> bool {
        !self.active_high && !self.allow_reset_pull && board.pulled_high(self.line) == Some(false)
    }

    /// The electrical level for a state.
    pub fn level(self, energised: bool) -> bool {
        energised == self.active_high
    }

    pub fn safe_level(self) -> bool {
        self.level(self.safe_energised)
    }
}

/// What an input stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Means {
    Door(DoorId, Wire),
    /// The gate's own.
    Gate(Wire),
    /// The reader is opened or taken off the wall.
    Tamper(ReaderId),
    /// Somebody is there, or wants to be looked at.
    Camera(Trigger),
}

impl Means {
    /// What it says, to whoever looks at the switch.
    pub fn word(self, active: bool) -> &'static str {
        let [normal, said] = match self {
            Self::Door(_, Wire::Contact) => ["closed", "open"],
            Self::Door(_, Wire::Rex) => ["not pressed", "pressed"],
            Self::Door(_, Wire::OuterBeam | Wire::InnerBeam) => ["whole", "broken"],
            Self::Door(..) => ["quiet", "somebody passes"],
            Self::Gate(Wire::Fire) => ["no fire", "fire"],
            Self::Gate(Wire::Mains) => ["mains there", "mains gone"],
            Self::Gate(Wire::Battery) => ["battery charged", "battery low"],
            Self::Gate(Wire::CallGuard) => ["quiet", "somebody calls"],
            Self::Gate(_) => ["box closed", "box open"],
            Self::Tamper(_) => ["closed", "opened"],
            Self::Camera(Trigger::Button) => ["not pressed", "pressed"],
            Self::Camera(_) => ["nobody there", "somebody there"],
        };
        if active { said } else { normal }
    }
}

/// Lines that belong to no door: of the box, its supply, and the guard's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnLines {
    pub fire: Option<Input>,
    pub mains: Option<Input>,
    pub battery: Option<Input>,
    pub enclosure: Option<Input>,
    pub call_guard: Option<Input>,
    pub siren: Option<Output>,
}

impl OwnLines {
    /// Its inputs, with the names they go by.
    pub fn inputs(&self) -> impl Iterator<Item = (&'static str, Wire, Input)> + use<> {
        let all = [
            ("fire", Wire::Fire, self.fire),
            ("box.mains", Wire::Mains, self.mains),
            ("box.battery", Wire::Battery, self.battery),
            ("box.enclosure", Wire::Enclosure, self.enclosure),
            ("box.call_guard", Wire::CallGuard, self.call_guard),
        ];
        all.into_iter().filter_map(|(name, wire, input)| Some((name, wire, input?)))
    }
}
