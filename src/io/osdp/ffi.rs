//! libosdp's control panel behind safe calls: the only file here with pointers. One [`Panel`] belongs to
//! one thread; the library calls back only while it is being called.

use super::keys::Key;
use super::line::{Event, Line, Note};
use libosdp_sys as c;
use std::ffi::{CStr, c_char, c_int, c_ulong, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::sync::Once;

/// A reader as the library is told of it.
pub(super) struct Seat {
    pub address: u8,
    /// Without a key it talks in the clear.
    pub key: Option<Key>,
    /// Nothing but a session with that key. Without it (and with a key) the default key may hand it over.
    pub enforce: bool,
}

/// A light and a tone, in the library's units of 100 ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Show {
    pub colour: u8,
    pub on: u8,
    pub off: u8,
    pub light_for: u16,
    pub tone_on: u8,
    pub tone_off: u8,
    /// Tones; 0 for none.
    pub tones: u8,
}

pub(super) const RED: u8 = c::osdp_led_color_e_OSDP_LED_COLOR_RED;
pub(super) const GREEN: u8 = c::osdp_led_color_e_OSDP_LED_COLOR_GREEN;
pub(super) const AMBER: u8 = c::osdp_led_color_e_OSDP_LED_COLOR_AMBER;
pub(super) const BLUE: u8 = c::osdp_led_color_e_OSDP_LED_COLOR_BLUE;

pub(super) struct Panel {
    ctx: NonNull<c::osdp_t>,
    /// Made by `Box::into_raw`, freed on drop after the context. Only this and the callbacks reach it, and
    /// those run only while the library is called.
    line: NonNull<Line>,
    seats: usize,
}

impl Panel {
    /// `None` if the library refuses: no seats, or no memory.
    pub(super) fn new(seats: &[Seat], baud: u32, line: Line) -> Result<Self, Box<Line>> {
        static LOG: Once = Once::new();
        LOG.call_once(|| {
            // SAFETY: the callback lives as long as the program.
            unsafe { c::osdp_set_log_callback(Some(log)) }
        });
        // Keeps this program's `rand` in whatever is linked.
        let _: extern "C" fn() -> c_int = std::hint::black_box(rand);
        let boxed = Box::new(line);
        if seats.is_empty() {
            return Err(boxed);
        }
        let line = NonNull::from(Box::leak(boxed));
        let infos: Vec<c::osdp_pd_info_t> =
            seats.iter().map(|seat| info(seat, baud, line)).collect();
        // SAFETY: `infos` has that many entries, whose pointers outlive the call; the library copies names
        // and keys. The channel's data is `line`, which is freed after the context.
        let ctx = unsafe { c::osdp_cp_setup(infos.len() as c_int, infos.as_ptr()) };
        let Some(ctx) = NonNull::new(ctx) else {
            // SAFETY: it came from a box, and the library has given up its context.
            return Err(unsafe { Box::from_raw(line.as_ptr()) });
        };
        // SAFETY: the context is alive, and `line` outlives it.
        unsafe { c::osdp_cp_set_event_callback(ctx.as_ptr(), Some(event), line.as_ptr().cast()) };
        Ok(Self { ctx, line, seats: seats.len() })
    }

    pub(super) fn line(&mut self) -> &mut Line {
        // SAFETY: `&mut self` says that the library isn't being called, so nobody else has the line.
        unsafe { self.line.as_mut() }
    }

    /// Ends the context and gives the line back.
    pub(super) fn close(self) -> Line {
        let this = std::mem::ManuallyDrop::new(self);
        // SAFETY: `self` is forgotten, so both are given up exactly once; the context first, since it
        // points to the line.
        unsafe {
            c::osdp_cp_teardown(this.ctx.as_ptr());
            *Box::from_raw(this.line.as_ptr())
        }
    }

    /// One step of each reader that can make one.
    pub(super) fn refresh(&mut self) {
        // SAFETY: the context is alive, and no reference to the line exists.
        unsafe { c::osdp_cp_refresh(self.ctx.as_ptr()) }
    }

    /// Lets a reader that the library has given up begin anew: it is disabled, and enabled at the next call.
    /// `true` once that is done.
    pub(super) fn restart(&mut self, seat: usize) -> bool {
        let Some(seat) = self.seat(seat) else { return true };
        // SAFETY: the context is alive and has this reader.
        unsafe {
            if c::osdp_cp_is_pd_enabled(self.ctx.as_ptr(), seat) {
                c::osdp_cp_disable_pd(self.ctx.as_ptr(), seat);
                return false;
            }
            c::osdp_cp_enable_pd(self.ctx.as_ptr(), seat) == 0
        }
    }

    /// From now on nothing but a session with the reader's own key.
    pub(super) fn enforce(&mut self, seat: usize) {
        if let Some(seat) = self.seat(seat) {
            let flag = c::OSDP_FLAG_ENFORCE_SECURE;
            // SAFETY: the context is alive and has this reader.
            unsafe { c::osdp_cp_modify_flag(self.ctx.as_ptr(), seat, flag, true) };
        }
    }

    /// Shows a temporary light; `false` if there is no room or the reader isn't there.
    pub(super) fn light(&mut self, seat: usize, show: Show) -> bool {
        let temporary = c::osdp_cmd_led_params {
            control_code: 2,
            on_count: show.on,
            off_count: show.off,
            on_color: show.colour,
            off_color: c::osdp_led_color_e_OSDP_LED_COLOR_NONE,
            timer_count: show.light_for,
        };
        let permanent = c::osdp_cmd_led_params {
            control_code: 0,
            on_count: 0,
            off_count: 0,
            on_color: 0,
            off_color: 0,
            timer_count: 0,
        };
        let led = c::osdp_cmd_led { reader: 0, led_number: 0, temporary, permanent };
        self.submit(seat, c::osdp_cmd_e_OSDP_CMD_LED, c::osdp_cmd__bindgen_ty_1 { led })
    }

    /// Sounds the buzzer.
    pub(super) fn sound(&mut self, seat: usize, show: Show) -> bool {
        let buzzer = c::osdp_cmd_buzzer {
            reader: 0,
            control_code: 2,
            on_count: show.tone_on,
            off_count: show.tone_off,
            rep_count: show.tones,
        };
        self.submit(seat, c::osdp_cmd_e_OSDP_CMD_BUZZER, c::osdp_cmd__bindgen_ty_1 { buzzer })
    }

    /// Asks for tamper and power.
    pub(super) fn ask_status(&mut self, seat: usize) -> bool {
        let status = c::osdp_status_report {
            type_: c::osdp_status_report_type_OSDP_STATUS_REPORT_LOCAL,
            nr_entries: 0,
            report: [0; 64],
        };
        self.submit(seat, c::osdp_cmd_e_OSDP_CMD_STATUS, c::osdp_cmd__bindgen_ty_1 { status })
    }

    fn submit(&mut self, seat: usize, id: u8, what: c::osdp_cmd__bindgen_ty_1) -> bool {
        let Some(seat) = self.seat(seat) else { return false };
        let node = c::osdp_queue_node_s { next: ptr::null_mut(), prev: ptr::null_mut() };
        // SAFETY: all bytes zero are a valid union of plain numbers; only the part that is set is read.
        let mut whole: c::osdp_cmd = unsafe { std::mem::zeroed() };
        (whole._node, whole.id, whole.__bindgen_anon_1) = (node, id, what);
        // SAFETY: the context is alive and has this reader; the library copies the command.
        unsafe { c::osdp_cp_submit_command(self.ctx.as_ptr(), seat, &whole) == 0 }
    }

    fn seat(&self, seat: usize) -> Option<c_int> {
        (seat < self.seats).then_some(seat as c_int)
    }
}

impl Drop for Panel {
    fn drop(&mut self) {
        // SAFETY: both are given up exactly once; the context first, since it points to the line.
        unsafe {
            c::osdp_cp_teardown(self.ctx.as_ptr());
            drop(Box::from_raw(self.line.as_ptr()));
        }
    }
}

fn info(seat: &Seat, baud: u32, line: NonNull<Line>) -> c::osdp_pd_info_t {
    let enforce = if seat.enforce { c::OSDP_FLAG_ENFORCE_SECURE } else { 0 };
    c::osdp_pd_info_t {
        name: ptr::null(),
        baud_rate: baud as c_int,
        address: c_int::from(seat.address),
        flags: (enforce | c::OSDP_FLAG_ENABLE_NOTIFICATION) as c_int,
        id: c::osdp_pd_id {
            version: 0,
            model: 0,
            vendor_code: 0,
            serial_number: 0,
            firmware_version: 0,
        },
        cap: ptr::null(),
        channel: c::osdp_channel {
            data: line.as_ptr().cast(),
            id: 1,
            recv: Some(receive),
            recv_pkt: None,
            send: Some(send),
            flush: Some(flush),
            release_pkt: None,
            close: None,
        },
        scbk: seat.key.as_ref().map_or(ptr::null(), |key| key.0.as_ptr()),
    }
}

/// Runs a callback's body with the line; what goes wrong in there must not reach the library.
// SAFETY: to be called with the line of a living [`Panel`] that is calling the library.
unsafe fn with_line<T>(data: *mut c_void, otherwise: T, body: impl FnOnce(&mut Line) -> T) -> T {
    // SAFETY: as demanded; `Panel` has no reference to the line while it calls the library.
    let Some(line) = (unsafe { data.cast::<Line>().as_mut() }) else { return otherwise };
    catch_unwind(AssertUnwindSafe(|| body(line))).unwrap_or(otherwise)
}

// SAFETY: called by the library with the channel's data and a buffer of `len` bytes.
unsafe extern "C" fn receive(data: *mut c_void, buf: *mut u8, len: c_int) -> c_int {
    let Ok(len) = usize::try_from(len) else { return 0 };
    // SAFETY: as above; the buffer is the library's own for the time of the call.
    unsafe {
        let buf = std::slice::from_raw_parts_mut(buf, len);
        with_line(data, 0, |line| line.receive(buf) as c_int)
    }
}

// SAFETY: called by the library with the channel's data and `len` bytes to send.
unsafe extern "C" fn send(data: *mut c_void, buf: *mut u8, len: c_int) -> c_int {
    let Ok(len) = usize::try_from(len) else { return -1 };
    // SAFETY: as above.
    unsafe {
        let bytes = std::slice::from_raw_parts(buf.cast_const(), len);
        with_line(data, -1, |line| line.send(bytes).map_or(-1, |n| n as c_int))
    }
}

// SAFETY: called by the library with the channel's data.
unsafe extern "C" fn flush(data: *mut c_void) {
    // SAFETY: as above.
    unsafe { with_line(data, (), Line::discard) }
}

// SAFETY: called by the library with the line and an event that is valid for the time of the call.
unsafe extern "C" fn event(data: *mut c_void, seat: c_int, event: *mut c::osdp_event) -> c_int {
    // SAFETY: as above. The library keeps events in an array of bytes, so it may not be aligned.
    let (kind, what) = unsafe {
        (
            ptr::addr_of!((*event).type_).read_unaligned(),
            ptr::addr_of!((*event).__bindgen_anon_1).cast::<u8>(),
        )
    };
    // SAFETY: the type says which part of the union the library has filled.
    let event = unsafe {
        match kind {
            c::osdp_event_type_OSDP_EVENT_CARDREAD => {
                let card = what.cast::<c::osdp_event_cardread>().read_unaligned();
                Event::Card { length: card.length, data: card.data }
            }
            c::osdp_event_type_OSDP_EVENT_KEYPRESS => {
                let keys = what.cast::<c::osdp_event_keypress>().read_unaligned();
                Event::Keys { length: keys.length, data: keys.data }
            }
            c::osdp_event_type_OSDP_EVENT_STATUS => {
                let status = what.cast::<c::osdp_status_report>().read_unaligned();
                match status.type_ {
                    c::osdp_status_report_type_OSDP_STATUS_REPORT_LOCAL => {
                        let [tamper, power, ..] = status.report;
                        Event::Local { tamper, power }
                    }
                    _ => Event::Other,
                }
            }
            c::osdp_event_type_OSDP_EVENT_NOTIFICATION => {
                let note = what.cast::<c::osdp_event_notification>().read_unaligned();
                notification(&note)
            }
            _ => Event::Other,
        }
    };
    let seat = usize::try_from(seat).unwrap_or(usize::MAX);
    // SAFETY: as above.
    unsafe {
        with_line(data, -1, |line| {
            line.notes.push(Note::Event { seat, event });
            0
        })
    }
}

fn notification(note: &c::osdp_event_notification) -> Event {
    match note.type_ {
        c::osdp_event_notification_type_OSDP_EVENT_NOTIFICATION_PD_STATUS => {
            Event::Online(note.arg0 != 0)
        }
        c::osdp_event_notification_type_OSDP_EVENT_NOTIFICATION_SC_STATUS => {
            Event::Session { active: note.arg0 != 0, default_key: note.arg1 != 0 }
        }
        _ => Event::Other,
    }
}

/// The library's own words, for whoever looks for a fault on the cable. There are no keys and no cards in
/// them (checked in 3.2.7: codes, lengths, states).
// SAFETY: called by the library with a C string that is valid for the time of the call.
unsafe extern "C" fn log(_level: c_int, _file: *const c_char, _line: c_ulong, text: *const c_char) {
    if !text.is_null() {
        // SAFETY: as above.
        let text = unsafe { CStr::from_ptr(text) };
        tracing::debug!(target: "osdp", "{}", text.to_string_lossy().trim_end());
    }
}

/// What the library's C code calls for the random numbers of a handshake. libc's own `rand` begins with the
/// same row at every start of the program, so that a recorded handshake would fit again after a restart:
/// this one, in its place for the whole program, asks the kernel.
// SAFETY: it has the type and the range that C demands of `rand`, and no other promise.
#[unsafe(no_mangle)]
extern "C" fn rand() -> c_int {
    let mut bytes = [0; 4];
    if getrandom::fill(&mut bytes).is_err() {
        // Without random numbers no session is safe.
        std::process::abort();
    }
    c_int::from_ne_bytes(bytes) & c_int::MAX
}
