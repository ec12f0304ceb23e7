//! The office's line to the broker: connect, publish and wait until the broker has it, subscribe, receive.
//! Every step has an end in time; a broken line is an error for the caller, never retried in silence.

use rumqttc::{AsyncClient, Event, EventLoop, MqttOptions, Outgoing, Packet, QoS};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::str::FromStr;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::Instant;

/// An envelope and the topic's name around it.
const MAX_OUTGOING_BYTES: usize = crate::trust::MAX_ENVELOPE_BYTES + 1024;

/// Events, health and acknowledgements are a few hundred bytes.
const MAX_INCOMING_BYTES: usize = 64 * 1024;

/// How long the broker may take for a handshake or an acknowledgement, beyond the time a body needs.
const PATIENCE: Duration = Duration::from_secs(10);

/// Messages that arrived while waiting for something else.
const MAX_WAITING: usize = 1_024;

/// Where the broker is: `mqtt://HOST[:PORT]`.
#[derive(Clone, PartialEq, Eq)]
pub struct Broker {
    host: String,
    port: u16,
    login: Option<(String, String)>,
}

/// Why the broker could not be used.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    #[error("must be mqtt://HOST or mqtt://HOST:PORT, e.g. mqtt://127.0.0.1:1883")]
    Url,
    #[error(
        "is mqtts://, which the office's side doesn't speak yet; use mqtt:// on a trusted network"
    )]
    Tls,
    #[error("{broker}: {why}; is the broker running there, and reachable from here?")]
    Line { broker: String, why: String },
    #[error("{broker}: no answer within {seconds} s; is it an MQTT broker?")]
    Late { broker: String, seconds: u64 },
    #[error("{broker}: does not let us subscribe; see the broker's access rules")]
    NotAllowed { broker: String },
    #[error("no event loop: {0}")]
    Runtime(std::io::Error),
}

impl FromStr for Broker {
    type Err = BrokerError;
    fn from_str(s: &str) -> Result<Self, BrokerError> {
        if s.starts_with("mqtts://") {
            return Err(BrokerError::Tls);
        }
        let rest = s.strip_prefix("mqtt://").ok_or(BrokerError::Url)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, port.parse().map_err(|_| BrokerError::Url)?)
            }
            _ => (rest, 1883),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
        if host.is_empty() || !host.chars().all(sound) {
            return Err(BrokerError::Url);
        }
        Ok(Self { host: host.to_owned(), port, login: None })
    }
}

impl fmt::Display for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "mqtt://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "mqtt://{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Broker {
    #[must_use]
    pub fn with_login(mut self, user: String, password: String) -> Self {
        self.login = Some((user, password));
        self
    }
}

/// A message from a subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub payload: Vec<u8>,
}

/// A connection. It is alive only while one of its functions runs, which is enough for a command.
pub struct Session {
    name: String,
    runtime: Runtime,
    client: AsyncClient,
    line: EventLoop,
    waiting: VecDeque<Message>,
}

impl Session {
    /// Connects with a fresh session.
    pub fn connect(broker: &Broker) -> Result<Self, BrokerError> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(BrokerError::Runtime)?;
        let id = format!("eithergate-office-{}", std::process::id());
        let mut options = MqttOptions::new(id, broker.host.as_str(), broker.port);
        options.set_keep_alive(Duration::from_secs(15));
        options.set_max_packet_size(MAX_INCOMING_BYTES, MAX_OUTGOING_BYTES);
        if let Some((user, password)) = &broker.login {
            options.set_credentials(user, password);
        }
        let (client, line) = AsyncClient::new(options, 8);
        let name = broker.to_string();
        let mut session = Self { name, runtime, client, line, waiting: VecDeque::new() };
        session.wait(PATIENCE, |event| {
            matches!(event, Event::Incoming(Packet::ConnAck(_))).then_some(())
        })?;
        Ok(session)
    }

    /// Publishes at QoS 1, retained or not, and waits until the broker has taken it over.
    pub fn publish(
        &mut self,
        topic: &str,
        retain: bool,
        payload: Vec<u8>,
    ) -> Result<(), BrokerError> {
        // A slow line gets its time: 100 kB a second.
        let patience = PATIENCE + Duration::from_secs(payload.len() as u64 / 100_000);
        let asked = self.client.try_publish(topic, QoS::AtLeastOnce, retain, payload);
        asked.map_err(|e| self.line_error(e))?;
        let mut mine = None;
        self.wait(patience, move |event| {
            match event {
                // Its queue was empty, so the first publish that leaves is this one.
                Event::Outgoing(Outgoing::Publish(id)) => mine = mine.or(Some(*id)),
                Event::Incoming(Packet::PubAck(ack)) if Some(ack.pkid) == mine => return Some(()),
                _ => {}
            }
            None
        })
    }

    /// Subscribes at QoS 1 and waits for the broker's consent.
    pub fn subscribe(&mut self, filter: &str) -> Result<(), BrokerError> {
        let asked = self.client.try_subscribe(filter, QoS::AtLeastOnce);
        asked.map_err(|e| self.line_error(e))?;
        let granted = self.wait(PATIENCE, |event| match event {
            Event::Incoming(Packet::SubAck(ack)) => {
                let refused = rumqttc::SubscribeReasonCode::Failure;
                Some(!ack.return_codes.contains(&refused))
            }
            _ => None,
        })?;
        if granted { Ok(()) } else { Err(BrokerError::NotAllowed { broker: self.name.clone() }) }
    }

    /// The next message, or `None` if there was none within that time.
    pub fn next(&mut self, within: Duration) -> Result<Option<Message>, BrokerError> {
        if let Some(message) = self.waiting.pop_front() {
            return Ok(Some(message));
        }
        match self.wait_for(within, |_, waiting| (!waiting.is_empty()).then_some(())) {
            Ok(_) => Ok(self.waiting.pop_front()),
            Err(e) => Err(e),
        }
    }

    /// Says goodbye, so that the broker doesn't take it for a lost line.
    pub fn close(mut self) {
        if self.client.try_disconnect().is_ok() {
            let gone = |event: &Event| matches!(event, Event::Outgoing(Outgoing::Disconnect));
            let _ = self.wait(Duration::from_secs(1), |event| gone(event).then_some(()));
        }
    }

    fn line_error(&self, why: impl fmt::Display) -> BrokerError {
        BrokerError::Line { broker: self.name.clone(), why: why.to_string() }
    }

    /// Keeps the line going until `done` has its answer; not to have it in time is an error.
    fn wait<T>(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T, BrokerError> {
        let late =
            BrokerError::Late { broker: self.name.clone(), seconds: within.as_secs().max(1) };
        self.wait_for(within, |event, _| done(event))?.ok_or(late)
    }

    fn wait_for<T>(
        &mut self,
        within: Duration,
        mut done: impl FnMut(&Event, &VecDeque<Message>) -> Option<T>,
    ) -> Result<Option<T>, BrokerError> {
        let (line, waiting) = (&mut self.line, &mut self.waiting);
        let turns = async {
            loop {
                let event = line.poll().await?;
                if let Event::Incoming(Packet::Publish(publish)) = &event {
                    if waiting.len() == MAX_WAITING {
                        waiting.pop_front();
                    }
                    let (topic, payload) = (publish.topic.clone(), publish.payload.to_vec());
                    waiting.push_back(Message { topic, payload });
                }
                if let Some(answer) = done(&event, waiting) {
                    return Ok::<T, rumqttc::ConnectionError>(answer);
                }
            }
        };
        match self.runtime.block_on(until(within, turns)) {
            None => Ok(None),
            Some(Ok(answer)) => Ok(Some(answer)),
            Some(Err(e)) => Err(self.line_error(e)),
        }
    }
}

async fn until<T>(within: Duration, work: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout_at(Instant::now() + within, work).await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let shown = |s: &str| s.parse::<Broker>().map(|b| b.to_string()).ok();
        assert_eq!(shown("mqtt://127.0.0.1:1883").as_deref(), Some("mqtt://127.0.0.1:1883"));
        assert_eq!(shown("mqtt://broker.lan/").as_deref(), Some("mqtt://broker.lan:1883"));
        assert_eq!(shown("mqtt://[::1]:1884").as_deref(), Some("mqtt://[::1]:1884"));
        assert_eq!(shown("mqtt://[::1]").as_deref(), Some("mqtt://[::1]:1883"));
        for bad in
            ["", "127.0.0.1", "http://x", "mqtt://", "mqtt://x:y", "mqtt://x:99999", "mqtt://a b"]
        {
            assert!(matches!(bad.parse::<Broker>(), Err(BrokerError::Url)), "{bad}");
        }
        assert!(matches!("mqtts://x".parse::<Broker>(), Err(BrokerError::Tls)));
    }
}
