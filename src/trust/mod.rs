//! Keys, certificates and the signed envelope that carries everything a gate obeys, and the signature
//! under everything a gate says.
//!
//! The chain is short: the site's *root* key, pinned by the gate, certifies an *operator* key for a role;
//! the operator signs an *envelope* for one gate and one purpose; its body is encrypted under the site's
//! epoch key, which is wrapped to that gate's own key. `docs/mqtt.md` has every byte.
//!
//! What never enters: a network, a clock (`now` is handed in), and what an envelope's body means.

mod certificate;
mod command;
mod envelope;
mod jws;
mod key_file;
mod keys;
pub mod signed_json;

pub use certificate::{Certificate, Role};
pub use command::{COMMAND_LIVES_S, Command, MAX_COMMAND_BYTES, NotACommand, Register, Verdict};
pub use envelope::{
    Claims, Draft, Expectation, MAX_ENVELOPE_BYTES, Opened, Purpose, claimed_version, seal, verify,
};
pub use key_file::{KeyFileError, read_private};
pub use keys::{BadKey, GateKeys, GatePublicKeys, Key256, PublicKey, SealingKey, SecretKey};
