//! Small file systems: one in memory, one in a file.
//! Invariant: mounted only in this process's own namespace.
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use evening::world::process::Programs;

/// What is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A tmpfs.
    Memory,
    /// An ext4 in a file: unlike a tmpfs, it can be turned read-only under whoever writes, as the kernel does to a medium
    /// that fails.
    Loop,
}

/// A mounted file system, gone when dropped.
pub(crate) struct Disk {
    /// Where.
    pub(crate) at: PathBuf,
    image: Option<PathBuf>,
}

fn run(program: &str, arguments: &[&str]) -> Result<()> {
    let done =
        Command::new(program).args(arguments).stdin(Stdio::null()).output().with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(())
}

/// Why such a disk cannot be had here; `None`: it can.
pub(crate) fn missing(kind: Kind) -> Option<String> {
    if std::env::var_os(super::OWN).is_none() {
        return Some("no mount namespace of its own".into());
    }
    let dir = tempfile::tempdir().ok()?;
    Disk::mounted(kind, &dir.path().join("probe"), 8).err().map(|error| format!("{error:#}"))
}

impl Disk {
    /// Mounts one of this size.
    pub(crate) fn mounted(kind: Kind, at: &Path, mebibytes: u32) -> Result<Self> {
        fs::create_dir_all(at)?;
        let to = at.to_str().context("a path that is text")?;
        let image = match kind {
            Kind::Memory => {
                run("mount", &["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs", to])?;
                None
            }
            Kind::Loop => {
                let image = at.with_extension("ext4");
                File::create(&image)?.set_len(u64::from(mebibytes) << 20)?;
                let file = image.to_str().context("a path that is text")?;
                run("mkfs.ext4", &["-q", "-F", "-m", "0", file])?;
                run("mount", &["-o", "loop", file, to])?;
                Some(image)
            }
        };
        Ok(Self { at: at.into(), image })
    }

    /// Everything written so far is on the medium.
    pub(crate) fn flush(&self) -> Result<()> {
        run("sync", &["--file-system", self.at.to_str().context("a path that is text")?])
    }

    /// The kernel gives the medium up: nothing is written to it any more, whoever has files open.
    pub(crate) fn gives_up(&self) -> Result<()> {
        run("mount", &["-o", "remount,abort", self.at.to_str().context("a path that is text")?])
    }

    /// Unmounts and mounts it again, as after the medium was looked at.
    pub(crate) fn mount_again(&self) -> Result<()> {
        let (at, image) = (self.at.to_str().context("text")?, self.image.as_ref().context("a file")?);
        let image = image.to_str().context("text")?;
        run("umount", &[at])?;
        // replays its journal; exit code 1 says that something was corrected
        let checked = Command::new("e2fsck").args(["-f", "-y", image]).output().context("e2fsck")?;
        ensure!(matches!(checked.status.code(), Some(0 | 1)), "e2fsck: {}", String::from_utf8_lossy(&checked.stdout));
        run("mount", &["-o", "loop", image, at])
    }

    /// Mounts it again so that nobody may write.
    pub(crate) fn mount_read_only(&self) -> Result<()> {
        run("mount", &["-o", "remount,ro", self.at.to_str().context("a path that is text")?])
    }

    /// Takes all the room that is left but `spare` bytes.
    pub(crate) fn fill(&self, spare: usize) -> Result<Filler> {
        let path = self.at.join("filler");
        let mut file = File::create(&path)?;
        for size in [1 << 16, 1 << 12, 1 << 8, 1] {
            let bytes = vec![0x55; size];
            while file.write_all(&bytes).is_ok() {}
        }
        let filler = Filler(path);
        filler.leave(spare)?;
        Ok(filler)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).status();
    }
}

/// A daemon that is started on this disk and does not start: what it says.
pub(crate) fn refuses_to_start(programs: &Programs, program: &str, dir: &Path) -> Result<String> {
    let path = programs.command(program).get_program().to_owned();
    let mut command = Command::new("timeout");
    let output = command.arg("20").arg(path).args(["run", "--dir"]).arg(dir).stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.code() == Some(1), "{program} ends with {}: {said}", output.status);
    Ok(said)
}

/// The file that holds the room.
pub(crate) struct Filler(PathBuf);

impl Filler {
    /// Gives so many bytes back.
    pub(crate) fn leave(&self, bytes: usize) -> Result<()> {
        let file = File::options().write(true).open(&self.0)?;
        let length = file.metadata()?.len();
        Ok(file.set_len(length.saturating_sub(bytes as u64))?)
    }

    /// Gives all of it back.
    pub(crate) fn free(self) -> Result<()> {
        Ok(fs::remove_file(self.0)?)
    }
}
