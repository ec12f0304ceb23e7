use super::*;
use crate::domain::SecurityBreach;
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Vec<Parsed<Frame, Corrupt>> {
    let mut deframer = Deframer::default();
    bytes
        .iter()
        .map(|b| deframer.push(*b))
        .filter(|p| matches!(p, Parsed::Item(_) | Parsed::Corrupt(_)))
        .collect()
}

/// The example of OSDP v2.2 annex: a poll of address 0 with checksum, and with CRC as libosdp sends it.
#[test]
fn published_frames() {
    for (bytes, code) in [
        (&[0xff, 0x53, 0x65, 0x08, 0x00, 0x04, 0x60, 0x60, 0x90][..], 0x60),
        (&[0x53, 0x00, 0x07, 0x00, 0x00, 0x60, 0x46][..], 0x60),
    ] {
        let found = parse(bytes);
        let [Parsed::Item(frame)] = &found[..] else { panic!("{:x?}", bytes) };
        assert_eq!((frame.code(), frame.is_reply(), frame.security()), (code, false, None));
    }
}

#[test]
fn what_is_built_is_found_again() {
    let frame = Frame::build(5, true, 2, &[2, 0x18], reply::RAW, &[7; 16], &[1, 2, 3, 4]);
    let mut bytes = vec![0xff, 0x53, 0x00, 0xff];
    bytes.extend_from_slice(frame.bytes());
    let found: Vec<_> =
        parse(&bytes).into_iter().filter(|p| matches!(p, Parsed::Item(_))).collect();
    assert!(found == [Parsed::Item(frame.clone())]);
    assert_eq!((frame.address(), frame.sequence(), frame.data().len()), (5, 2, 16));
}

#[test]
fn a_wrong_byte_is_found_and_the_next_frame_too() {
    let good = Frame::plain(1, true, 1, reply::ACK, &[]);
    for at in 1..good.bytes().len() {
        let mut bytes = good.bytes().to_vec();
        bytes[at] ^= 0x10;
        // A wrong length may swallow what follows until a frame's worth is there.
        bytes.extend_from_slice(&[0; MAX_FRAME]);
        bytes.extend_from_slice(good.bytes());
        let items: Vec<_> =
            parse(&bytes).into_iter().filter(|p| matches!(p, Parsed::Item(_))).collect();
        assert!(items == [Parsed::Item(good.clone())], "byte {at}");
    }
}

#[test]
fn security_blocks_that_no_frame_has_are_refused() {
    for (block, data, mac) in [
        (&[3, 0x18, 0][..], &[0; 16][..], &[0; 4][..]),
        (&[2, 0x12], &[], &[]),
        (&[2, 0x18], &[0; 15], &[0; 4]),
        (&[2, 0x18], &[], &[0; 4]),
        (&[200, 0x16], &[], &[0; 4]),
        (&[2, 0x19], &[0; 16], &[0; 4]),
        (&[2, 0x10], &[0; 16], &[0; 4]),
    ] {
        let frame = Frame::build(1, true, 1, block, reply::ACK, data, mac);
        assert!(parse(frame.bytes()) == [Parsed::Corrupt(Corrupt::Shape)], "{block:x?}");
    }
}

fn identity(serial: u32) -> Vec<u8> {
    [&[1, 2, 3, 4, 5][..], &serial.to_le_bytes(), &[0, 0, 1]].concat()
}

fn guard(trust: Trust, sent: &Frame) -> Guard {
    let mut guard = Guard::default();
    guard.set(1, trust);
    guard.sent(sent);
    guard
}

fn secured(code: u8) -> Frame {
    Frame::build(1, true, 2, &[2, 0x18], code, &[0; 16], &[0; 4])
}

#[test]
fn a_session_takes_secured_replies_alone() {
    let poll = Frame::build(1, false, 2, &[2, 0x15], 0x60, &[], &[0; 4]);
    let plain = |code| Frame::plain(1, true, 2, code, &[0, 0, 26, 0, 1, 2, 3, 4]);
    let breach = |why| Err(Refusal::Breach(why));
    for (reply, want) in [
        (secured(reply::RAW), Ok(())),
        (Frame::build(1, true, 2, &[2, 0x16], reply::ACK, &[], &[0; 4]), Ok(())),
        // The reader lost its session and says so: it begins anew.
        (Frame::plain(1, true, 2, reply::NAK, &[6]), Ok(())),
        (Frame::plain(1, true, 0, reply::BUSY, &[]), Ok(())),
        (plain(reply::RAW), breach(SecurityBreach::Plaintext)),
        (plain(reply::ACK), breach(SecurityBreach::Plaintext)),
        // A handshake's block around a card: nothing in it is proven.
        (
            Frame::build(1, true, 2, &[3, 0x12, 1], reply::RAW, &[0; 8], &[]),
            breach(SecurityBreach::Plaintext),
        ),
        (
            Frame::build(1, true, 2, &[3, 0x14, 1], reply::RAW, &[0; 8], &[]),
            breach(SecurityBreach::Plaintext),
        ),
        (
            Frame::build(1, true, 2, &[2, 0x17], reply::RAW, &[0; 16], &[0; 4]),
            breach(SecurityBreach::Plaintext),
        ),
        (
            Frame::build(1, true, 1, &[2, 0x18], reply::RAW, &[0; 16], &[0; 4]),
            breach(SecurityBreach::Replay),
        ),
        (Frame::build(3, true, 2, &[2, 0x18], reply::RAW, &[0; 16], &[0; 4]), Err(Refusal::Stray)),
        (poll.clone(), Err(Refusal::Stray)),
    ] {
        let mut guard = guard(Trust::Secure(None), &poll);
        assert_eq!(guard.received(&reply), want, "{:x?}", reply.bytes());
    }
    let mut guard = guard(Trust::Secure(None), &poll);
    assert_eq!(guard.received(&secured(reply::RAW)), Ok(()));
    assert_eq!(guard.received(&secured(reply::RAW)), Err(Refusal::Stray), "a second answer");
}

#[test]
fn before_a_session_nothing_but_its_beginning_passes() {
    let ask = Frame::plain(1, false, 0, command::ID, &[0]);
    let card = Frame::plain(1, true, 0, reply::RAW, &[0, 0, 26, 0, 1, 2, 3, 4]);
    let mut guard = guard(Trust::Secure(None), &ask);
    assert_eq!(guard.received(&card), Err(Refusal::Breach(SecurityBreach::Plaintext)));
    assert_eq!(guard.received(&Frame::plain(1, true, 0, reply::PDID, &identity(1))), Ok(()));

    let challenge = Frame::build(1, false, 2, &[3, 0x11, 1], command::CHLNG, &[0; 8], &[]);
    let answer = |key| Frame::build(1, true, 2, &[3, 0x12, key], reply::CCRYPT, &[0; 32], &[]);
    guard.sent(&challenge);
    let default = Err(Refusal::Breach(SecurityBreach::DefaultKey));
    assert_eq!(guard.received(&answer(0)), default);
    assert_eq!(guard.received(&answer(1)), Ok(()));
}

#[test]
fn a_reader_must_be_what_was_enrolled() {
    let enrolled = Profile {
        identity: Frame::plain(1, true, 0, reply::PDID, &identity(7)).identity().unwrap(),
        capabilities: vec![Capability(4, 1, 2), Capability(CAP_SECURITY, 1, 0)],
    };
    let trust = || Trust::Secure(Some(enrolled.clone()));
    let ask = Frame::plain(1, false, 0, command::ID, &[0]);
    let said = |serial| {
        guard(trust(), &ask).received(&Frame::plain(1, true, 0, reply::PDID, &identity(serial)))
    };
    assert_eq!(said(7), Ok(()));
    assert_eq!(said(8), Err(Refusal::Breach(SecurityBreach::Replaced)));

    let ask = Frame::plain(1, false, 1, command::CAP, &[0]);
    for (now, want) in [
        (&[4, 1, 2, 9, 1, 0][..], true),
        (&[4, 1, 2, 9, 1, 0, 5, 1, 1], true),
        (&[4, 1, 2], false),
        (&[4, 1, 2, 9, 0, 0], false),
        (&[4, 1, 1, 9, 1, 0], false),
        (&[9, 1, 0], false),
        (&[4, 1, 2, 9, 1], false),
    ] {
        let reply = Frame::plain(1, true, 1, reply::PDCAP, now);
        assert_eq!(guard(trust(), &ask).received(&reply).is_ok(), want, "{now:?}");
    }
}

#[test]
fn a_low_reader_talks_in_the_clear() {
    let poll = Frame::plain(1, false, 2, 0x60, &[]);
    let card = Frame::plain(1, true, 2, reply::RAW, &[0, 0, 26, 0, 1, 2, 3, 4]);
    assert_eq!(guard(Trust::Low, &poll).received(&card), Ok(()));
    assert_eq!(guard(Trust::Low, &poll).received(&secured(reply::RAW)), Err(Refusal::Stray));
}

proptest! {
    #[test]
    fn any_bytes_are_survived_in_bounded_space(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        let mut deframer = Deframer::default();
        for byte in bytes {
            let _ = deframer.push(byte);
            prop_assert!(deframer.bytes.len() <= MAX_FRAME);
        }
    }

    #[test]
    fn frames_are_found_after_noise(noise in prop::collection::vec(any::<u8>(), 0..40), code: u8, data in prop::collection::vec(any::<u8>(), 0..60)) {
        let frame = Frame::plain(9, true, 3, code, &data);
        let mut deframer = Deframer::default();
        for byte in noise {
            let _ = deframer.push(byte);
        }
        deframer.clear();
        let last = frame.bytes().iter().map(|b| deframer.push(*b)).last();
        prop_assert!(last == Some(Parsed::Item(frame)));
    }
}
