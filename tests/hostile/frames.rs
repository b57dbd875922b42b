//! Frames cut at each byte, with inflated lengths and changed bytes: against the decoder, a blank box's line and the
//! hub's listener.
use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use domain::wire::unhex;
use ed25519_dalek::SigningKey;
use evening::world::{
    BAR, World,
    process::{Daemon, Programs},
};
use sync::{
    Frame, FrameReader,
    enrolment::EnrolFrame,
    frame::{FRAME_MAX, RawFrame},
};

const SOON: Duration = Duration::from_secs(30);

/// Every golden frame by its name, as bytes on the wire.
fn golden() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/sync/tests/golden");
    let mut frames = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "hex") {
            let text: String = std::fs::read_to_string(&path).unwrap().split_whitespace().collect();
            frames.insert(path.file_stem().unwrap().to_str().unwrap().to_owned(), unhex(&text).unwrap());
        }
    }
    assert!(frames.len() >= 22, "{} golden frames", frames.len());
    frames
}

/// What a reader makes of bytes, as a frame of sync or of enrolment.
fn decoded(bytes: &[u8]) -> Result<Option<RawFrame>, String> {
    let mut reader = FrameReader::new();
    reader.push(bytes);
    let raw = reader.next_raw().map_err(|error| error.to_string())?;
    let Some(raw) = raw else { return Ok(None) };
    let canonical = if raw.kind >= 32 && raw.kind <= 37 {
        EnrolFrame::from_raw(&raw).and_then(|frame| frame.encode())
    } else {
        Frame::from_raw(&raw).and_then(|frame| frame.encode())
    };
    let canonical = canonical.map_err(|error| error.to_string())?;
    // Segments are packed anew by another compressor; every other frame has one encoding.
    if raw.kind != 5 {
        assert_eq!(canonical.get(5..), Some(raw.payload.as_slice()), "type {}", raw.kind);
    }
    Ok(Some(raw))
}

#[test]
fn a_frame_cut_at_any_byte_is_never_a_frame() {
    for (name, bytes) in golden() {
        assert!(matches!(decoded(&bytes), Ok(Some(_))), "{name}");
        for end in 0..bytes.len() {
            assert!(matches!(decoded(&bytes[..end]), Ok(None)), "{name} cut at {end}");
            // the same, with a length that says that this is all
            if end > 5 {
                let mut short = bytes[..end].to_vec();
                short[..4].copy_from_slice(&u32::try_from(end - 4).unwrap().to_le_bytes());
                // the items of a delta go to its end
                if name != "delta" {
                    assert!(decoded(&short).is_err(), "{name} ends at {end}");
                }
            }
        }
    }
}

#[test]
fn no_changed_byte_makes_a_frame_that_is_not_canonical() {
    for (name, bytes) in golden() {
        for at in 0..bytes.len() {
            for value in [0, 0x7f, 0x80, 0xff, bytes[at].wrapping_add(1), bytes[at] ^ 0x20] {
                let mut changed = bytes.clone();
                changed[at] = value;
                let _ = decoded(&changed);
            }
        }
        for length in [0, u32::MAX, 1 << 31, u32::try_from(FRAME_MAX).unwrap() + 1] {
            let mut inflated = bytes.clone();
            inflated[..4].copy_from_slice(&length.to_le_bytes());
            assert!(decoded(&inflated).is_err(), "{name} of length {length}");
        }
    }
}

fn said(socket: &Path, bytes: &[u8]) -> Vec<u8> {
    let mut line = UnixStream::connect(socket).unwrap();
    line.set_read_timeout(Some(SOON)).unwrap();
    let _ = line.write_all(bytes);
    let _ = line.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    let _ = line.read_to_end(&mut answer);
    answer
}

#[test]
fn a_blank_box_survives_every_cut_and_inflated_frame() {
    let programs = Programs::built().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let socket: PathBuf = dir.path().join("line.sock");
    let at = format!("unix:{}", socket.display());
    let home = dir.path().to_str().unwrap().to_owned();
    let mut blank = Daemon::start(programs, "edge", dir.path(), &["blank", "--dir", &home, "--listen", &at]).unwrap();
    let end = Instant::now() + SOON;
    while !socket.exists() {
        assert!(blank.is_running() && Instant::now() < end, "it waits for a technician");
        std::thread::yield_now();
    }
    for (name, bytes) in golden() {
        let step = (bytes.len() / 12).max(1);
        for end in (0..bytes.len()).step_by(step) {
            said(&socket, &bytes[..end]);
        }
        for length in [0, u32::MAX, 1 << 20, 7] {
            let mut inflated = bytes.clone();
            inflated[..4].copy_from_slice(&u32::to_le_bytes(length));
            said(&socket, &inflated);
        }
        let answer = said(&socket, &bytes);
        assert!(blank.is_running(), "{name}");
        let mut reader = FrameReader::new();
        reader.push(&answer);
        let frame = reader.next_raw().unwrap().map(|raw| EnrolFrame::from_raw(&raw).unwrap());
        let expected = matches!(frame, Some(EnrolFrame::Refusal(_) | EnrolFrame::Offer(_)));
        assert!(expected, "{name}: {frame:?}");
    }
    assert!(!dir.path().join("enrolment.cbor").exists() && !dir.path().join("bundle.fbun").exists());
    blank.kill().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_refused_whatever_it_begins_with_and_the_hub_goes_on() {
    let world = World::of(&[BAR]).await.unwrap();
    let hub = world.hub.quic().unwrap();
    let mut tried = 0;
    for (name, bytes) in golden() {
        let Ok(Some(raw)) = decoded(&bytes) else { continue };
        let Ok(frame) = Frame::from_raw(&raw) else { continue };
        let mut link = sync_quic::connect(hub, &SigningKey::from_bytes(&[0x5a; 32])).await.unwrap();
        let _ = link.send(&frame).await;
        let ended = async {
            loop {
                match link.next().await {
                    Ok(Some(Frame::Refuse(_) | Frame::Bye) | None) | Err(_) => return true,
                    Ok(Some(Frame::Welcome(_) | Frame::Heads(_) | Frame::Delta(_) | Frame::Bundle(_))) => return false,
                    Ok(Some(_)) => {}
                }
            }
        };
        assert_eq!(tokio::time::timeout(SOON, ended).await, Ok(true), "{name}");
        tried += 1;
    }
    assert!(tried >= 16, "{tried} types");
    assert!(world.place(BAR.name).unwrap().view().await.unwrap().hub.connected, "its box is still served");
    world.wait_until_agreed(SOON).await.unwrap();
}
