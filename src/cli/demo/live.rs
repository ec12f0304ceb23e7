//! The stage for a person at the keyboard: one key, one thing happens, and the timeline shows what the
//! witness saw of it.

use super::Sabotage;
use super::eyes::Sight;
use super::pictures::Pictures;
use super::script::describe;
use super::world::{NEIGHBOUR, RESIDENT, Stage, UNKNOWN, World};
use crate::cli::Failure;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use std::io::{Read, stdin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const KEYS: &str = "\
  c  a resident's card        f  the resident's face      w  kill the face worker
  n  the neighbour's card     s  a stranger's face        p  pull the camera
  u  an unknown card          l  nobody before the camera b  stop or start the broker
  z  a card with a wrong bit  o  the door opens / closes  k  kill the daemon, and start it
  x  the exit button          h  these keys               q  quit
";

pub(super) fn play(sabotage: Option<Sabotage>, pictures: Pictures) -> Result<(), Failure> {
    let start = Instant::now();
    let tell = |what: &str| println!("{:>8.3} s  {what}", start.elapsed().as_secs_f32());
    let stage = Stage { program: super::program()?, pictures: Some(&pictures), sabotage };
    let mut world = World::build(stage, &tell)?;
    println!("\n{KEYS}");
    let _keys = SingleKeys::on();
    let over = Arc::new(AtomicBool::new(false));
    let printer = {
        let (eyes, over) = (world.eyes.clone(), over.clone());
        std::thread::spawn(move || {
            let (mut mark, mut health) = (0, String::new());
            while !over.load(Ordering::Relaxed) {
                eyes.wait(mark, Duration::from_millis(200), |_| true);
                let news = eyes.since(mark);
                mark += news.len();
                for seen in &news {
                    let Some((when, what)) = describe(seen, start) else { continue };
                    // Reports come often; only what changed is news.
                    let is_report = matches!(seen.what, Sight::Health(_));
                    if !is_report || what != health {
                        println!("{when}  {what}");
                    }
                    if is_report {
                        health = what;
                    }
                }
            }
        })
    };
    let mut open = false;
    let outcome = loop {
        let mut key = [0];
        if !matches!(stdin().read(&mut key), Ok(1)) {
            break Ok(());
        }
        let did = match key[0] {
            b'c' => tell_and(&tell, "a resident's card", world.present_card(RESIDENT)),
            b'n' => tell_and(&tell, "the neighbour's card", world.present_card(NEIGHBOUR)),
            b'u' => tell_and(&tell, "an unknown card", world.present_card(UNKNOWN)),
            b'z' => tell_and(&tell, "a card with a wrong bit", world.present_noise()),
            b'x' => tell_and(&tell, "the exit button", world.press_exit()),
            b'f' => tell_and(&tell, "the resident's face", world.show(Some(&pictures.resident))),
            b's' => tell_and(&tell, "a stranger's face", world.show(Some(&pictures.stranger))),
            b'l' => tell_and(&tell, "nobody before the camera", world.show(None)),
            b'o' => {
                open = !open;
                let what = if open { "the door opens" } else { "the door closes" };
                tell_and(&tell, what, world.set_contact(open))
            }
            b'w' => {
                world.kill_face("worker_pid");
                tell_and(&tell, "the face worker is killed", Ok(()))
            }
            b'p' => {
                world.kill_face("capture_pid");
                tell_and(&tell, "the camera is pulled; it comes back by itself", Ok(()))
            }
            b'b' if world.has_broker() => {
                world.stop_broker();
                tell_and(&tell, "the broker is stopped; events wait in the journal", Ok(()))
            }
            b'b' => tell_and(&tell, "the broker starts", world.start_broker()),
            b'k' => {
                tell("the daemon is killed");
                world.crash_gate().and_then(|()| world.start_gate())
            }
            b'h' => {
                println!("{KEYS}");
                Ok(())
            }
            b'q' | 3 | 4 => break Ok(()),
            _ => Ok(()),
        };
        if did.is_err() {
            break did;
        }
    };
    over.store(true, Ordering::Relaxed);
    let _ = printer.join();
    outcome
}

fn tell_and(tell: &dyn Fn(&str), what: &str, did: Result<(), Failure>) -> Result<(), Failure> {
    tell(&format!("--- {what}"));
    did
}

/// The terminal gives each key at once, until this is dropped.
struct SingleKeys(Option<Termios>);

impl SingleKeys {
    fn on() -> Self {
        let before = tcgetattr(stdin()).ok();
        if let Some(before) = &before {
            let mut single = before.clone();
            // Ctrl-C arrives as a key too, so that the world's processes end in good order.
            single.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG);
            let _ = tcsetattr(stdin(), OptionalActions::Now, &single);
        }
        Self(before)
    }
}

impl Drop for SingleKeys {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            let _ = tcsetattr(stdin(), OptionalActions::Now, before);
        }
    }
}
