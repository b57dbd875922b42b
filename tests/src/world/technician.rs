//! What organiser and technician do before doors, with the tool that they really use.
//! Not here: the rules of enrolment (`provisioning`).
use std::{
    fs,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use domain::{id::FestivalId, wire::from_canonical_cbor};
use ed25519_dalek::SigningKey;
use provisioning::Festival;
use sync::enrolment::Enrolled;

use super::{place::Post, process::Programs};
use crate::band::Supplier;

/// A blank box that does not offer itself after this long is broken.
const OFFERS_WITHIN: Duration = Duration::from_secs(20);

/// The technician and the organiser's folder.
pub struct Technician {
    programs: Programs,
    dir: PathBuf,
    festival: Festival,
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is text")
}

impl Technician {
    /// Founds a festival in a folder that is not there yet.
    pub fn found(programs: &Programs, dir: &Path) -> Result<Self> {
        programs.provision(&["festival", "new", "--dir", text(dir)?, "--name", "Prairie 2027", "--currency", "EUR"])?;
        let festival = Festival::open(dir).map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Self { programs: programs.clone(), dir: dir.into(), festival })
    }

    /// The festival.
    pub fn festival(&self) -> FestivalId {
        self.festival.id()
    }

    /// The organiser's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the programs are.
    pub fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Makes the hub's folder.
    pub fn enrol_hub(&self, hub: &Path) -> Result<()> {
        let own = ["hub", "enrol", "--festival", text(&self.dir)?, "--out", text(hub)?];
        let listening = ["--quic", "127.0.0.1:0", "--https", "127.0.0.1:0"];
        self.programs.provision(&[&own[..], &listening[..]].concat()).map(drop)
    }

    /// The supplier of this festival's bands, with the hub's credit key.
    pub fn supplier(&self, hub: &Path) -> Result<Supplier> {
        let seed: [u8; 32] = fs::read(hub.join("keys/credit-online.key"))?.as_slice().try_into()?;
        let secrets = self.festival.band_secrets().map_err(|error| anyhow::anyhow!("{error}"))?;
        Ok(Supplier::new(self.festival.id(), secrets, SigningKey::from_bytes(&seed)))
    }

    /// Where the bundle for new boxes lies.
    pub fn bundle(&self) -> PathBuf {
        self.dir.join("bundle.fbun")
    }

    /// The first number of the box at a place, as its file says.
    pub fn number_of(&self, place: &str) -> Result<u16> {
        for file in fs::read_dir(self.dir.join("boxes"))? {
            let text = fs::read_to_string(file?.path())?;
            if text.contains(place) {
                let numbers = text.split("numbers = [").nth(1).and_then(|rest| rest.split(',').next());
                return Ok(numbers.context("no numbers")?.trim().parse()?);
            }
        }
        anyhow::bail!("no box was enrolled at {place}")
    }

    /// Enrols the blank box in `folder`; it reaches the hub at `hub` and serves its screens at `screens`. Gives its
    /// screen key.
    pub fn enrol_box(&self, folder: &Path, post: &Post, hub: &str, screens: &str) -> Result<String> {
        self.enrol_with(folder, post, hub, screens, &[])
    }

    /// The same with further words for the tool.
    pub fn enrol_with(&self, folder: &Path, post: &Post, hub: &str, screens: &str, more: &[&str]) -> Result<String> {
        let mut blank = Blank::wait_in(&self.programs, folder)?;
        let talked = self.talk_to(&blank.line, post, hub, screens, more);
        blank.end(talked.is_ok()).and(talked)?;
        screen_key(folder)
    }

    /// Lets the tool speak to a box on this line.
    pub fn talk_to(&self, target: &str, post: &Post, hub: &str, screens: &str, more: &[&str]) -> Result<()> {
        let bundle = self.bundle();
        let mut arguments =
            vec!["box", "enrol", "--festival", text(&self.dir)?, "--connect", target, "--place", post.name];
        arguments.extend(["--hub", hub, "--bundle", text(&bundle)?, "--https", screens]);
        arguments.extend(more);
        for role in post.roles {
            arguments.extend(["--role", role]);
        }
        if post.pairing {
            arguments.push("--pairing");
        }
        self.programs.provision(&arguments).map(drop)
    }
}

/// Key of the screens of an enrolled box, as it stands on its label.
fn screen_key(folder: &Path) -> Result<String> {
    let file = fs::read(folder.join("enrolment.cbor"))?;
    let stored: Enrolled = from_canonical_cbor(Enrolled::in_file(&file)?)?;
    Ok(stored.config.screen_key)
}

/// A box that waits for a technician.
pub struct Blank {
    /// Where, as the technician's tool takes it.
    pub line: String,
    /// The socket behind it.
    pub socket: PathBuf,
    process: Child,
}

impl Blank {
    /// Lets the box in `folder` wait, making the folder where there is none.
    pub fn wait_in(programs: &Programs, folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let socket = folder.join("enrol.sock");
        let line = format!("unix:{}", text(&socket)?);
        let log = fs::File::options().create(true).append(true).open(folder.join("log"))?;
        let mut command = programs.command("edge");
        command.args(["blank", "--dir", text(folder)?, "--listen", &line]).stdin(Stdio::null());
        let process = command.stdout(Stdio::null()).stderr(log).spawn().context("starting a blank box")?;
        let mut blank = Self { line, socket, process };
        let end = Instant::now() + OFFERS_WITHIN;
        // its file is there a moment before anybody listens
        while UnixStream::connect(&blank.socket).is_err() {
            ensure!(
                matches!(blank.process.try_wait(), Ok(None)) && Instant::now() < end,
                "the blank box offers no line"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(blank)
    }

    /// Waits for its end after it was enrolled; otherwise ends it.
    fn end(&mut self, enrolled: bool) -> Result<()> {
        if !enrolled {
            self.process.kill().ok();
        }
        let status = self.process.wait()?;
        fs::remove_file(&self.socket).ok();
        ensure!(status.success() || !enrolled, "the blank box ended badly ({status})");
        Ok(())
    }
}

impl Drop for Blank {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}
