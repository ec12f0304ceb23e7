//! What reaches the worker: messages from the daemon, frames from the capture program. One thread waits
//! for both and leaves them in a mailbox; the processing loop takes them out.
//!
//! Of frames the mailbox holds one, the newest: a frame that was not processed in time is overwritten,
//! never queued. Every buffer that held a picture is overwritten with zeros before it is used again.

use crate::domain::{Clock, Imaging, Instant, Rotation, Spectrum};
use crate::io::clock::SystemClock;
use crate::vision::{BadFrame, upright};
use crate::wire::Parsed;
use crate::wire::worker::{Decoder, ToWorker};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::VecDeque;
use std::io::{self, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use zeroize::{Zeroize, Zeroizing};

/// Messages held for the processing loop; the daemon waits when it is full.
const COMMANDS: usize = 64;
/// From one frame to the next: less than 1/60 s, the fastest that can be configured.
const SHORTEST_FRAME: crate::domain::Duration = crate::domain::Duration::from_millis(12);
/// Descriptors that came and whose message did not yet.
const DESCRIPTORS: usize = 4;

pub type Buffer = Zeroizing<Vec<u8>>;

/// One I420 frame.
pub struct Frame {
    pub data: Buffer,
    /// When its last byte was read.
    pub captured_at: Instant,
    /// What light made it.
    pub imaging: Imaging,
}

/// Where frames of a camera that is mounted on its side are turned upright.
pub struct Turning {
    /// As the capture program writes them.
    pub size: (u32, u32),
    buffer: Buffer,
}

impl Turning {
    pub fn new(size: (u32, u32)) -> Self {
        Self { size, buffer: Zeroizing::new(Vec::new()) }
    }

    /// Calls `look` with the frame as people stand upright in it. Of a frame that had to be turned nothing is left
    /// here.
    pub fn upright<T>(
        &mut self,
        frame: &Frame,
        look: impl FnOnce(&[u8]) -> T,
    ) -> Result<T, BadFrame> {
        if frame.imaging.rotation == Rotation::None {
            return Ok(look(&frame.data));
        }
        self.buffer.resize(frame.data.len(), 0);
        upright(frame.imaging.rotation, self.size, &frame.data, &mut self.buffer)?;
        let seen = look(&self.buffer);
        self.buffer.as_mut_slice().zeroize();
        Ok(seen)
    }
}

impl Frame {
    /// Takes what an infrared sensor gives for colours out: grey, as the models know people.
    pub fn settle_colours(&mut self) {
        if self.imaging.spectrum == Spectrum::Infrared {
            // Chroma is the last third of an I420 frame; 128 is none.
            let luma = self.data.len() / 3 * 2;
            self.data.get_mut(luma..).unwrap_or_default().fill(128);
        }
    }
}

#[derive(Default)]
struct Mail {
    commands: VecDeque<ToWorker>,
    frame: Option<Frame>,
    /// A buffer of zeros, returned by the loop.
    spare: Option<Buffer>,
    seen: u64,
    last_frame_at: Option<Instant>,
    ended: Option<Result<(), String>>,
}

/// What one turn of the processing loop has to do.
pub struct Turn {
    pub commands: VecDeque<ToWorker>,
    pub frame: Option<Frame>,
    /// Complete frames that arrived since the start.
    pub seen: u64,
    pub last_frame_at: Option<Instant>,
    /// The daemon closed its end, or made no sense.
    pub ended: Option<Result<(), String>>,
}

#[derive(Default)]
pub struct Mailbox {
    mail: Mutex<Mail>,
    changed: Condvar,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Mail> {
        // Nothing is left half-done under this lock.
        self.mail.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything there is, after waiting at most `limit` for something.
    pub fn turn(&self, limit: Duration) -> Turn {
        let idle = |m: &mut Mail| m.commands.is_empty() && m.frame.is_none() && m.ended.is_none();
        let (mut mail, _) = self
            .changed
            .wait_timeout_while(self.lock(), limit, idle)
            .unwrap_or_else(PoisonError::into_inner);
        let turn = Turn {
            commands: std::mem::take(&mut mail.commands),
            frame: mail.frame.take(),
            seen: mail.seen,
            last_frame_at: mail.last_frame_at,
            ended: mail.ended.clone(),
        };
        drop(mail);
        self.changed.notify_all();
        turn
    }

    /// Gives a processed frame's buffer back, wiped.
    pub fn give_back(&self, mut buffer: Buffer) {
        buffer.as_mut_slice().zeroize();
        self.lock().spare = Some(buffer);
    }

    /// Leaves a frame in place of an unprocessed one; returns a buffer of zeros for the next.
    fn put_frame(&self, frame: Frame) -> Buffer {
        let len = frame.data.len();
        let mut mail = self.lock();
        mail.seen += 1;
        mail.last_frame_at = Some(frame.captured_at);
        let next = match mail.frame.replace(frame) {
            Some(Frame { mut data, .. }) => {
                data.as_mut_slice().zeroize();
                data
            }
            None => mail.spare.take().unwrap_or_else(|| Zeroizing::new(vec![0; len])),
        };
        drop(mail);
        self.changed.notify_all();
        next
    }

    fn put_command(&self, command: ToWorker) {
        let full = |m: &mut Mail| m.commands.len() >= COMMANDS;
        let mut mail =
            self.changed.wait_while(self.lock(), full).unwrap_or_else(PoisonError::into_inner);
        mail.commands.push_back(command);
        drop(mail);
        self.changed.notify_all();
    }

    fn end(&self, outcome: Result<(), String>) {
        self.lock().ended = Some(outcome);
        self.changed.notify_all();
    }
}

/// The source of frames and the frame that is being read.
struct Source {
    pipe: Option<OwnedFd>,
    filling: Buffer,
    filled: usize,
    imaging: Imaging,
    /// Nothing is read before this: no camera is faster, and one that floods must not eat the processor.
    rest_until: Instant,
}

impl Source {
    fn replace(&mut self, pipe: Option<OwnedFd>) {
        self.pipe = pipe;
        self.filled = 0;
        self.filling.as_mut_slice().zeroize();
    }
}

/// The daemon's messages, decoded, and the descriptors that came with them.
pub struct Inbox {
    socket: UnixStream,
    decoder: Decoder<ToWorker>,
    descriptors: VecDeque<OwnedFd>,
}

impl Inbox {
    pub fn new(socket: UnixStream) -> Self {
        Self { socket, decoder: Decoder::new(), descriptors: VecDeque::new() }
    }

    /// The next message, waiting for it; `None` when the daemon closed its end.
    pub fn wait(&mut self) -> Result<Option<ToWorker>, String> {
        loop {
            match self.decoder.next() {
                Parsed::Item(message) => return Ok(Some(message)),
                Parsed::Corrupt(why) => return Err(why.to_string()),
                Parsed::NeedMore | Parsed::NotForUs if self.receive()? => {}
                Parsed::NeedMore | Parsed::NotForUs => return Ok(None),
            }
        }
    }

    /// Reads what is there; `false` at the end.
    fn receive(&mut self) -> Result<bool, String> {
        let mut bytes = Zeroizing::new([0; 4096]);
        let room = self.decoder.room().min(bytes.len());
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(DESCRIPTORS))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let slice = bytes.get_mut(..room).unwrap_or_default();
        let mut slices = [IoSliceMut::new(slice)];
        let got = match recvmsg(&self.socket, &mut slices, &mut control, RecvFlags::CMSG_CLOEXEC) {
            Ok(got) => got.bytes,
            Err(Errno::INTR) => return Ok(true),
            Err(Errno::CONNRESET) => return Ok(false),
            Err(e) => return Err(format!("can't read from the daemon: {e}")),
        };
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(fds) = message {
                self.descriptors.extend(fds);
            }
        }
        if self.descriptors.len() > DESCRIPTORS {
            return Err("more descriptors than messages".to_owned());
        }
        self.decoder.feed(bytes.get(..got).unwrap_or_default());
        Ok(got > 0)
    }
}

/// Reads until the daemon closes its end. Runs on a thread of its own.
pub fn run(mut inbox: Inbox, frame_len: usize, imaging: Imaging, mailbox: &Arc<Mailbox>) {
    let mut source = Source {
        pipe: None,
        filling: Zeroizing::new(vec![0; frame_len]),
        filled: 0,
        imaging,
        rest_until: Instant(0),
    };
    let outcome = loop {
        match deliver(&mut inbox, &mut source, mailbox).and_then(|()| wait(&mut inbox, &source)) {
            Ok(Ready { messages: Some(true), .. }) => {}
            Ok(Ready { messages: Some(false), .. }) => break Ok(()),
            Ok(Ready { frames: true, .. }) => read_frames(&mut source, mailbox),
            Ok(_) => {}
            Err(why) => break Err(why),
        }
    };
    mailbox.end(outcome);
}

/// Passes on the messages that are complete.
fn deliver(inbox: &mut Inbox, source: &mut Source, mailbox: &Mailbox) -> Result<(), String> {
    loop {
        match inbox.decoder.next() {
            Parsed::NeedMore | Parsed::NotForUs => return Ok(()),
            Parsed::Corrupt(why) => return Err(why.to_string()),
            Parsed::Item(ToWorker::Frames) => match inbox.descriptors.pop_front() {
                Some(pipe) => source.replace(Some(pipe)),
                None => return Err("frames without a descriptor".to_owned()),
            },
            Parsed::Item(command) => mailbox.put_command(command),
        }
    }
}

struct Ready {
    /// Messages were read (`true`) or the daemon closed its end (`false`).
    messages: Option<bool>,
    frames: bool,
}

fn wait(inbox: &mut Inbox, source: &Source) -> Result<Ready, String> {
    let (messages, frames) = {
        let socket = PollFd::new(&inbox.socket, PollFlags::IN);
        let mut both = [socket.clone(), socket];
        let mut count = 1;
        let rest = source.rest_until.since(SystemClock.now());
        let mut limit = None;
        if let (Some(pipe), [_, second]) = (&source.pipe, &mut both) {
            if rest == crate::domain::Duration::ZERO {
                *second = PollFd::new(pipe, PollFlags::IN);
                count = 2;
            } else {
                limit = Timespec::try_from(Duration::from(rest)).ok();
            }
        }
        match poll(both.get_mut(..count).unwrap_or_default(), limit.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Ready { messages: None, frames: false }),
            Err(e) => return Err(format!("can't wait for the daemon: {e}")),
        }
        let [socket, pipe] = &both;
        (!socket.revents().is_empty(), count == 2 && !pipe.revents().is_empty())
    };
    let messages = messages.then(|| inbox.receive()).transpose()?;
    Ok(Ready { messages, frames })
}

/// Reads what is there, at most to the end of one frame.
fn read_frames(source: &mut Source, mailbox: &Mailbox) {
    let Source { pipe: Some(pipe), filling, filled, imaging, rest_until } = source else { return };
    let rest = filling.get_mut(*filled..).unwrap_or_default();
    match rustix::io::read(&*pipe, rest) {
        Err(Errno::INTR | Errno::AGAIN) => {}
        // The capture program ended; the daemon notices and sends another pipe.
        Ok(0) | Err(_) => source.replace(None),
        Ok(count) => {
            *filled += count;
            if *filled >= filling.len() {
                let (data, now) = (std::mem::take(filling), SystemClock.now());
                *filling = mailbox.put_frame(Frame { data, captured_at: now, imaging: *imaging });
                *filled = 0;
                *rest_until = now + SHORTEST_FRAME;
            }
        }
    }
}

/// The worker's standard input, if it is the socket that a daemon gives it.
pub fn socket() -> io::Result<UnixStream> {
    use std::os::fd::AsFd;
    let fd = io::stdin().as_fd().try_clone_to_owned()?;
    rustix::net::sockopt::socket_type(&fd)?;
    Ok(UnixStream::from(fd))
}
