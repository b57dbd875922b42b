//! A box's folder: do key, certificates and bundle belong together and lead to the root?
use std::path::Path;

use domain::{
    bundle::Bundle,
    id::device_id,
    trust::{CertificateChain, Purpose, Roles},
};
use sync::enrolment::Enrolled;

use super::{Finding, Report, brief, mode_finding};
use crate::files;

/// Checks the folder of a box that is off.
pub fn folder(dir: &Path) -> Report {
    let mut findings = Vec::new();
    let key = files::read_key(&dir.join("identity.key")).map(|key| key.verifying_key().to_bytes());
    findings.push(Finding::new("identity", key.as_ref().map(|key| device_id(key).to_hex()).map_err(brief)));
    let enrolled = key.map_err(|failure| brief(&failure)).and_then(|key| read_enrolled(dir, &key));
    findings.push(Finding::new(
        "enrolment",
        enrolled.as_ref().map(|(enrolled, _)| summary(enrolled)).map_err(Clone::clone),
    ));
    if let Ok((enrolled, key)) = &enrolled {
        if enrolled.config.roles.has(Roles::TOP_UP) {
            findings.push(Finding::new("credit", credit(enrolled, key)));
        }
        findings.push(Finding::new("bundle", bundle(dir, enrolled)));
    }
    findings.push(Finding::new("permissions", permissions(dir)));
    Report::of(findings)
}

fn read_enrolled(dir: &Path, key: &[u8; 32]) -> Result<(Enrolled, [u8; 32]), String> {
    let bytes = files::read(&dir.join("enrolment.cbor")).map_err(|failure| brief(&failure))?;
    let enrolled = Enrolled::from_file(&bytes, key).map_err(|error| error.to_string())?;
    Ok((enrolled, *key))
}

fn summary(enrolled: &Enrolled) -> String {
    let festival = enrolled.festival().map_or_else(|error| error.to_string(), |festival| festival.to_hex());
    let config = &enrolled.config;
    format!("#{} {:?}, epoch {}, festival {festival}", config.box_number.0, config.place, enrolled.epoch)
}

fn credit(enrolled: &Enrolled, key: &[u8; 32]) -> Result<String, String> {
    let founding = enrolled.founding().map_err(|error| error.to_string())?;
    let chains = enrolled.further.iter().filter_map(|chain| CertificateChain::from_bytes(chain).ok());
    let own = chains
        .filter_map(|chain| chain.verify_for(&founding, Purpose::Credit).ok())
        .find(|certificate| certificate.subject == *key);
    own.map(|certificate| format!("quota {}", certificate.scope.quota_cents)).ok_or_else(|| "-".into())
}

fn bundle(dir: &Path, enrolled: &Enrolled) -> Result<String, String> {
    let festival = enrolled.festival().map_err(|error| error.to_string())?;
    let bytes = files::read(&dir.join("bundle.fbun")).map_err(|failure| brief(&failure))?;
    let bundle = Bundle::verify(&bytes, Some(festival)).map_err(|error| error.to_string())?;
    Ok(format!("{}, {}", bundle.body.number, crate::inspect::utc(bundle.body.issued)))
}

fn permissions(dir: &Path) -> Result<String, String> {
    mode_finding(dir, 0o700)?;
    // The folder keeps others from the rest; these two must not even be copied elsewhere readable.
    for name in ["identity.key", "enrolment.cbor"] {
        let path = dir.join(name);
        if path.exists() {
            mode_finding(&path, 0o600)?;
        }
    }
    Ok("0700/0600".into())
}
