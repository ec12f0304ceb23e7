//! Any bytes as a value change dump. What comes out of a good one is in order, and each line's levels alternate.
#![no_main]

use eithergate::wire::vcd::{MAX_EDGES, edges};
use eithergate::wire::wiegand::Line;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    match edges(data, "a", "b") {
        Ok(edges) => {
            assert!(edges.len() <= MAX_EDGES);
            assert!(edges.is_sorted_by_key(|edge| edge.at));
            for line in [Line::D0, Line::D1] {
                let mut own = edges.iter().filter(|edge| edge.line == line);
                let mut before = own.next();
                for edge in own {
                    assert!(before.is_some_and(|b| b.level != edge.level));
                    before = Some(edge);
                }
            }
        }
        // A message is for a person: short, whatever the file.
        Err(bad) => assert!(bad.to_string().len() < 8_192),
    }
});
