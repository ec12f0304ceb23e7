//! A supervisor with the real worker, and a camera that plays pictures.

use super::{LIMIT, PROGRAM, SUBJECT, json, picture, root};
use eithergate::app::face::{Enrolled, FaceEvent, FaceStatus, Options, Supervisor};
use eithergate::domain::{LivenessPolicy, SubjectId, Watch};
use eithergate::wire::template::Sealed;
use eithergate::wire::worker::Tracking;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// A gate's folder: a key, and pictures for the camera to show.
pub struct Gate {
    pub dir: tempfile::TempDir,
    pub events: Option<Receiver<FaceEvent>>,
    pub gallery: Arc<Mutex<Vec<Sealed>>>,
}

impl Gate {
    pub fn new(shows: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("template.key");
        fs::write(&key, "5a".repeat(32)).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let pictures = dir.path().join("pictures");
        fs::create_dir(&pictures).unwrap();
        for name in shows {
            fs::copy(picture(name), pictures.join(name)).unwrap();
        }
        Self { dir, events: None, gallery: Arc::default() }
    }

    pub fn key(&self) -> PathBuf {
        self.dir.path().join("template.key")
    }

    pub fn options(&self) -> Options {
        let models = root().join("models");
        let pictures = self.dir.path().join("pictures").display().to_string();
        // The gap is longer than the tracker's: each picture is a presentation of its own.
        let capture = [
            PROGRAM,
            "frames",
            &pictures,
            "--loop",
            "--hold-ms",
            "2000",
            "--gap-ms",
            "2000",
            "--fps",
            "8",
            "--width",
            "480",
            "--height",
            "640",
        ];
        Options {
            program: PROGRAM.into(),
            detector: models.join("detector.toml"),
            landmarks: models.join("landmarks.toml"),
            embedding: models.join("embedding.toml"),
            former: None,
            liveness: None,
            pins: Vec::new(),
            threads: 1,
            template_key: self.key(),
            capture: capture.iter().map(|s| (*s).to_owned()).collect(),
            width: 480,
            height: 640,
            // Whoever plays is a picture.
            tracking: Tracking { liveness: LivenessPolicy::Off, ..Tracking::default() },
            watch: Watch::default(),
        }
    }

    /// Seals a picture's face for [`subject`], as enrolment does.
    pub fn seal(&self, name: &str) -> Sealed {
        self.seal_for(name, SUBJECT)
    }

    pub fn seal_for(&self, name: &str, who: &str) -> Sealed {
        let output = Command::new(PROGRAM)
            .args(["embed", "--subject", who, "--models"])
            .arg(root().join("models"))
            .arg("--seal")
            .arg(self.key())
            .arg(picture(name))
            .output()
            .unwrap();
        let line = json(&output);
        assert_eq!(line["subject"], who, "{line}");
        let sealed = line["sealed"].as_str().unwrap();
        let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, sealed);
        Sealed { subject: who.parse().unwrap(), bytes: bytes.unwrap() }
    }

    pub fn enrolled(self, name: &str) -> Self {
        let sealed = self.seal(name);
        self.gallery.lock().unwrap().push(sealed);
        self
    }

    pub fn spawn(&mut self, options: Options) -> Supervisor {
        let (sender, events) = sync_channel(1000);
        self.events = Some(events);
        let gallery = Arc::clone(&self.gallery);
        Supervisor::spawn(
            options,
            move || {
                let templates = Box::new(gallery.lock().unwrap().clone().into_iter().map(Some));
                Enrolled { templates, apart: Vec::new() }
            },
            move |event| {
                let _ = sender.try_send(event);
            },
        )
        .unwrap()
    }

    /// The next event that `wanted` takes; all others are passed over.
    pub fn next<T>(&self, what: &str, wanted: impl Fn(&FaceEvent) -> Option<T>) -> T {
        let events = self.events.as_ref().expect("spawned");
        let deadline = Instant::now() + LIMIT;
        let mut passed = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match events.recv_timeout(left) {
                Ok(event) => match wanted(&event) {
                    Some(found) => return found,
                    None => passed.push(event),
                },
                Err(e) => panic!("no {what}: {e}; saw {passed:?}"),
            }
        }
    }

    pub fn event(&self, event: FaceEvent) {
        self.next(&format!("{event:?}"), |e| (*e == event).then_some(()));
    }

    pub fn observed(&self) -> Option<SubjectId> {
        self.next("observation", |e| match e {
            FaceEvent::Observed(o) => Some(o.subject),
            _ => None,
        })
    }
}

pub fn until(supervisor: &Supervisor, what: &str, is: impl Fn(&FaceStatus) -> bool) -> FaceStatus {
    let deadline = Instant::now() + LIMIT;
    loop {
        let status = supervisor.status();
        if is(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "never {what}: {status:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn signal(pid: Option<u32>, signal: &str) {
    let pid = pid.expect("it runs").to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
}
