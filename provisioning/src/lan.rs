//! Which boxes decide together on a LAN: one file for the hub's folder `lan/`.
//! Invariant: a list never changes under its version, and names the one before, whose boxes must hand over.
//! Not here: the bundle that carries it (the hub), what boxes make of it (`edge`).
use std::path::Path;

use domain::{
    id::DeviceId,
    lan::{LanGroup, Voter, VoterList},
    wire::{from_canonical_cbor, to_cbor},
};

use crate::{Failure, Festival, files};

/// What the technician wants.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// Number of the group; in the festival, never reused.
    pub number: u16,
    /// Where its broker listens, `host:port`.
    pub broker: String,
    /// Numbers of its boxes.
    pub boxes: Vec<u16>,
    /// Number of the box that hosts the broker: it breaks ties.
    pub host: Option<u16>,
    /// On how many disks a commit stands before its green light.
    pub copies: u8,
}

/// Writes the group's next list. A file that is there names the list before. The same list again only changes the rest.
pub fn write_group(festival: &Festival, plan: &GroupPlan, out: &Path) -> Result<LanGroup, Failure> {
    let before = if out.exists() { Some(read_group(out)?) } else { None };
    if before.as_ref().is_some_and(|before| before.number != plan.number) {
        return Err(Failure::damaged(out, "it is another group's"));
    }
    let mut voters = Vec::new();
    for number in &plan.boxes {
        voters.push(Voter { device: device(festival, *number)?, votes: 1 });
    }
    voters.sort();
    if let Some(host) = plan.host {
        let host = device(festival, host)?;
        let even = voters.len().is_multiple_of(2);
        let found = voters.iter_mut().find(|voter| voter.device == host);
        found.ok_or(Failure::Group("the broker's host is not one of its boxes"))?.votes += u8::from(even);
    }
    let (version, previous) = match before {
        None => (1, None),
        Some(before) if before.list.voters == voters => (before.list.version, before.previous),
        Some(before) => (before.list.version.saturating_add(1), Some(before.list)),
    };
    let list = VoterList { version, voters };
    let group = LanGroup { number: plan.number, broker: plan.broker.clone(), copies: plan.copies, list, previous };
    let has_port =
        plan.broker.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok());
    if !has_port {
        return Err(Failure::Group("the broker's address is not HOST:PORT"));
    }
    LanGroup::check_all(std::slice::from_ref(&group))
        .map_err(|_| Failure::Group("1 to 64 boxes, each once; 1 or 2 copies"))?;
    files::replace(out, &to_cbor(&group))?;
    Ok(group)
}

/// Reads such a file.
pub fn read_group(path: &Path) -> Result<LanGroup, Failure> {
    let group: LanGroup = from_canonical_cbor(&files::read(path)?).map_err(|error| Failure::damaged(path, error))?;
    LanGroup::check_all(std::slice::from_ref(&group)).map_err(|error| Failure::damaged(path, error))?;
    Ok(group)
}

fn device(festival: &Festival, number: u16) -> Result<DeviceId, Failure> {
    let boxes = festival.boxes()?;
    let record = boxes.iter().rev().find(|record| record.has_number(number));
    let device = record.and_then(|record| record.device());
    device.ok_or(Failure::Group("no box was ever given one of these numbers"))
}

#[cfg(test)]
mod tests {
    use domain::money::Currency;

    use super::*;

    #[test]
    fn a_group_needs_boxes_that_were_enrolled_and_an_address() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let out = temp.path().join("1.cbor");
        let plan = GroupPlan { number: 1, broker: "10.0.0.5:1883".into(), boxes: vec![1], host: None, copies: 1 };
        assert!(matches!(write_group(&festival, &plan, &out), Err(Failure::Group(_))));
        assert!(!out.exists());
    }
}
