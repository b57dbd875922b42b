//! What a box tells systemd, which started it: that it serves, that taps are still served, that it stops (sd_notify(3)).
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]
use std::{os::unix::net::UnixDatagram, path::Path, thread, time::Duration};

use evening::world::{BAR, World, process::Programs};

const SOON: Duration = Duration::from_secs(30);

/// The next thing that it is told.
fn told(systemd: &UnixDatagram) -> String {
    let mut text = [0; 64];
    let length = systemd.recv(&mut text).unwrap();
    String::from_utf8_lossy(&text[..length]).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_box_tells_systemd_that_it_serves_that_it_still_does_and_that_it_stops() {
    let mut world = World::of(&[BAR]).await.unwrap();
    let path = world.dir().join("notify");
    let systemd = UnixDatagram::bind(&path).unwrap();
    systemd.set_read_timeout(Some(SOON)).unwrap();
    let within = Path::new("400000");
    let programs = Programs::built().unwrap().clone().with("NOTIFY_SOCKET", &path).with("WATCHDOG_USEC", within);
    let bar = world.places.last_mut().unwrap();
    bar.stop(SOON).unwrap();
    bar.equip("", programs).unwrap();
    bar.start().unwrap();
    // the loop turns before the screens are served
    while told(&systemd) != "READY=1" {}
    for _ in 0..3 {
        assert_eq!(told(&systemd), "WATCHDOG=1");
    }
    thread::scope(|scope| {
        scope.spawn(|| bar.stop(SOON).unwrap());
        while told(&systemd) != "STOPPING=1" {}
    });
}
