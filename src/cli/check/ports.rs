//! The serial ports of readers: there, ours, and not a login console. `root` is the machine's file system,
//! or a test's.

use super::Finding;
use crate::app::{self, Answer, Question};
use crate::config::{Config, Link, Serial};
use crate::io::port::{self, Why};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

const CHECK: &str = "serial port";

pub(super) fn ports(config: &Config) -> Vec<Finding> {
    let serial = config.readers.iter().filter_map(|reader| match &reader.link {
        Link::Serial(serial) => Some((reader.name.as_str(), serial)),
        _ => None,
    });
    let serial: Vec<_> = serial.collect();
    if serial.is_empty() {
        return Vec::new();
    }
    // A running gate has the ports open already, and knows how they are.
    let health = match app::ask(config, &Question::Health {}) {
        Ok(Answer::Ok(health)) => Some(health),
        _ => None,
    };
    let mut found = Vec::new();
    for (name, serial) in serial {
        let path = &serial.port.path;
        found.push(match &health {
            Some(health) => running(name, path, health),
            None => opened(Path::new("/"), name, serial),
        });
        found.extend(console(Path::new("/"), path));
        if !serial.framing.framing.is_checked() {
            found.push(Finding::warn(
                CHECK,
                format!("reader {name}: framing {} has no checksum", serial.framing.name),
                "a disturbed byte is another card's number: keep the cable short and away from mains",
            ));
        }
    }
    found
}

fn running(name: &str, path: &Path, health: &serde_json::Value) -> Finding {
    let readers = health["readers"].as_array().into_iter().flatten();
    let state = readers.filter(|r| r["name"] == name).find_map(|r| r["state"].as_str());
    let detail = format!("reader {name}: {}", path.display());
    match state {
        Some("down") => {
            Finding::fail(CHECK, format!("{detail} is not there"), "see the daemon's log for why")
        }
        _ => Finding::pass(CHECK, format!("{detail}, open in the running gate")),
    }
}

fn opened(root: &Path, name: &str, serial: &Serial) -> Finding {
    let path = &serial.port.path;
    match port::open(&serial.port) {
        Ok(_) => {
            let (baud, framing) = (serial.port.baud, &serial.framing.name);
            let detail = format!("reader {name}: {}, {baud} baud, {framing}", path.display());
            Finding::pass(CHECK, detail)
        }
        Err(error) => {
            let remedy = match &error.why {
                Why::Missing => "plug the adapter in, or name the port it has now".into(),
                Why::Forbidden => {
                    format!("usermod -aG {} eithergate, and start the gate anew", group(root, path))
                }
                Why::Busy => "stop the other program; see below for a login console".into(),
                _ => "as it says, under [[reader]]".into(),
            };
            Finding::fail(CHECK, format!("reader {name}: {error}"), remedy)
        }
    }
}

/// The group that may use a port, by name.
fn group(root: &Path, port: &Path) -> String {
    let gid = std::fs::metadata(inside(root, port)).map(|m| m.gid().to_string());
    let groups = std::fs::read_to_string(root.join("etc/group")).unwrap_or_default();
    let named = groups.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (Some(fields.nth(1)?) == gid.as_deref().ok()).then(|| name.to_owned())
    });
    named.unwrap_or_else(|| "dialout".into())
}

fn inside(root: &Path, path: &Path) -> PathBuf {
    root.join(path.strip_prefix("/").unwrap_or(path))
}

/// The device's own name, whatever link it was called by: `/dev/serial0` is `ttyAMA0` or `ttyS0`.
fn device(root: &Path, port: &Path) -> Option<String> {
    let path = inside(root, port);
    let real = std::fs::canonicalize(&path).unwrap_or(path);
    Some(real.file_name()?.to_string_lossy().into_owned())
}

/// What a kernel or a getty writes on the port is noise to the reader, and what the reader says is typed
/// at a login prompt.
pub(super) fn console(root: &Path, port: &Path) -> Vec<Finding> {
    let Some(tty) = device(root, port) else { return Vec::new() };
    let is_ours = |name: &str| device(root, &Path::new("/dev").join(name)).as_ref() == Some(&tty);
    let mut found = Vec::new();
    let cmdline = std::fs::read_to_string(root.join("proc/cmdline")).unwrap_or_default();
    let consoles = cmdline.split_ascii_whitespace().filter_map(|w| w.strip_prefix("console="));
    if consoles.filter_map(|c| c.split(',').next()).any(&is_ours) {
        found.push(Finding::fail(
            CHECK,
            format!("the kernel writes its messages to {tty}"),
            format!(
                "take console={tty} (or its other name) off the kernel's command line; on a \
                 Raspberry Pi: raspi-config, Serial Port, no login shell, yes hardware"
            ),
        ));
    }
    if unit(root, &tty) || getty(root, is_ours) {
        found.push(Finding::fail(
            CHECK,
            format!("a login console is on {tty}"),
            format!("systemctl mask --now serial-getty@{tty}.service"),
        ));
    }
    found
}

/// Whether systemd runs a login console there, or will after the next start.
fn unit(root: &Path, tty: &str) -> bool {
    let unit = format!("serial-getty@{tty}.service");
    let running = "sys/fs/cgroup/system.slice/system-serial\\x2dgetty.slice";
    let wanted = "etc/systemd/system/getty.target.wants";
    let exists = |dir: &str| root.join(dir).join(&unit).symlink_metadata().is_ok();
    exists(running) || exists(wanted)
}

/// Whether any getty was started with this port.
fn getty(root: &Path, is_ours: impl Fn(&str) -> bool) -> bool {
    let processes = std::fs::read_dir(root.join("proc")).into_iter().flatten().flatten();
    let numbered =
        processes.filter(|e| e.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()));
    numbered.filter_map(|e| std::fs::read(e.path().join("cmdline")).ok()).any(|cmdline| {
        let mut words = cmdline.split(|b| *b == 0).map(String::from_utf8_lossy);
        let is_getty = words.next().is_some_and(|program| program.ends_with("getty"));
        is_getty && words.any(|w| w.contains("tty") && is_ours(w.trim_start_matches("/dev/")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// A machine of its own: a port `ttyAMA0` that is called `serial0` too, and another, `ttyUSB0`.
    fn machine() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for dir in ["dev", "proc/1", "proc/812", "proc/self", "etc/systemd/system"] {
            fs::create_dir_all(root.path().join(dir)).expect("a folder");
        }
        let write = |path: &str, text: &str| fs::write(root.path().join(path), text);
        write("dev/ttyAMA0", "").expect("a device");
        write("dev/ttyUSB0", "").expect("a device");
        std::os::unix::fs::symlink("ttyAMA0", root.path().join("dev/serial0")).expect("a link");
        write("proc/cmdline", "root=/dev/mmcblk0p2 console=tty1 quiet\n").expect("a command line");
        write("proc/1/cmdline", "/sbin/init\0splash\0").expect("a process");
        write("proc/812/cmdline", "/sbin/agetty\0--noclear\0tty1\0linux\0").expect("a process");
        root
    }

    fn details(root: &tempfile::TempDir, port: &str) -> Vec<String> {
        console(root.path(), Path::new(port)).into_iter().map(|f| f.detail).collect()
    }

    #[test]
    fn a_port_without_a_console_is_fine() {
        let root = machine();
        for port in ["/dev/ttyAMA0", "/dev/serial0", "/dev/ttyUSB0", "/dev/nothing"] {
            assert_eq!(details(&root, port), Vec::<String>::new(), "{port}");
        }
    }

    #[test]
    fn the_kernel_s_console_is_noticed_under_either_name() {
        for (said, asked) in [
            ("console=serial0,115200 console=tty1", "/dev/ttyAMA0"),
            ("console=tty1 console=ttyAMA0,115200n8", "/dev/serial0"),
            ("console=ttyAMA0", "/dev/ttyAMA0"),
        ] {
            let root = machine();
            fs::write(root.path().join("proc/cmdline"), said).expect("written");
            let kernel = "the kernel writes its messages to ttyAMA0";
            assert_eq!(details(&root, asked), [kernel], "{said}");
            assert_eq!(details(&root, "/dev/ttyUSB0"), Vec::<String>::new());
        }
    }

    #[test]
    fn a_login_console_is_noticed_by_its_process_and_by_its_unit() {
        let login = ["a login console is on ttyAMA0"];
        let root = machine();
        let agetty = "/sbin/agetty\0-o\0-p -- \\u\0--keep-baud\x00115200,9600\0ttyAMA0\0vt220\0";
        fs::write(root.path().join("proc/812/cmdline"), agetty).expect("written");
        assert_eq!(details(&root, "/dev/serial0"), login);
        assert_eq!(details(&root, "/dev/ttyUSB0"), Vec::<String>::new());
        for dir in [
            "sys/fs/cgroup/system.slice/system-serial\\x2dgetty.slice",
            "etc/systemd/system/getty.target.wants",
        ] {
            let root = machine();
            let unit = root.path().join(dir).join("serial-getty@ttyAMA0.service");
            fs::create_dir_all(&unit).expect("a unit");
            assert_eq!(details(&root, "/dev/ttyAMA0"), login, "{dir}");
            assert_eq!(details(&root, "/dev/ttyUSB0"), Vec::<String>::new());
        }
        let remedy = console(root.path(), Path::new("/dev/serial0")).remove(0).remedy;
        assert_eq!(remedy.as_deref(), Some("systemctl mask --now serial-getty@ttyAMA0.service"));
    }

    #[test]
    fn the_remedy_for_a_port_that_is_not_ours_names_its_group() {
        let root = machine();
        let gid = fs::metadata(root.path().join("dev/ttyAMA0")).expect("a device").gid();
        let groups = format!("root2:x:4294967294:\nuucp:x:{gid}:somebody\n");
        fs::write(root.path().join("etc/group"), groups).expect("written");
        assert_eq!(group(root.path(), Path::new("/dev/serial0")), "uucp");
        assert_eq!(group(root.path(), Path::new("/dev/nothing")), "dialout");
    }

    #[test]
    fn what_a_running_gate_says_of_its_port_is_believed() {
        let health = serde_json::json!({"readers": [
            {"name": "entrance", "state": "up"}, {"name": "yard", "state": "down"},
        ]});
        let result = |name| running(name, Path::new("/dev/ttyS0"), &health).result;
        assert_eq!(result("entrance"), super::super::Verdict::Pass);
        assert_eq!(result("yard"), super::super::Verdict::Fail);
    }
}
