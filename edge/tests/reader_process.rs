//! `edge reader`, as the daemon starts it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed test should panic")]

use std::{
    io::Read,
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Command, Stdio},
    time::Duration,
};

fn started(arguments: &[&str]) -> (std::process::Child, UnixStream) {
    let (here, there) = UnixStream::pair().unwrap();
    here.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
    command.arg("reader").args(arguments).stdin(OwnedFd::from(there)).stderr(Stdio::null());
    (command.spawn().unwrap(), here)
}

#[test]
fn a_reader_that_does_not_open_says_why_and_ends() {
    for arguments in [&["--driver", "virtual"][..], &["--driver", "pn532", "--port", "pn532_uart:/dev/no-such-port"]] {
        let (mut child, mut line) = started(arguments);
        let mut said = Vec::new();
        line.read_to_end(&mut said).unwrap();
        // a failure (89h, with its reason) or an unplugged reader (88h), in one frame
        assert!(matches!(said.get(2), Some(0x88 | 0x89)), "{arguments:?}: {said:02x?}");
        assert_eq!(usize::from(said[1]), said.len() - 2, "{arguments:?}");
        assert!(!child.wait().unwrap().success());
    }
}
