//! What daemon and face worker say to each other over their socket pair. Nothing here can carry a
//! picture or leave the machine.
//!
//! A message is a `u32` length, little-endian, and that many bytes of postcard, at most
//! [`MAX_MESSAGE`]. The daemon opens with [`ToWorker::Hello`], whose first field is the protocol
//! version. [`ToWorker::Frames`] travels with one file descriptor (`SCM_RIGHTS`), the read end of the
//! capture program's pipe: raw I420 frames of the size told in `Hello`, one after the other.

mod identity;

use super::Parsed;
use super::template::{MAX_SEALED, ModelHash, Sealed, TemplateKey};
use crate::domain::{
    Advice, Duration, Hint, Instant, Liveness, LivenessPolicy, Observation, SittingEnd, SubjectId,
    View, Watch,
};
use identity::{key, observation, pair, sealed, subject, subjects};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::marker::PhantomData;
use zeroize::{Zeroize, Zeroizing};

/// The version of this protocol. The two sides come from one build, so they either agree or stop.
pub const VERSION: u16 = 3;
/// The longest message, length prefix excluded.
pub const MAX_MESSAGE: usize = MAX_SEALED + 64;
/// The most subjects somebody may claim to be one of.
pub const MAX_CLAIMED: usize = 8;
/// The most look-alikes told of one subject, the nearest ones.
pub const MAX_LOOK_ALIKES: usize = 16;
/// The longest reason in [`FromWorker::Unfit`], in bytes; longer ones are cut.
pub const MAX_REASON: usize = 1000;
const PREFIX: usize = 4;

/// From the daemon to the worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// First of all, once.
    Hello(Hello),
    /// The descriptor that came along replaces the source of frames.
    Frames,
    /// Adds one template to the gallery.
    Enrol(#[serde(with = "sealed")] Sealed),
    /// Takes all of a subject's templates out of the gallery.
    Forget(#[serde(with = "subject")] SubjectId),
    /// Ends the worker.
    Quit,
    /// Somebody who is one of these was once taken for the other.
    Separate(#[serde(with = "pair")] (SubjectId, SubjectId)),
    /// Who stands there says to be one of these, at most [`MAX_CLAIMED`].
    Claim(#[serde(with = "subjects")] Vec<SubjectId>),
    /// Asks who looks like this subject.
    LookAlikes(#[serde(with = "subject")] SubjectId),
    /// How the line of the presence detector or the button stands.
    Line { active: bool },
    /// Somebody is enrolled before the camera, as this subject, in place of whom else was being enrolled; nobody is
    /// recognised meanwhile.
    Sit {
        #[serde(with = "subject")]
        subject: SubjectId,
        within: Duration,
    },
    /// Whoever enrols is still there: without a word for [`SIT_LEASE`] an enrolment ends.
    Stay,
}

/// How long an enrolment before the camera goes on with nobody asking after it.
pub const SIT_LEASE: Duration = Duration::from_secs(3);

/// What the worker needs to know before it looks at anything.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub version: u16,
    /// Frame size in pixels as the capture program writes it; both even and at most [`MAX_SIDE`].
    pub width: u32,
    pub height: u32,
    pub tracking: Tracking,
    pub watch: Watch,
    #[serde(with = "key")]
    pub template_key: TemplateKey,
}

/// How evidence over frames becomes a conclusion.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// No match before this many good frames, where the model's manifest doesn't say how many its certainty
    /// was measured with.
    pub min_frames: u32,
    /// Without a match by this many good frames: nobody. The same holds.
    pub max_frames: u32,
    /// 0 to 1: frames of a lower quality are no evidence.
    pub min_quality: f32,
    /// A face unseen for this long has left; the next one there is a new presentation.
    pub rearm: Duration,
    /// Where somebody stands who is asking: left, top, width, height as shares of the upright picture.
    pub region: Option<[f32; 4]>,
    /// The least distance between the pupils, in pixels.
    pub min_pupils_px: f32,
    /// Nobody is embedded before having stood so for this long.
    pub dwell: Duration,
    pub liveness: LivenessPolicy,
    /// Shares of presentations that the threshold is derived for.
    pub strangers_accepted: f64,
    pub residents_refused: f64,
}

impl Default for Tracking {
    /// The targets are GA/T 1093's bar for recognition among many.
    fn default() -> Self {
        Self {
            min_frames: 3,
            max_frames: 5,
            min_quality: 0.3,
            rearm: Duration::from_millis(1_500),
            region: None,
            min_pupils_px: 24.0,
            dwell: Duration::from_millis(400),
            liveness: LivenessPolicy::Motion,
            strangers_accepted: 0.01,
            residents_refused: 0.05,
        }
    }
}

/// The largest width or height of a frame: two bytes a pixel of this squared is what a worker may need
/// at once.
pub const MAX_SIDE: u32 = 4096;

impl Hello {
    /// The size of a frame once people stand upright in it.
    pub fn upright(&self) -> (u32, u32) {
        self.watch.imaging.rotation.size((self.width, self.height))
    }

    /// Bytes of one I420 frame; `None` if the size is not one a worker takes.
    pub fn frame_len(&self) -> Option<usize> {
        frame_len(self.width, self.height)
    }
}

/// Bytes of one I420 frame: a full plane of luma and two quarter planes of chroma. `None` if a side is
/// odd, zero or larger than [`MAX_SIDE`].
pub fn frame_len(width: u32, height: u32) -> Option<usize> {
    let side = |n: u32| (2..=MAX_SIDE).contains(&n) && n % 2 == 0;
    (side(width) && side(height)).then(|| (width as usize) * (height as usize) / 2 * 3)
}

/// How far the worker could shut itself in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxStatus {
    /// The landlock ABI in force; 0 where the kernel has none. From 1 on no file can be opened, from 4
    /// on no TCP connection made either.
    pub landlock_abi: u8,
    /// The system call filter is in force on all threads.
    pub seccomp: bool,
}

impl SandboxStatus {
    /// Whether both walls stand. Landlock 1 is enough: what it doesn't cover, the filter does.
    pub fn is_complete(&self) -> bool {
        self.landlock_abi >= 1 && self.seccomp
    }
}

/// From the worker to the daemon.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// Models loaded, shut in, about to look.
    Ready { model: ModelHash, embedding: String, sandbox: SandboxStatus },
    /// Can't work, and why; the worker then exits with 69.
    Unfit { why: String },
    /// Somebody was seen.
    Observed(#[serde(with = "observation")] Observation),
    /// A turn of the processing loop ended.
    Alive { seen: u64, processed: u64, last_frame_at: Option<Instant> },
    /// The answer to `Enrol`.
    Enrolled {
        #[serde(with = "subject")]
        subject: SubjectId,
        outcome: Result<(), Refusal>,
    },
    /// The answer to `Forget`.
    Forgotten {
        #[serde(with = "subject")]
        subject: SubjectId,
    },
    /// Advice to who stands there; said when it changes.
    Hint(Hint),
    /// By which terms people are found, whenever they change.
    Terms(Terms),
    /// The answer to `LookAlikes`, at most [`MAX_LOOK_ALIKES`], the nearest first.
    LookAlikes {
        #[serde(with = "subject")]
        subject: SubjectId,
        #[serde(with = "subjects")]
        others: Vec<SubjectId>,
    },
    /// Whether faces are looked for, when that changes; at first they are not.
    Watching { awake: bool },
    /// How the camera's view is, once that is known and when it changes.
    View(View),
    /// After an observation of somebody who is known by the former model: a template by the current one, to be
    /// kept and enrolled once they have passed.
    Crossing {
        #[serde(with = "sealed")]
        sealed: Sealed,
        /// With it the former model's templates of this subject may go.
        last: bool,
    },
    /// What comes of `Sit`.
    Sat {
        #[serde(with = "subject")]
        subject: SubjectId,
        sat: Sat,
    },
}

/// A step of an enrolment before the camera.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Sat {
    /// Said when it changes.
    Advice(Advice),
    /// One more template; so many are still wanted.
    Kept {
        #[serde(with = "sealed")]
        sealed: Sealed,
        more: u8,
    },
    /// Nothing comes after it.
    Ended(SittingEnd),
}

/// By which terms people are found at a gallery of this size.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Terms {
    /// Subjects in the gallery.
    pub people: u64,
    /// Those of them who have yet to move across from the former model; `None` where no model is being changed.
    pub to_move: Option<u64>,
    /// Nearer than this matches, in the metric's own unit.
    pub threshold: f32,
    /// `None`: the model's manifest has no evidence, so nothing is promised.
    pub certainty: Option<Certainty>,
}

/// What can be promised, and to how many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Certainty {
    /// The largest gallery at which the targets hold.
    pub supported: u64,
    /// There are more: nobody is looked for without a claim.
    pub claim_needed: bool,
    /// Subjects one presentation is compared with.
    pub compared: u64,
    pub strangers_accepted: Share,
    pub residents_refused: Share,
}

/// A share of presentations.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    pub expected: f64,
    /// With 95 % confidence no more than this, as far as what was compared was independent.
    pub at_most: f64,
    /// Lies beyond what was compared: the curve was drawn on.
    pub extrapolated: bool,
}

/// Why a template was not taken into the gallery.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Refusal {
    #[error("not a sealed template, or of another version")]
    Malformed,
    #[error("made with another embedding model")]
    Model,
    #[error("altered, for another subject, or sealed with another key")]
    Sealed,
    #[error("the gallery is full")]
    Full,
}

/// The worker says that it lives at least this often.
pub const ALIVE_EVERY: Duration = Duration::from_millis(500);

/// Why the stream is of no use from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corrupt {
    #[error("a message claims {0} bytes, more than {MAX_MESSAGE}")]
    TooLong(usize),
    #[error("a message that does not decode")]
    Malformed,
}

/// One message with its length in front, wiped on drop: it may hold the key.
///
/// Returns `None` for a message longer than [`MAX_MESSAGE`].
pub fn encode<T: Serialize>(message: &T) -> Option<Zeroizing<Vec<u8>>> {
    // Sized once, so that no half-written copy of a key is left behind by a growing vector.
    let mut bytes = Zeroizing::new(vec![0; PREFIX + MAX_MESSAGE]);
    let len = {
        let body = bytes.get_mut(PREFIX..)?;
        postcard::to_slice(message, body).ok()?.len()
    };
    bytes.get_mut(..PREFIX)?.copy_from_slice(&u32::try_from(len).ok()?.to_le_bytes());
    bytes.truncate(PREFIX + len);
    Some(bytes)
}

/// Takes a stream of bytes apart into messages. Holds at most one message and what came with it.
pub struct Decoder<T> {
    buffer: Zeroizing<Vec<u8>>,
    broken: Option<Corrupt>,
    items: PhantomData<T>,
}

impl<T: DeserializeOwned> Default for Decoder<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: DeserializeOwned> Decoder<T> {
    pub fn new() -> Self {
        Self {
            buffer: Zeroizing::new(Vec::with_capacity(2 * (PREFIX + MAX_MESSAGE))),
            broken: None,
            items: PhantomData,
        }
    }

    /// How many bytes [`feed`](Self::feed) takes now. Never 0 after [`next`](Self::next) said
    /// [`Parsed::NeedMore`].
    pub fn room(&self) -> usize {
        self.buffer.capacity().saturating_sub(self.buffer.len())
    }

    /// Takes bytes in; those beyond [`room`](Self::room) break the stream.
    pub fn feed(&mut self, bytes: &[u8]) {
        if bytes.len() > self.room() {
            self.broken = Some(Corrupt::TooLong(bytes.len()));
            return;
        }
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, if it is all there.
    #[allow(clippy::should_implement_trait, reason = "an outcome, not an iteration")]
    pub fn next(&mut self) -> Parsed<T, Corrupt> {
        if let Some(why) = self.broken {
            return Parsed::Corrupt(why);
        }
        let Some((prefix, rest)) = self.buffer.split_first_chunk::<PREFIX>() else {
            return Parsed::NeedMore;
        };
        let len = u32::from_le_bytes(*prefix) as usize;
        if len > MAX_MESSAGE {
            return self.corrupt(Corrupt::TooLong(len));
        }
        let Some(body) = rest.get(..len) else { return Parsed::NeedMore };
        let parsed = postcard::take_from_bytes(body);
        match parsed {
            Ok((item, [])) => {
                let used = PREFIX + len;
                let left = self.buffer.len() - used;
                self.buffer.copy_within(used.., 0);
                if let Some(tail) = self.buffer.get_mut(left..) {
                    tail.zeroize();
                }
                self.buffer.truncate(left);
                Parsed::Item(item)
            }
            _ => self.corrupt(Corrupt::Malformed),
        }
    }

    fn corrupt(&mut self, why: Corrupt) -> Parsed<T, Corrupt> {
        self.broken = Some(why);
        Parsed::Corrupt(why)
    }
}

impl FromWorker {
    /// [`FromWorker::Unfit`] with the reason cut to [`MAX_REASON`].
    pub fn unfit(why: &str) -> Self {
        let end = (0..=MAX_REASON.min(why.len())).rev().find(|&at| why.is_char_boundary(at));
        Self::Unfit { why: why.get(..end.unwrap_or(0)).unwrap_or_default().to_owned() }
    }
}

impl Serialize for ModelHash {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(s)
    }
}

impl<'de> Deserialize<'de> for ModelHash {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Deserialize::deserialize(d).map(Self)
    }
}

#[cfg(test)]
mod tests;
