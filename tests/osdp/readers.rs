//! The readers: libosdp's peripheral devices, as many as there are on the bus, on one terminal.

use super::rig::{say, told};
use libosdp_sys as c;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open};
use std::collections::VecDeque;
use std::ffi::{c_int, c_void};
use std::os::fd::OwnedFd;
use std::ptr;
use std::rc::Rc;

struct Device {
    address: u8,
    ctx: *mut c::osdp_t,
    /// The library's pointer leads here; see [`play`].
    line: *mut Line,
    events: VecDeque<c::osdp_event>,
    cards: u64,
}

struct Line {
    address: u8,
    tty: Rc<OwnedFd>,
    received: VecDeque<u8>,
    tamper: u8,
    power: u8,
}

/// Each reader is `ADDRESS:KEY:SECURE`; a key of `-` is none.
pub fn play(tty: &str, readers: &[&str]) {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK;
    let tty = Rc::new(open(tty, flags, Mode::empty()).expect("the readers' terminal"));
    let mut devices: Vec<Device> = readers.iter().map(|r| device(r, &tty)).collect();
    let lines = told();
    say("ready");
    loop {
        while let Ok(line) = lines.try_recv() {
            obey(&line, &mut devices);
        }
        let mut buf = [0; 512];
        while let Ok(n) = rustix::io::read(&*tty, &mut buf) {
            for device in &devices {
                // SAFETY: made by `device` and never freed; nobody else has a reference now.
                unsafe { (*device.line).received.extend(&buf[..n]) };
            }
        }
        for device in &mut devices {
            while let Some(event) = device.events.front() {
                // SAFETY: the context is alive; the library copies the event.
                if unsafe { c::osdp_pd_submit_event(device.ctx, event) } != 0 {
                    break;
                }
                device.events.pop_front();
            }
            // SAFETY: the context is alive.
            unsafe { c::osdp_pd_refresh(device.ctx) };
        }
        let mut fds = [PollFd::new(&*tty, PollFlags::IN)];
        let timeout = Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
        let _ = poll(&mut fds, Some(&timeout));
    }
}

fn device(text: &str, tty: &Rc<OwnedFd>) -> Device {
    let [address, key, secure] = text.split(':').collect::<Vec<_>>()[..] else { panic!("{text}") };
    let address: u8 = address.parse().expect("an address");
    let key: Option<Vec<u8>> = (key != "-").then(|| unhex(key));
    let line = Box::into_raw(Box::new(Line {
        address,
        tty: tty.clone(),
        received: VecDeque::new(),
        tamper: 0,
        power: 0,
    }));
    let cap = |function_code, compliance_level, num_items| c::osdp_pd_cap {
        function_code,
        compliance_level,
        num_items,
    };
    let caps = [cap(3, 1, 0), cap(4, 1, 1), cap(5, 1, 1), cap(0xff, 0, 0)];
    let info = c::osdp_pd_info_t {
        name: ptr::null(),
        baud_rate: 9_600,
        address: c_int::from(address),
        flags: if key.is_some() { c::OSDP_FLAG_ENFORCE_SECURE as c_int } else { 0 },
        id: c::osdp_pd_id {
            version: 1,
            model: 2,
            vendor_code: 0x00ca_fe00,
            serial_number: 1_000 + u32::from(address),
            firmware_version: 0x01_0203,
        },
        cap: caps.as_ptr(),
        channel: c::osdp_channel {
            data: line.cast(),
            id: c_int::from(address) + 1,
            recv: Some(receive),
            recv_pkt: None,
            send: Some(send),
            flush: None,
            release_pkt: None,
            close: None,
        },
        scbk: key.as_ref().map_or(ptr::null(), |key| key.as_ptr()),
    };
    // A reader that knows no secure channel doesn't insist on one either.
    let info = if secure == "1" { info } else { c::osdp_pd_info_t { flags: 0, ..info } };
    // SAFETY: all pointers live during the call, the line's for ever.
    let ctx = unsafe { c::osdp_pd_setup(&info) };
    assert!(!ctx.is_null(), "the library takes no reader");
    if secure != "1" {
        let none = [cap(9, 0, 0), cap(0, 0, 0)];
        // SAFETY: the list ends with a function of 0.
        unsafe { c::osdp_pd_set_capabilities(ctx, none.as_ptr()) };
    }
    // SAFETY: the context is alive, the line lives for ever.
    unsafe { c::osdp_pd_set_command_callback(ctx, Some(command), line.cast()) };
    Device { address, ctx, line, events: VecDeque::new(), cards: 0 }
}

fn obey(line: &str, devices: &mut [Device]) {
    let words: Vec<&str> = line.split(' ').collect();
    let Some(device) = words
        .get(1)
        .and_then(|a| a.parse::<u8>().ok())
        .and_then(|a| devices.iter_mut().find(|d| d.address == a))
    else {
        return;
    };
    match words[..] {
        // A card by its bits: `card ADDRESS BITS HEX`, the value at the left end of its bytes.
        ["card", _, bits, hex] => {
            let bits: u32 = bits.parse().expect("a number");
            let value = u128::from_str_radix(hex, 16).expect("hex");
            device.events.push_back(card(bits, value));
        }
        // So many cards of 32 bits: the address, and a number that goes on.
        ["cards", _, count] => {
            for _ in 0..count.parse::<u64>().expect("a number") {
                let value = u128::from(device.address) << 24 | u128::from(device.cards);
                device.cards += 1;
                device.events.push_back(card(32, value));
            }
        }
        ["keys", _, keys] => {
            let mut data = [0; 64];
            for (to, key) in data.iter_mut().zip(keys.bytes()) {
                *to = match key {
                    b'*' => 0x7f,
                    b'#' => 0x0d,
                    digit => digit,
                };
            }
            let keypress =
                c::osdp_event_keypress { reader_no: 0, length: keys.len() as c_int, data };
            device.events.push_back(event(
                c::osdp_event_type_OSDP_EVENT_KEYPRESS,
                c::osdp_event__bindgen_ty_1 { keypress },
            ));
        }
        ["local", _, tamper, power] => {
            let mut report = [0; 64];
            (report[0], report[1]) = (tamper.parse().expect("0/1"), power.parse().expect("0/1"));
            // SAFETY: nobody else has a reference now.
            unsafe {
                (*device.line).tamper = report[0];
                (*device.line).power = report[1];
            }
            let status = c::osdp_status_report {
                type_: c::osdp_status_report_type_OSDP_STATUS_REPORT_LOCAL,
                nr_entries: 2,
                report,
            };
            device.events.push_back(event(
                c::osdp_event_type_OSDP_EVENT_STATUS,
                c::osdp_event__bindgen_ty_1 { status },
            ));
        }
        _ => {}
    }
}

fn card(bits: u32, value: u128) -> c::osdp_event {
    let bytes = bits.div_ceil(8);
    let left = value << (128 - bits);
    let mut data = [0; 64];
    data[..bytes as usize].copy_from_slice(&left.to_be_bytes()[..bytes as usize]);
    let cardread = c::osdp_event_cardread {
        reader_no: 0,
        format: c::osdp_event_cardread_format_e_OSDP_CARD_FMT_RAW_WIEGAND,
        direction: 0,
        length: bits as c_int,
        data,
    };
    event(c::osdp_event_type_OSDP_EVENT_CARDREAD, c::osdp_event__bindgen_ty_1 { cardread })
}

fn event(kind: u8, what: c::osdp_event__bindgen_ty_1) -> c::osdp_event {
    // SAFETY: all zero is a valid event of plain numbers and null pointers.
    let mut event: c::osdp_event = unsafe { std::mem::zeroed() };
    (event.type_, event.__bindgen_anon_1) = (kind, what);
    event
}

fn unhex(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).expect("hex"))
        .collect()
}

// SAFETY: called with the channel's data, and a buffer of `len` bytes.
unsafe extern "C" fn receive(data: *mut c_void, buf: *mut u8, len: c_int) -> c_int {
    // SAFETY: as above; the line lives for ever and nobody else has a reference during the call.
    let (line, buf) =
        unsafe { (&mut *data.cast::<Line>(), std::slice::from_raw_parts_mut(buf, len as usize)) };
    let n = line.received.len().min(buf.len());
    for (to, from) in buf.iter_mut().zip(line.received.drain(..n)) {
        *to = from;
    }
    n as c_int
}

// SAFETY: called with the channel's data, and `len` bytes.
unsafe extern "C" fn send(data: *mut c_void, buf: *mut u8, len: c_int) -> c_int {
    // SAFETY: as above.
    let (line, bytes) = unsafe {
        (&*data.cast::<Line>(), std::slice::from_raw_parts(buf.cast_const(), len as usize))
    };
    rustix::io::write(&*line.tty, bytes).map_or(-1, |n| n as c_int)
}

// SAFETY: called with the line and a command that is valid for the time of the call.
unsafe extern "C" fn command(data: *mut c_void, command: *mut c::osdp_cmd) -> c_int {
    // SAFETY: as above.
    let (line, command) = unsafe { (&*data.cast::<Line>(), &mut *command) };
    let address = line.address;
    // SAFETY: the id says which part of the union is filled.
    unsafe {
        match command.id {
            c::osdp_cmd_e_OSDP_CMD_LED => {
                say(&format!("led {address} {}", command.__bindgen_anon_1.led.temporary.on_color));
            }
            c::osdp_cmd_e_OSDP_CMD_BUZZER => {
                say(&format!("buzzer {address} {}", command.__bindgen_anon_1.buzzer.rep_count));
            }
            c::osdp_cmd_e_OSDP_CMD_KEYSET => {
                let key = &command.__bindgen_anon_1.keyset.data[..16];
                let hex: String = key.iter().map(|b| format!("{b:02x}")).collect();
                say(&format!("key {address} {hex}"));
            }
            c::osdp_cmd_e_OSDP_CMD_STATUS => {
                let status = &mut command.__bindgen_anon_1.status;
                status.nr_entries = 2;
                (status.report[0], status.report[1]) = (line.tamper, line.power);
            }
            _ => {}
        }
    }
    0
}
