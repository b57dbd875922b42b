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

#[cfg(feature = "pn532")]
#[test]
fn a_driver_ends_with_whoever_started_it_even_while_its_line_is_open() {
    use hardware::{pn532_simulator::Pn532Simulator, simulated_field::SimulatedField};

    let folder = tempfile::tempdir().unwrap();
    let simulator = Pn532Simulator::behind_pty(&folder.path().join("tty"), &SimulatedField::new()).unwrap();
    let (mut here, there) = UnixStream::pair().unwrap();
    here.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut shell = Command::new("sh");
    // the second command keeps the shell from becoming the driver itself
    shell.args(["-c", "\"$0\" reader --driver pn532 --port \"$1\"; true", env!("CARGO_BIN_EXE_edge")]);
    shell.arg(simulator.connection_string().unwrap()).stdin(OwnedFd::from(there)).stderr(Stdio::null());
    let mut parent = shell.spawn().unwrap();
    drop(shell);
    let mut head = [0; 3];
    here.read_exact(&mut head).unwrap();
    assert_eq!(head[2], 0x81, "it is ready");
    parent.kill().unwrap();
    parent.wait().unwrap();
    // its end of the line closes: nobody holds it any more
    here.read_to_end(&mut Vec::new()).unwrap();
}
