//! Disks that are full or read-only, as the kernel makes them: a small file system of its own.
//! Where nobody may mount one (no root), these tests say so and show nothing.
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use box_store::{Store, StoreError};
use domain::id::EntryRef;
use evening::world::{BAR, World};

use super::{
    clocks::{config, sale},
    files::ended,
};

const SOON: Duration = Duration::from_secs(30);

/// A small file system in memory, gone when dropped.
struct Disk(PathBuf);

impl Disk {
    fn mounted(at: &Path, mebibytes: u32) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={mebibytes}m");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).status();
        if done.is_ok_and(|status| status.success()) {
            return Some(Self(at.into()));
        }
        eprintln!("no right to mount a file system here: nothing is shown about full disks");
        None
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&self.0).status().unwrap();
        assert!(done.success(), "remount,{how}");
    }

    /// Takes all the room that is left; gives the file that holds it.
    fn fill(&self) -> PathBuf {
        let path = self.0.join("filler");
        let mut file = File::create(&path).unwrap();
        for size in [1 << 16, 1 << 10, 1] {
            let bytes = vec![0x55; size];
            while file.write_all(&bytes).is_ok() {}
        }
        path
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// A box's store in a folder.
pub(super) fn store(dir: &Path, now_ms: u64) -> anyhow::Result<Store> {
    Ok(box_store::open(config(dir.join("store.db")), now_ms)?.0)
}

/// One sale.
pub(super) fn sell(store: &Store, price: u32) -> Result<EntryRef, StoreError> {
    let done = store.transact(move |_| sale(price))?;
    Ok(done.refs[0])
}

#[test]
fn a_full_disk_refuses_by_name_loses_nothing_and_recovers() {
    let dir = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::mounted(&dir.path().join("disk"), 16) else { return };
    let store = store(&disk.0, 1_800_000_000_000).unwrap();
    let mut acknowledged = vec![sell(&store, 1).unwrap()];
    let filler = disk.fill();
    // what was reserved beforehand still takes sales; then it is over
    let refused = (2..20_000).find_map(|price| match sell(&store, price) {
        Ok(entry) => {
            acknowledged.push(entry);
            None
        }
        Err(error) => Some(error),
    });
    let refused = refused.expect("a full disk takes no sales for ever");
    assert_eq!((refused.code(), refused.to_string().contains("full")), ("box.disk_full", true), "{refused}");
    assert_eq!(sell(&store, 7).unwrap_err().code(), "box.disk_full", "and again");
    assert_eq!(store.degraded(), None, "nothing is damaged");
    let seen = |store: &Store, entry: EntryRef| store.read(move |view| view.entry(entry).is_some()).unwrap();
    assert!(acknowledged.iter().all(|entry| seen(&store, *entry)), "screens still show what was sold");

    fs::remove_file(&filler).unwrap();
    for price in 1..50 {
        acknowledged.push(sell(&store, price).unwrap());
    }
    drop(store);
    let (store, report) = box_store::open(config(disk.0.join("store.db")), 1_800_000_100_000).unwrap();
    assert_eq!(report.degraded, None);
    assert_eq!(report.entries, acknowledged.len() as u64 + 1, "the genesis and what was acknowledged, no more");
    assert!(acknowledged.iter().all(|entry| seen(&store, *entry)));
    store.check_everything().unwrap();

    // cut off while the disk is full: what was acknowledged is there after it
    let filler = disk.fill();
    let mut price = 1;
    while let Ok(entry) = sell(&store, price) {
        acknowledged.push(entry);
        price += 1;
        assert!(price < 20_000);
    }
    drop(store);
    let opened = box_store::open(config(disk.0.join("store.db")), 1_800_000_200_000);
    if let Ok((store, report)) = &opened {
        assert_eq!((report.entries, &report.degraded), (acknowledged.len() as u64 + 1, &None));
        assert!(acknowledged.iter().all(|entry| seen(store, *entry)));
    }
    drop(opened);
    fs::remove_file(&filler).unwrap();
    let (_, report) = box_store::open(config(disk.0.join("store.db")), 1_800_000_300_000).unwrap();
    assert_eq!((report.entries, report.degraded), (acknowledged.len() as u64 + 1, None));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_on_a_full_or_read_only_disk_says_so_and_starts_once_it_can() {
    let mut world = World::of(&[]).await.unwrap();
    let Some(disk) = Disk::mounted(&world.dir().join("disk"), 24) else { return };
    world.enrol(BAR, "disk/box").await.unwrap();
    let bar = world.place(BAR.name).unwrap();
    tokio::task::block_in_place(|| bar.start()).unwrap();
    bar.wait_for_link(true, SOON).await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let before = bar.view().await.unwrap();
    tokio::task::block_in_place(|| bar.stop(SOON)).unwrap();
    let run = ["run", "--dir", bar.dir.to_str().unwrap()];

    disk.remount("ro");
    let (code, said) = ended(world.technician.programs(), "edge", &run, None);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("read-only") || said.contains("Read-only"), "{said}");
    disk.remount("rw");

    let filler = disk.fill();
    let (code, said) = ended(world.technician.programs(), "edge", &run, None);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("full") || said.contains("No space left"), "{said}");
    fs::remove_file(filler).unwrap();

    tokio::task::block_in_place(|| bar.start()).unwrap();
    bar.wait_for_link(true, SOON).await.unwrap();
    world.wait_until_agreed(SOON).await.unwrap();
    let after = bar.view().await.unwrap();
    assert_eq!((after.epoch, after.box_number), (before.epoch, before.box_number), "the same journal goes on");
    drop(world);
    drop(disk);
}
