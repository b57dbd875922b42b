//! Is this box fit for tonight? Looks at its folder while it is off, or asks it over HTTPS while it runs.
//! Invariant: changes nothing; what is missing or wrong is a finding, not the end of the check.
//! Not here: the box's own checks at boot.
use std::path::Path;

use serde::Serialize;

use crate::{Failure, Lang};

mod folder;
mod running;

pub use folder::folder;
pub use running::running;

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Stable name of what was looked at.
    pub check: &'static str,
    /// Whether it is as it should be.
    pub ok: bool,
    /// What was seen.
    pub seen: String,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether all is as it should be.
    pub ok: bool,
    /// In the order looked at.
    pub findings: Vec<Finding>,
}

impl Report {
    fn of(findings: Vec<Finding>) -> Self {
        Self { ok: findings.iter().all(|finding| finding.ok), findings }
    }

    /// One line for each finding, the bad ones with what to do.
    pub fn explain(&self, lang: Lang) -> String {
        let mut lines: Vec<String> = self.findings.iter().map(|finding| finding.line(lang)).collect();
        lines.push(if self.ok {
            lang.pick("Tout est en ordre.", "All is well.").into()
        } else {
            lang.pick("Ce boîtier n'est pas prêt.", "This box is not ready.").into()
        });
        lines.join("\n")
    }
}

impl Finding {
    fn new(check: &'static str, seen: Result<String, String>) -> Self {
        match seen {
            Ok(seen) => Self { check, ok: true, seen },
            Err(seen) => Self { check, ok: false, seen },
        }
    }

    fn line(&self, lang: Lang) -> String {
        let (name, todo) = words(self.check, lang);
        let colon = lang.pick(" :", ":");
        if self.ok {
            format!("  ok    {name}{colon} {}", self.seen)
        } else {
            format!("  {}  {name}{colon} {}. {todo}", lang.pick("NON ", "BAD "), self.seen)
        }
    }
}

/// What a check is called, and what to do when it fails.
fn words(check: &str, lang: Lang) -> (&'static str, &'static str) {
    let (fr, en) = match check {
        "identity" => (
            ("clé d'identité", "Sans elle, le boîtier doit être enrôlé de nouveau."),
            ("identity key", "Without it the box must be enrolled again."),
        ),
        "enrolment" => (
            ("enrôlement", "Enrôlez-le avec `provision box enrol`."),
            ("enrolment", "Enrol it with `provision box enrol`."),
        ),
        "credit" => (
            ("clé de rechargement", "Enrôlez-le de nouveau avec le rôle top-up."),
            ("credit key", "Enrol it again with the role top-up."),
        ),
        "bundle" => (
            ("paquet du festival", "Reprenez-le du hub, ou laissez le boîtier se synchroniser."),
            ("festival bundle", "Fetch it from the hub, or let the box sync."),
        ),
        "permissions" => (
            ("droits des fichiers", "Remettez 0600 aux fichiers et 0700 au dossier."),
            ("file permissions", "Set files to 0600 and the folder to 0700."),
        ),
        "health" => (
            ("service", "Vérifiez qu'il tourne, son adresse et le fichier de l'autorité."),
            ("daemon", "Check that it runs, its address and the CA file."),
        ),
        "ready" => (("prêt", "Lisez la raison sur son écran."), ("ready", "Read the reason on its screen.")),
        "state" => (("état", "Vérifiez la clé d'écran (--key)."), ("state", "Check the screen key (--key).")),
        "hub" => (
            ("liaison au hub", "Le boîtier travaille quand même ; vérifiez le réseau."),
            ("link to the hub", "The box works all the same; check the network."),
        ),
        "knowledge" => (
            ("âge des connaissances", "Reliez-le au hub avant l'ouverture."),
            ("age of its knowledge", "Connect it to the hub before doors."),
        ),
        "clock" => (
            ("horloge", "Reliez-le au hub pour qu'il prenne l'heure."),
            ("clock", "Connect it to the hub so that it gets the time."),
        ),
        "reader" => (("lecteur de bracelets", "Vérifiez son câble."), ("wristband reader", "Check its cable.")),
        _ => (("autre", ""), ("other", "")),
    };
    lang.pick(fr, en)
}

fn mode_finding(path: &Path, allowed: u32) -> Result<(), String> {
    match crate::files::mode(path) {
        Ok(mode) if mode & !allowed == 0 => Ok(()),
        Ok(mode) => Err(format!("{} {mode:04o}", path.display())),
        Err(failure) => Err(brief(&failure)),
    }
}

/// A failure as something seen: its code and what the system says. What to do stands with the check.
fn brief(failure: &Failure) -> String {
    if let Failure::File { reason, .. } | Failure::Damaged { reason, .. } | Failure::Unreachable { reason, .. } =
        failure
    {
        format!("{} ({reason})", failure.code())
    } else {
        failure.code().into()
    }
}
