//! What organiser and technician do before doors, with the tool that they really use.
//! Not here: the rules of enrolment (`provisioning`).
use std::{
    fs,
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use domain::id::FestivalId;
use ed25519_dalek::SigningKey;
use provisioning::Festival;

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

    /// Lets the hub compose the bundle that new boxes get; gives its path.
    pub fn write_bundle(&self, hub: &Path) -> Result<PathBuf> {
        let out = self.dir.join("bundle.fbun");
        let composed = self.programs.command("sync-hub").args(["bundle", "--dir", text(hub)?, "--out", text(&out)?]).output()?;
        if !composed.status.success() {
            bail!("sync-hub bundle: {}", String::from_utf8_lossy(&composed.stderr).trim());
        }
        Ok(out)
    }

    /// Enrols the box in `folder` (blank or not); it reaches the hub at `hub`. Gives its screen key.
    pub fn enrol_box(&self, folder: &Path, post: &Post, hub: &str) -> Result<String> {
        fs::create_dir_all(folder)?;
        let socket = folder.join("enrol.sock");
        let listen = format!("unix:{}", text(&socket)?);
        let mut blank = self
            .programs
            .command("edge")
            .args(["blank", "--dir", text(folder)?, "--listen", &listen])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting a blank box")?;
        let offered = wait_for_socket(&socket, || matches!(blank.try_wait(), Ok(None)));
        let enrolled = offered.and_then(|()| self.talk_to(&listen, post, hub));
        if enrolled.is_err() {
            blank.kill().ok();
        }
        let ended = blank.wait_with_output()?;
        enrolled.with_context(|| String::from_utf8_lossy(&ended.stderr).trim().to_owned())?;
        if !ended.status.success() {
            bail!("the blank box ended badly: {}", String::from_utf8_lossy(&ended.stderr).trim());
        }
        screen_key(folder)
    }

    fn talk_to(&self, target: &str, post: &Post, hub: &str) -> Result<()> {
        let bundle = self.dir.join("bundle.fbun");
        let mut arguments = vec!["box", "enrol", "--festival", text(&self.dir)?, "--to", target, "--place", post.name];
        arguments.extend(["--hub", hub, "--bundle", text(&bundle)?]);
        for role in post.roles {
            arguments.extend(["--role", role]);
        }
        if post.pairing {
            arguments.push("--pairing");
        }
        self.programs.provision(&arguments).map(drop)
    }
}

/// Key of the screens of an enrolled box.
fn screen_key(_folder: &Path) -> Result<String> {
    bail!("not known yet")
}

fn wait_for_socket(socket: &Path, mut lives: impl FnMut() -> bool) -> Result<()> {
    let end = std::time::Instant::now() + OFFERS_WITHIN;
    while !socket.exists() {
        if !lives() || std::time::Instant::now() > end {
            bail!("the blank box offers no line");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}
