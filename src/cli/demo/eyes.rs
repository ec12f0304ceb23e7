//! The independent witness: a subscriber of the broker and a client of the output socket. It knows
//! nothing of the daemon's code but the documents: `docs/mqtt.md`, `docs/sim.md`.

use crate::trust::{PublicKey, signed_json};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Something seen.
#[derive(Clone, Debug)]
pub enum Sight {
    /// An output line changed.
    Output {
        name: String,
        active: bool,
    },
    /// The output socket ended: the daemon is gone.
    SocketGone,
    Event(Value),
    Health(Value),
    Ack(Value),
    /// To a command.
    Answer(Value),
    /// A message whose signature is not the gate's.
    Forged,
}

/// A sight and when.
#[derive(Clone, Debug)]
pub struct Seen {
    pub at: Instant,
    pub what: Sight,
}

#[derive(Default)]
struct Book {
    seen: Vec<Seen>,
    /// Every text as it came, for the search for names at the end.
    texts: Vec<String>,
    /// How often each (gate, epoch, seq) came.
    numbers: BTreeMap<(String, String, u64), u32>,
}

/// What was seen so far, and a way to wait for more.
#[derive(Clone, Default)]
pub struct Eyes {
    book: Arc<(Mutex<Book>, Condvar)>,
}

impl Eyes {
    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, what: Sight) {
        self.book().seen.push(Seen { at: Instant::now(), what });
        self.book.1.notify_all();
    }

    /// How much was seen: a mark to wait from.
    pub fn mark(&self) -> usize {
        self.book().seen.len()
    }

    /// What was seen since a mark.
    pub fn since(&self, mark: usize) -> Vec<Seen> {
        self.book().seen.get(mark..).unwrap_or_default().to_vec()
    }

    /// Waits until something seen since `mark` pleases; `None` when the time is up.
    pub fn wait(
        &self,
        mark: usize,
        within: Duration,
        pleases: impl Fn(&Sight) -> bool,
    ) -> Option<Seen> {
        let end = Instant::now() + within;
        let mut book = self.book();
        let mut looked_at = mark;
        loop {
            let found = book.seen.iter().skip(looked_at).find(|seen| pleases(&seen.what));
            if let Some(seen) = found {
                return Some(seen.clone());
            }
            looked_at = book.seen.len();
            let left = end.checked_duration_since(Instant::now())?;
            book = self.book.1.wait_timeout(book, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Every event's (gate, epoch, seq) and how often it came.
    pub fn numbers(&self) -> BTreeMap<(String, String, u64), u32> {
        self.book().numbers.clone()
    }

    /// Whether any text from the gate holds one of these.
    pub fn mentions(&self, secrets: &[String]) -> bool {
        self.book().texts.iter().any(|text| secrets.iter().any(|s| text.contains(s.as_str())))
    }

    /// Watches the output socket until the daemon ends.
    pub fn watch_outputs(&self, stream: UnixStream) -> std::io::Result<()> {
        let eyes = self.clone();
        spawn("eyes-outputs", move || {
            for line in BufReader::new(stream).lines() {
                let Ok(line) = line else { break };
                let Ok(notice) = serde_json::from_str::<Value>(&line) else { continue };
                if let (Some(name), Some(active)) =
                    (notice["output"].as_str(), notice["active"].as_bool())
                {
                    eyes.note(Sight::Output { name: name.into(), active });
                }
            }
            eyes.note(Sight::SocketGone);
        })
    }

    /// Subscribes to everything the gate says, with a session that outlives a broker's restart.
    pub fn watch_broker(
        &self,
        port: u16,
        site: &str,
        gate: &str,
        key: PublicKey,
    ) -> std::io::Result<()> {
        let mut options = MqttOptions::new("demo-eyes", "127.0.0.1", port);
        options.set_clean_session(false).set_keep_alive(Duration::from_secs(5));
        options.set_max_packet_size(1 << 20, 1 << 20);
        let (client, mut connection) = Client::new(options, 16);
        let prefix = format!("eithergate/v1/{site}/{gate}/");
        let topic = format!("{prefix}+");
        let eyes = self.clone();
        spawn("eyes-broker", move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::ConnAck(_))) => {
                        let _ = client.try_subscribe(&topic, QoS::AtLeastOnce);
                    }
                    Ok(Event::Incoming(Packet::Publish(message))) => {
                        let leaf = message.topic.strip_prefix(&prefix).unwrap_or_default();
                        let text = String::from_utf8_lossy(&message.payload).into_owned();
                        eyes.hear(leaf, &message.topic, text, &key);
                    }
                    Ok(_) => {}
                    Err(_) => std::thread::sleep(Duration::from_millis(200)),
                }
            }
        })
    }

    fn hear(&self, leaf: &str, topic: &str, text: String, key: &PublicKey) {
        if !matches!(leaf, "event" | "health" | "ack" | "answer") {
            return;
        }
        let sight = match signed_json::verify(topic, &text, key) {
            Err(_) => Sight::Forged,
            Ok(object) => {
                let value: Value = serde_json::from_str(&object).unwrap_or_default();
                match leaf {
                    "event" => Sight::Event(value),
                    "health" => Sight::Health(value),
                    "answer" => Sight::Answer(value),
                    _ => Sight::Ack(value),
                }
            }
        };
        {
            let mut book = self.book();
            if let Sight::Event(event) = &sight {
                let word = |key: &str| event[key].as_str().unwrap_or_default().to_owned();
                let number = (word("gate"), word("epoch"), event["seq"].as_u64().unwrap_or(0));
                *book.numbers.entry(number).or_default() += 1;
            }
            book.texts.push(text);
        }
        self.note(sight);
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name(name.into()).spawn(work).map(drop)
}

impl Sight {
    /// An event of this kind, with these texts as fields.
    pub fn is_event(&self, kind: &str, fields: &[(&str, &str)]) -> bool {
        let Sight::Event(event) = self else { return false };
        event["kind"] == kind && fields.iter().all(|(key, value)| event[*key] == *value)
    }

    pub fn is_output(&self, want: bool) -> bool {
        matches!(self, Sight::Output { active, .. } if *active == want)
    }
}
