//! The daemon's end of the worker's socket: one thread reads, one writes, so that neither the worker's
//! slowness nor its silence ever holds the supervisor.

use super::{Enrolled, Note};
use crate::wire::Parsed;
use crate::wire::template::MAX_SEALED;
use crate::wire::worker::{Decoder, FromWorker, Hello, ToWorker, encode};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::io::{self, IoSlice, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread;

/// Messages on their way to the worker.
const OUTBOX: usize = 1024;

enum Out {
    Message(ToWorker),
    Gallery(Enrolled),
    Frames(OwnedFd),
}

/// The daemon's end and, for the worker's standard input, the other.
pub fn pair() -> io::Result<(UnixStream, Stdio)> {
    let (ours, theirs) = UnixStream::pair()?;
    Ok((ours, Stdio::from(OwnedFd::from(theirs))))
}

pub struct Link {
    outbox: SyncSender<Out>,
}

impl Link {
    /// Starts talking: `hello` goes out, what comes in goes to `notes` under `id`.
    pub fn open(
        id: u64,
        socket: UnixStream,
        hello: Hello,
        notes: &SyncSender<Note>,
    ) -> io::Result<Self> {
        let (outbox, queue) = sync_channel(OUTBOX);
        let (reading, notes) = (socket.try_clone()?, notes.clone());
        let name = |name: &str| thread::Builder::new().name(name.to_owned());
        let sent = notes.clone();
        name("face-read").spawn(move || read(id, reading, &notes))?;
        name("face-write").spawn(move || {
            // An error means that the worker is gone, which its exit tells better.
            let _ = write(id, socket, hello, &queue, &sent);
        })?;
        Ok(Self { outbox })
    }

    /// Never waits.
    pub fn message(&self, message: ToWorker) -> Result<(), TrySendError<()>> {
        self.put(Out::Message(message))
    }

    pub fn gallery(&self, enrolled: Enrolled) -> Result<(), TrySendError<()>> {
        self.put(Out::Gallery(enrolled))
    }

    /// Hands over the read end of the capture program's pipe.
    pub fn frames(&self, pipe: OwnedFd) -> Result<(), TrySendError<()>> {
        self.put(Out::Frames(pipe))
    }

    fn put(&self, out: Out) -> Result<(), TrySendError<()>> {
        self.outbox.try_send(out).map_err(|e| match e {
            TrySendError::Full(_) => TrySendError::Full(()),
            TrySendError::Disconnected(_) => TrySendError::Disconnected(()),
        })
    }
}

fn read(id: u64, mut socket: UnixStream, notes: &SyncSender<Note>) {
    let mut decoder = Decoder::<FromWorker>::new();
    let mut bytes = [0; 1024];
    loop {
        let count = match socket.read(&mut bytes) {
            // That it ended is told by its exit.
            Ok(0) => return,
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        decoder.feed(bytes.get(..count).unwrap_or_default());
        loop {
            let note = match decoder.next() {
                Parsed::NeedMore | Parsed::NotForUs => break,
                Parsed::Item(message) => Note::Said(id, message),
                Parsed::Corrupt(why) => {
                    let _ = notes.send(Note::Garbled(id, why));
                    return;
                }
            };
            if notes.send(note).is_err() {
                return;
            }
        }
    }
}

fn write(
    id: u64,
    mut socket: UnixStream,
    hello: Hello,
    queue: &Receiver<Out>,
    notes: &SyncSender<Note>,
) -> io::Result<()> {
    send(&mut socket, &ToWorker::Hello(hello))?;
    for out in queue {
        match out {
            Out::Message(message) => send(&mut socket, &message)?,
            Out::Gallery(Enrolled { templates, apart }) => {
                for pair in apart {
                    send(&mut socket, &ToWorker::Separate(pair))?;
                }
                let (mut sent, mut unfit) = (0, 0);
                for sealed in templates {
                    // Longer is no sealed template, and would not fit into a message.
                    let Some(sealed) = sealed.filter(|s| s.bytes.len() <= MAX_SEALED) else {
                        unfit += 1;
                        continue;
                    };
                    send(&mut socket, &ToWorker::Enrol(sealed))?;
                    sent += 1;
                }
                // Before anything else is sent, so that what is answered after it was no part of it.
                if notes.send(Note::Sent(id, sent, unfit)).is_err() {
                    return Ok(());
                }
            }
            Out::Frames(pipe) => send_with(&mut socket, &ToWorker::Frames, pipe)?,
        }
    }
    Ok(())
}

fn send(socket: &mut UnixStream, message: &ToWorker) -> io::Result<()> {
    // A stored template that is too long is no template; the worker would refuse it, too.
    let Some(bytes) = encode(message) else { return Ok(()) };
    socket.write_all(&bytes)
}

fn send_with(socket: &mut UnixStream, message: &ToWorker, fd: OwnedFd) -> io::Result<()> {
    let Some(bytes) = encode(message) else { return Ok(()) };
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    control.push(SendAncillaryMessage::ScmRights(&fds));
    let sent = loop {
        match sendmsg(&*socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL) {
            Err(rustix::io::Errno::INTR) => {}
            other => break other?,
        }
    };
    socket.write_all(bytes.get(sent..).unwrap_or_default())
}
