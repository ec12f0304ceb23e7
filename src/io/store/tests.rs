use super::commit::{Append, Batch, Committer, Disk, ROOM, Told};
use super::*;
use crate::domain::{Duration, Instant};
use std::process::Command;
use std::sync::mpsc::sync_channel;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn all(store: &Store) -> Result<Vec<Vec<u8>>, StoreError> {
    store.templates().map(|found| Ok(found?.1)).collect()
}

#[test]
fn events_come_back_in_order_after_a_restart() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (store, _) = Store::open(dir.path())?;
    let epoch = store.epoch();
    let (tx, rx) = sync_channel(10);
    let writer = store.writer(move |told| {
        if let Told::Durable(seq) = told {
            let _ = tx.try_send(seq);
        }
    });
    for seq in 1..=5u64 {
        assert!(writer.append(seq, vec![seq as u8], (seq == 5).then_some(1)));
    }
    writer.acked(2);
    writer.close();
    assert_eq!(rx.iter().last(), Some(5));
    drop(store);

    let (store, set_aside) = Store::open(dir.path())?;
    assert!(!set_aside);
    assert_eq!(store.epoch(), epoch);
    assert_eq!(store.extent()?, Extent { first: 2, last: Some(5), acked: 2 });
    let after: Vec<u64> =
        store.events_after(2).map(|e| e.map(|(seq, _)| seq)).collect::<Result<_, _>>()?;
    assert_eq!(after, [3, 4, 5]);
    Ok(())
}

#[test]
fn what_is_kept_is_told_when_it_is_durable_and_replaced_by_its_key() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (store, _) = Store::open(dir.path())?;
    let (tx, rx) = sync_channel(10);
    // As somebody would find it who opened the store when it was told.
    let beside = store.clone();
    let writer = store.writer(move |told| {
        let _ = tx.try_send((told, beside.facts().map_or(0, |facts| facts.len())));
    });
    writer.keep(b"a".to_vec(), Some(b"1".to_vec()), Some(7));
    assert_eq!(rx.recv()?, (Told::Kept { ticket: 7, durable: true }, 1));
    writer.keep(b"a".to_vec(), Some(b"2".to_vec()), None);
    writer.keep(b"b".to_vec(), Some(b"3".to_vec()), None);
    writer.keep(b"b".to_vec(), None, None);
    writer.close();
    assert_eq!(rx.iter().count(), 0, "nobody asked");
    drop(store);
    assert_eq!(Store::open(dir.path())?.0.facts()?, [b"2".to_vec()]);
    Ok(())
}

#[test]
fn a_second_process_is_told_who_holds_it() -> Outcome {
    let dir = tempfile::tempdir()?;
    let _held = Store::open(dir.path())?;
    assert!(matches!(Store::open(dir.path()), Err(StoreError::Held { .. })));
    Ok(())
}

#[test]
fn a_damaged_store_is_set_aside_and_a_new_epoch_begins() -> Outcome {
    let dir = tempfile::tempdir()?;
    let epoch = Store::open(dir.path())?.0.epoch();
    std::fs::write(dir.path().join("store/conf"), b"segment_size: 1\nversion: 9.9")?;
    let (store, set_aside) = Store::open(dir.path())?;
    assert!(set_aside);
    assert_ne!(store.epoch(), epoch);
    assert!(dir.path().join("store.damaged-1").exists());
    Ok(())
}

#[test]
fn garbage_in_place_of_events_is_set_aside_too() -> Outcome {
    for (at, file) in ["db", "conf"].into_iter().enumerate() {
        let dir = tempfile::tempdir()?;
        let (store, _) = Store::open(dir.path())?;
        store.put_templates(&[1; 16], &[vec![7; 100_000]])?;
        drop(store);
        let path = dir.path().join("store").join(file);
        let len = std::fs::metadata(&path)?.len() as usize;
        let garbage: Vec<u8> = (0..len).map(|i| (i * 31 + at) as u8).collect();
        std::fs::write(&path, garbage)?;
        let (store, _) = Store::open(dir.path())?;
        store.put_templates(&[2; 16], &[vec![8]])?;
        assert!(all(&store)?.contains(&vec![8]), "{file}");
    }
    Ok(())
}

#[test]
fn a_subjects_templates_replace_the_ones_before() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (store, _) = Store::open(dir.path())?;
    store.put_templates(&[1; 16], &[vec![1], vec![2]])?;
    store.put_templates(&[2; 16], &[vec![3]])?;
    store.put_templates(&[1; 16], &[vec![4]])?;
    assert_eq!(all(&store)?, [vec![4], vec![3]]);
    store.put_templates(&[2; 16], &[vec![5], vec![6]])?;
    store.put_templates(&[0xff; 16], &[vec![7]])?;
    let after = |subject: Option<u8>, people| {
        store.templates_after(subject.map(|n| [n; 16]).as_ref(), people)
    };
    let of = |n, record: u8| ([n; 16], vec![record]);
    assert_eq!(after(None, 2)?, [of(1, 4), of(2, 5), of(2, 6)], "whole subjects");
    assert_eq!(after(Some(2), 2)?, [of(0xff, 7)]);
    assert_eq!(after(Some(0xff), 2)?, []);
    Ok(())
}

/// Takes what it is given, or nothing.
#[derive(Default)]
struct Misbehaving {
    fails: bool,
    events: Vec<u64>,
    facts: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Disk for Misbehaving {
    type Error = &'static str;

    fn commit(&mut self, batch: &Batch) -> Result<(), &'static str> {
        if self.fails {
            return Err("on purpose");
        }
        self.facts.extend(batch.facts.clone());
        self.events.extend(batch.events.iter().map(|event| event.seq));
        Ok(())
    }
}

fn event(seq: u64) -> Append {
    Append { seq, bytes: vec![1], drop_through: None }
}

#[test]
fn a_commit_that_fails_is_tried_again_in_its_order_and_answers_at_once() {
    let (mut waiting, mut disk) = (Committer::default(), Misbehaving::default());
    let start = Instant(1_000_000);
    let fact = |n: u8| (b"fact".to_vec(), Some(vec![n]));
    assert!(waiting.append(start, event(1)));
    waiting.keep(start, fact(1).0, fact(1).1, Some(7));
    disk.fails = true;
    let due = waiting.deadline().unwrap_or_default();
    assert!(due.since(start) <= Duration::from_millis(20), "within the group commit");
    let told = waiting.commit(due, &mut disk);
    assert_eq!(told, [Told::Kept { ticket: 7, durable: false }]);
    // More comes while the first is being written once more.
    let again = waiting.begin();
    assert!(waiting.append(due, event(2)));
    waiting.keep(due, fact(2).0, fact(2).1, Some(8));
    assert_eq!(waiting.end(due, again, false), (vec![], false));
    assert_eq!(waiting.deadline(), Some(due + super::commit::RETRY), "not asked more often");
    disk.fails = false;
    let told = waiting.commit(due + super::commit::RETRY, &mut disk);
    assert_eq!(told, [Told::Kept { ticket: 8, durable: true }, Told::Durable(2)]);
    assert_eq!(
        (disk.events, disk.facts),
        (vec![1, 2], vec![fact(2)]),
        "each once, the newest fact"
    );
    assert!(waiting.is_empty() && waiting.deadline().is_none());
}

#[test]
fn no_more_waits_than_there_is_room_for_also_while_a_batch_is_written() {
    let (mut waiting, now) = (Committer::default(), Instant(5));
    for seq in 1..=ROOM as u64 {
        assert!(waiting.append(now, event(seq)));
    }
    assert_eq!(waiting.deadline(), Some(now), "so many don't wait for more");
    assert!(!waiting.append(now, event(0)));
    let batch = waiting.begin();
    assert!(!waiting.has_room(), "these may come back");
    waiting.end(now, batch, false);
    assert!(!waiting.has_room());
    // A fact has always room: it replaces the one before.
    waiting.keep(now, vec![1], None, None);
    let mut disk = Misbehaving::default();
    waiting.commit(now, &mut disk);
    assert_eq!((disk.events.len(), disk.facts.len()), (ROOM, 1));
    assert!(waiting.has_room());
}

#[test]
fn a_gate_that_ends_on_a_dead_disk_ends_all_the_same() {
    let disk = Misbehaving { fails: true, ..Misbehaving::default() };
    let writer = Writer::start(disk, |_| {});
    assert!(writer.append(1, vec![1], None));
    writer.close();
}

/// A file system of 32 MB of its own, for as long as this lives. `None` where this user may not mount.
struct Tiny(tempfile::TempDir);

impl Tiny {
    fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=32m", "tmpfs"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        if !mounted {
            eprintln!("left out: this test mounts a small disk, which takes root");
        }
        mounted.then_some(Self(dir))
    }

    /// Takes all the room there is; dropped with the file.
    fn fill(&self) -> std::io::Result<PathBuf> {
        let path = self.0.path().join("ballast");
        let mut file = std::fs::File::create(&path)?;
        while std::io::Write::write(&mut file, &[0; 4_096]).is_ok_and(|n| n > 0) {}
        Ok(path)
    }
}

impl Drop for Tiny {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

/// Fails within sled, as if the space had gone between the question and the write.
struct NoQuestion(Store);

impl Disk for NoQuestion {
    type Error = StoreError;

    fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let trees = match self.0.trees() {
            Ok(trees) => trees,
            Err(_) => self.0.open_anew()?,
        };
        let written = trees.commit(batch);
        drop(trees);
        if written.is_err() {
            self.0.let_go();
        }
        Ok(written?)
    }
}

#[test]
fn a_full_disk_is_waited_for_and_nothing_is_lost() -> Outcome {
    for asks in [true, false] {
        let Some(tiny) = Tiny::mount() else { return Ok(()) };
        let (store, _) = Store::open(tiny.0.path())?;
        let epoch = store.epoch();
        let (tx, rx) = sync_channel(10_000);
        let told = move |told| {
            let _ = tx.try_send(told);
        };
        let writer = match asks {
            true => store.writer(told),
            false => Writer::start(NoQuestion(store.clone()), told),
        };
        let wait = |wanted: Told| {
            let next = || rx.recv_timeout(std::time::Duration::from_secs(60)).ok();
            std::iter::from_fn(next).any(|told| told == wanted)
        };
        assert!(writer.append(1, vec![1; 200], None));
        assert!(wait(Told::Durable(1)));
        let ballast = tiny.fill()?;
        // Whoever waits at the reader hears of it, however long the disk stays full.
        let mut seq = 1;
        for ticket in 1..=3 {
            for _ in 0..300 {
                seq += 1;
                assert!(writer.append(seq, vec![seq as u8; 200], None));
            }
            writer.keep(b"use".to_vec(), Some(vec![ticket as u8]), Some(ticket));
            assert!(wait(Told::Kept { ticket, durable: false }), "asks {asks}");
            writer.keep(b"use".to_vec(), None, None);
        }
        // A store that is opened on a full disk is not damaged.
        std::fs::remove_file(ballast)?;
        assert!(wait(Told::Durable(seq)), "asks {asks}");
        writer.keep(b"use".to_vec(), Some(vec![9]), Some(9));
        assert!(wait(Told::Kept { ticket: 9, durable: true }));
        writer.close();
        assert_eq!(store.epoch(), epoch);
        let kept: Vec<u64> =
            store.events_after(0).map(|e| e.map(|(seq, _)| seq)).collect::<Result<_, _>>()?;
        assert_eq!(kept, (1..=seq).collect::<Vec<_>>(), "asks {asks}");
        assert_eq!(store.facts()?, [vec![9]]);
        drop(store);
        let (store, set_aside) = opened(tiny.0.path())?;
        assert!(!set_aside && store.epoch() == epoch);
    }
    Ok(())
}

/// sled's own threads may hold a store a moment longer than whoever let go of it.
fn opened(dir: &Path) -> Result<(Store, bool), StoreError> {
    loop {
        match Store::open(dir) {
            Err(StoreError::Held { .. }) => std::thread::yield_now(),
            other => return other,
        }
    }
}

#[test]
fn a_store_on_a_full_disk_is_not_set_aside() -> Outcome {
    let Some(tiny) = Tiny::mount() else { return Ok(()) };
    let (store, _) = Store::open(tiny.0.path())?;
    let epoch = store.epoch();
    store.put_templates(&[1; 16], &[vec![7; 1_000]])?;
    drop(store);
    let ballast = tiny.fill()?;
    match opened(tiny.0.path()) {
        // It may be read, or not be opened; never taken for damaged.
        Ok((store, set_aside)) => {
            assert!(!set_aside && store.epoch() == epoch);
            assert!(matches!(
                store.put_templates(&[2; 16], &[vec![7]]),
                Err(StoreError::Full { .. })
            ));
        }
        Err(error) => assert!(matches!(error, StoreError::Full { .. }), "{error}"),
    }
    std::fs::remove_file(ballast)?;
    let (store, set_aside) = opened(tiny.0.path())?;
    assert!(!set_aside && store.epoch() == epoch);
    assert_eq!(store.template_count()?, 1);
    Ok(())
}

#[test]
fn who_is_to_be_forgotten_is_on_a_full_disk_too() -> Outcome {
    let Some(tiny) = Tiny::mount() else { return Ok(()) };
    let (store, _) = Store::open(tiny.0.path())?;
    let (ann, bob) = ([1; 16], [2; 16]);
    store.put_templates(&ann, &[vec![7; 1_000], vec![8; 1_000]])?;
    store.put_templates(&bob, &[vec![9; 1_000]])?;
    store.put_apart(&ann, &bob)?;
    // Of what is kept free for this, half.
    let ballast = std::fs::File::options().write(true).open(tiny.fill()?)?;
    ballast.set_len(ballast.metadata()?.len() - KEEP_FREE / 2)?;
    let full = store.put_templates(&ann, &[vec![7; 10]]);
    assert!(matches!(full, Err(StoreError::Full { .. })), "{full:?}");
    assert_eq!(store.remove_enrolled(&ann)?, 2);
    drop(store);
    let (store, set_aside) = opened(tiny.0.path())?;
    assert!(!set_aside);
    assert_eq!((store.template_count()?, store.apart()?), (1, vec![]));
    Ok(())
}

#[test]
fn whoever_reads_while_the_store_is_away_is_told_so() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (mut store, _) = Store::open(dir.path())?;
    let held: Vec<_> = store.events_after(0).collect();
    assert!(held.is_empty());
    store.let_go();
    assert!(matches!(store.extent(), Err(StoreError::Away)));
    assert!(store.events_after(0).next().is_some_and(|e| e.is_err()));
    store.commit(&Batch::default())?;
    assert!(store.extent()?.last.is_none());
    Ok(())
}

#[test]
fn a_subject_goes_with_the_pairs_it_is_in() -> Outcome {
    let dir = tempfile::tempdir()?;
    let (store, _) = Store::open(dir.path())?;
    let [a, b, c] = [[1; 16], [2; 16], [3; 16]];
    store.put_templates(&a, &[vec![1], vec![2]])?;
    store.put_templates(&b, &[vec![3]])?;
    for (x, y) in [(b, a), (a, b), (c, b), (a, c)] {
        store.put_apart(&x, &y)?;
    }
    drop(store);
    let (store, _) = Store::open(dir.path())?;
    assert_eq!(store.apart()?, [[a, b], [a, c], [b, c]]);
    assert_eq!(store.remove_enrolled(&a)?, 2);
    assert_eq!((store.apart()?, all(&store)?), (vec![[b, c]], vec![vec![3]]));
    assert_eq!(store.remove_enrolled(&a)?, 0);
    Ok(())
}
