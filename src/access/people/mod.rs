//! Rules about people: who is inside already, who is guessing, who has shown one factor of two,
//! who somebody says to be.

mod claims;
mod factors;
mod guessing;
mod passback;

pub(super) use claims::ClaimKeys;
pub(super) use factors::{Keypads, Presented, Typed};
pub(super) use guessing::{Guessing, Turned};
pub(super) use passback::Inside;
