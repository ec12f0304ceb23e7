//! `eithergate-face sandbox-test`: shut in as the worker is, then try what must not be possible. `check`
//! and the tests run it.

use super::sandbox;
use crate::failure::Failure;
use serde::Serialize;
use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc::sync_channel;

/// One JSON object on stdout. Whatever is not `"refused"` says what happened instead.
#[derive(Serialize)]
struct Verdict {
    landlock_abi: u8,
    seccomp: bool,
    udp: String,
    tcp: String,
    unix: String,
    open: String,
    create: String,
    run: String,
    /// A call of no use to anybody, to show that what is not listed is refused.
    unlisted: String,
    /// The same from a thread that was started before.
    earlier_udp: String,
    earlier_open: String,
    /// A thread can start: refusing that would end the worker on its first parallel inference.
    thread: String,
}

/// Exits 0 only if all was refused (1 otherwise).
pub fn run() -> Result<(), Failure> {
    let temporary = std::env::temp_dir().join(format!("eithergate-{}", std::process::id()));
    sandbox::prepare()
        .map_err(|e| Failure::Unavailable(format!("can't begin to shut the process in: {e}")))?;
    // The inference library's threads are there before the walls are.
    let (enter, entered) = sync_channel::<()>(0);
    let earlier = std::thread::spawn(move || {
        let _ = entered.recv();
        [refused(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))), refused(File::open("/etc/hostname"))]
    });
    let status = sandbox::enter();
    drop(enter);
    let [earlier_udp, earlier_open] =
        earlier.join().unwrap_or_else(|_| ["failed".to_owned(), "failed".to_owned()]);
    let created = refused(File::create(&temporary));
    if created != REFUSED {
        let _ = std::fs::remove_file(&temporary);
    }
    let verdict = Verdict {
        landlock_abi: status.landlock_abi,
        seccomp: status.seccomp,
        udp: refused(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))),
        tcp: refused(TcpStream::connect((Ipv4Addr::LOCALHOST, 9))),
        unix: refused(UnixStream::connect("/run/systemd/notify")),
        open: refused(File::open("/etc/hostname")),
        create: created,
        run: refused(Command::new("/bin/true").status()),
        unlisted: refused(rustix::thread::set_no_new_privs(true).map_err(io::Error::from)),
        earlier_udp,
        earlier_open,
        thread: std::thread::Builder::new().spawn(|| ()).map_or_else(
            |e| e.to_string(),
            |thread| thread.join().map_or("failed", |()| "started").to_owned(),
        ),
    };
    let all_refused = [
        &verdict.udp,
        &verdict.tcp,
        &verdict.unix,
        &verdict.open,
        &verdict.create,
        &verdict.run,
        &verdict.unlisted,
        &verdict.earlier_udp,
        &verdict.earlier_open,
    ]
    .into_iter()
    .all(|outcome| outcome == REFUSED);
    let text = serde_json::to_string(&verdict)
        .map_err(|e| Failure::Unavailable(format!("can't write the verdict: {e}")))?;
    println!("{text}");
    if all_refused && verdict.thread == "started" { Ok(()) } else { Err(Failure::Negative) }
}

const REFUSED: &str = "refused";

/// Refused is EPERM or EACCES. Any other error means that the attempt got past the walls.
fn refused<T>(outcome: io::Result<T>) -> String {
    match outcome {
        Ok(_) => "allowed".to_owned(),
        Err(e) if e.kind() == io::ErrorKind::PermissionDenied => REFUSED.to_owned(),
        Err(e) => e.to_string(),
    }
}
