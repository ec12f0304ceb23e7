//! The link to the broker. What is published comes from the journal through a function it is given; what
//! arrives is handed on as bytes. It decides nothing and trusts nothing.
//!
//! rumqttc's own queue is not relied on: it forgets pending publishes when a session is lost. Each
//! connection starts afresh from what was acknowledged, so a publish may be repeated, which receivers
//! recognise by (gate, epoch, seq), but none is skipped.

use rumqttc::{AsyncClient, Event, EventLoop, LastWill, MqttOptions, Outgoing, Packet, QoS};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Notify;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Publishes on their way at once.
const WINDOW: usize = 64;
/// With this the broker notices a lost gate, and the gate a lost broker, within one and a half times it.
const KEEP_ALIVE: Duration = Duration::from_secs(5);
const RETRY_MIN: Duration = Duration::from_millis(250);
const RETRY_MAX: Duration = Duration::from_secs(5);
/// A connection that lived this long was a good one.
const SETTLED: Duration = Duration::from_secs(10);
/// An allowlist of 100,000 cards is about 5 MB; rumqttc's default is 10 KB.
const MAX_INCOMING: usize = 64 << 20;
const MAX_OUTGOING: usize = 1 << 20;

/// Where the broker is and what is said there.
#[derive(Clone, Debug)]
pub struct Options {
    pub client_id: String,
    pub host: String,
    pub port: u16,
    pub tls: bool,
    /// PEM file of certificate authorities; the system's where absent.
    pub ca_file: Option<PathBuf>,
    pub user: Option<String>,
    pub password_file: Option<PathBuf>,
    pub event_topic: String,
    pub health_topic: String,
    /// Said by the broker when this gate is gone.
    pub last_will: String,
    /// Topics to hear.
    pub subscribe: Vec<String>,
}

/// What the link needs from the gate. Called from the link's thread.
pub trait Feed: Send + Sync + 'static {
    /// Events after `seq`, as they are to be published, oldest first, at most `max`.
    fn events_after(&self, seq: u64, max: usize) -> Vec<(u64, String)>;
    /// Everything up to here is acknowledged.
    fn acknowledged(&self) -> u64;
    /// The present health report.
    fn health(&self) -> String;
}

/// What the link tells the gate.
#[derive(Debug)]
pub enum LinkEvent {
    Up,
    Down {
        why: String,
    },
    /// The broker has everything up to this event.
    Acked {
        through: u64,
    },
    Message {
        topic: String,
        bytes: Vec<u8>,
        /// The broker says that it had kept this one.
        retained: bool,
    },
}

/// A message to be sent once.
#[derive(Debug)]
pub struct Message {
    pub topic: String,
    pub text: String,
    /// The broker is to keep it for whoever comes later.
    pub retain: bool,
}

/// The gate's end of the link.
#[derive(Clone)]
pub struct Link {
    new_events: Arc<Notify>,
    new_health: Arc<Notify>,
    messages: Sender<Message>,
}

/// Why the link can't even start.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    #[error("{path}: {cause}: name the right file under [broker]")]
    File { path: PathBuf, cause: std::io::Error },
    #[error("{path}: holds no certificate that can be used: {why}")]
    Certificate { path: PathBuf, why: String },
    #[error("the broker's thread can't start: {0}")]
    Thread(#[from] std::io::Error),
}

impl Link {
    /// Starts the link's thread. `emit` may block for as long as the gate is busy.
    pub fn start(
        options: Options,
        feed: Arc<dyn Feed>,
        emit: impl Fn(LinkEvent) + Send + 'static,
    ) -> Result<Self, LinkError> {
        let mqtt = mqtt_options(&options)?;
        let (new_events, new_health) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (messages, outbox) = channel(16);
        let link =
            Self { new_events: new_events.clone(), new_health: new_health.clone(), messages };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let mut session = Session { options, mqtt, feed, new_events, new_health, outbox, emit };
        std::thread::Builder::new()
            .name("mqtt".into())
            .spawn(move || runtime.block_on(session.run()))?;
        Ok(link)
    }

    /// Says that there may be new events to publish.
    pub fn events_waiting(&self) {
        self.new_events.notify_one();
    }

    /// Says that the health report changed, or is due again.
    pub fn health_changed(&self) {
        self.new_health.notify_one();
    }

    /// Queues a message. Dropped if the broker has been away for sixteen of them.
    pub fn say(&self, message: Message) {
        let _ = self.messages.try_send(message);
    }
}

fn mqtt_options(options: &Options) -> Result<MqttOptions, LinkError> {
    let read = |path: &PathBuf| {
        std::fs::read(path).map_err(|cause| LinkError::File { path: path.clone(), cause })
    };
    let mut mqtt = MqttOptions::new(&options.client_id, &options.host, options.port);
    mqtt.set_keep_alive(KEEP_ALIVE)
        .set_clean_session(true)
        .set_inflight(WINDOW as u16)
        .set_max_packet_size(MAX_INCOMING, MAX_OUTGOING)
        .set_last_will(LastWill::new(
            &options.health_topic,
            options.last_will.clone(),
            QoS::AtLeastOnce,
            true,
        ));
    if let Some(user) = &options.user {
        let password = match &options.password_file {
            Some(path) => String::from_utf8_lossy(&read(path)?).trim().to_owned(),
            None => String::new(),
        };
        mqtt.set_credentials(user, password);
    }
    if options.tls {
        mqtt.set_transport(rumqttc::Transport::tls_with_config(tls(options)?.into()));
    }
    Ok(mqtt)
}

fn tls(options: &Options) -> Result<rustls::ClientConfig, LinkError> {
    use rumqttc::tokio_rustls::rustls;
    use rustls::pki_types::{CertificateDer, pem::PemObject};
    let mut roots = rustls::RootCertStore::empty();
    // Debian's bundle, where no other is named.
    let system = PathBuf::from("/etc/ssl/certs/ca-certificates.crt");
    let path = options.ca_file.clone().unwrap_or(system);
    let pem =
        std::fs::read(&path).map_err(|cause| LinkError::File { path: path.clone(), cause })?;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let wrong = |why: String| LinkError::Certificate { path: path.clone(), why };
        let certificate = certificate.map_err(|e| wrong(format!("{e:?}")))?;
        roots.add(certificate).map_err(|e| wrong(e.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| LinkError::Certificate { path, why: e.to_string() })?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

struct Session<E> {
    options: Options,
    mqtt: MqttOptions,
    feed: Arc<dyn Feed>,
    new_events: Arc<Notify>,
    new_health: Arc<Notify>,
    outbox: Receiver<Message>,
    emit: E,
}

/// What was handed to the client and has no packet id yet, or is not acknowledged yet.
#[derive(Default)]
struct Flight {
    /// In the order they were handed over, which is the order they get packet ids in.
    handed: VecDeque<Option<u64>>,
    /// Packet id to event; `None` for what is no event.
    waiting: BTreeMap<u16, Option<u64>>,
    /// Acknowledged events above one that isn't.
    ahead: BTreeMap<u64, ()>,
    /// The newest event handed over.
    sent: u64,
    acked: u64,
}

impl Flight {
    fn starting_after(acked: u64) -> Self {
        Self { sent: acked, acked, ..Self::default() }
    }

    fn room(&self) -> usize {
        WINDOW.saturating_sub(self.handed.len() + self.waiting.len())
    }

    /// Returns through which event everything is acknowledged, if that moved.
    fn acknowledge(&mut self, packet: u16) -> Option<u64> {
        let seq = self.waiting.remove(&packet)??;
        self.ahead.insert(seq, ());
        let before = self.acked;
        // Numbers are gapless on disk but for what had to go, so the next in order is the next sent.
        let unacked = self.waiting.values().chain(&self.handed).flatten().min().copied();
        while let Some((&seq, ())) = self.ahead.first_key_value() {
            if unacked.is_some_and(|unacked| unacked < seq) {
                break;
            }
            self.acked = seq;
            self.ahead.pop_first();
        }
        (self.acked != before).then_some(self.acked)
    }
}

impl<E: Fn(LinkEvent) + Send + 'static> Session<E> {
    async fn run(&mut self) {
        let mut wait = RETRY_MIN;
        loop {
            let start = tokio::time::Instant::now();
            // A broker that takes us in and throws us out at once (or sends what is too large to take) is no
            // better than none.
            if self.connection().await && start.elapsed() >= SETTLED {
                wait = RETRY_MIN;
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_MAX);
        }
    }

    /// One connection from beginning to end. `true` if it came up at all.
    async fn connection(&mut self) -> bool {
        let (client, mut events) = AsyncClient::new(self.mqtt.clone(), 2 * WINDOW);
        events.network_options.set_connection_timeout(5);
        let mut flight = None;
        loop {
            match self.turn(&client, &mut events, &mut flight).await {
                Ok(()) => {}
                Err(why) => {
                    let was_up = flight.is_some();
                    (self.emit)(LinkEvent::Down { why });
                    return was_up;
                }
            }
        }
    }

    async fn turn(
        &mut self,
        client: &AsyncClient,
        events: &mut EventLoop,
        flight: &mut Option<Flight>,
    ) -> Result<(), String> {
        tokio::select! {
            event = events.poll() => match event.map_err(|e| e.to_string())? {
                Event::Incoming(Packet::ConnAck(_)) => {
                    *flight = Some(Flight::starting_after(self.feed.acknowledged()));
                    for topic in &self.options.subscribe {
                        client.try_subscribe(topic, QoS::AtLeastOnce).map_err(|e| e.to_string())?;
                    }
                    (self.emit)(LinkEvent::Up);
                    self.new_health.notify_one();
                    self.new_events.notify_one();
                }
                Event::Incoming(Packet::Publish(message)) => (self.emit)(LinkEvent::Message {
                    topic: message.topic,
                    bytes: message.payload.to_vec(),
                    retained: message.retain,
                }),
                Event::Incoming(Packet::PubAck(ack)) => {
                    if let Some(through) = flight.as_mut().and_then(|f| f.acknowledge(ack.pkid)) {
                        (self.emit)(LinkEvent::Acked { through });
                    }
                    self.send_events(client, flight)?;
                }
                Event::Outgoing(Outgoing::Publish(packet)) => {
                    if let Some(flight) = flight
                        && let Some(event) = flight.handed.pop_front()
                    {
                        flight.waiting.insert(packet, event);
                    }
                }
                _ => {}
            },
            () = self.new_events.notified(), if flight.is_some() => {
                self.send_events(client, flight)?;
            }
            () = self.new_health.notified(), if flight.as_ref().is_some_and(|f| f.room() > 0) => {
                let (topic, health) = (self.options.health_topic.clone(), self.feed.health());
                self.publish(client, flight, topic, true, health, None)?;
            }
            Some(message) = self.outbox.recv(), if flight.as_ref().is_some_and(|f| f.room() > 0) => {
                self.publish(client, flight, message.topic, message.retain, message.text, None)?;
            }
        }
        Ok(())
    }

    fn send_events(&self, client: &AsyncClient, flight: &mut Option<Flight>) -> Result<(), String> {
        let Some(open) = flight else { return Ok(()) };
        // Half a window at a time, so that the store is not asked for one event a turn.
        let room = open.room();
        if room < WINDOW / 2 {
            return Ok(());
        }
        for (seq, text) in self.feed.events_after(open.sent, room - 1) {
            let topic = self.options.event_topic.clone();
            self.publish(client, flight, topic, false, text, Some(seq))?;
        }
        Ok(())
    }

    fn publish(
        &self,
        client: &AsyncClient,
        flight: &mut Option<Flight>,
        topic: String,
        retain: bool,
        text: String,
        seq: Option<u64>,
    ) -> Result<(), String> {
        let Some(flight) = flight else { return Ok(()) };
        client.try_publish(topic, QoS::AtLeastOnce, retain, text).map_err(|e| e.to_string())?;
        flight.handed.push_back(seq);
        flight.sent = flight.sent.max(seq.unwrap_or(0));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(events: &[u64]) -> Flight {
        let mut flight = Flight::starting_after(0);
        for (packet, seq) in (1..).zip(events) {
            flight.waiting.insert(packet, Some(*seq));
        }
        flight
    }

    #[test]
    fn acknowledgements_out_of_order_wait_for_the_one_before() {
        let mut flight = sent(&[1, 2, 3]);
        assert_eq!(flight.acknowledge(2), None);
        assert_eq!(flight.acknowledge(1), Some(2));
        assert_eq!(flight.acknowledge(3), Some(3));
        assert_eq!(flight.acknowledge(3), None, "a repeated one says nothing new");
    }

    #[test]
    fn numbers_missing_from_the_journal_hold_nothing_up() {
        let mut flight = sent(&[5, 9]);
        assert_eq!(flight.acknowledge(1), Some(5));
        assert_eq!(flight.acknowledge(2), Some(9));
    }

    #[test]
    fn an_event_without_a_packet_id_yet_holds_later_ones_up() {
        let mut flight = sent(&[1]);
        flight.handed.push_back(Some(2));
        flight.waiting.insert(7, Some(3));
        assert_eq!(flight.acknowledge(7), None);
        assert_eq!(flight.acknowledge(1), Some(1));
    }
}
