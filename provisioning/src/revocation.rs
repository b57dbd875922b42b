//! Revoking a box at the hub: by its number, and by who it is where the festival's folder is at hand.
//! Invariant: a box counts as revoked once the hub has said so, and not before.
//! Not here: what the hub does with it (`sync-hub`), the request itself (`https`).
use serde_json::{Value, json};

use crate::{Failure, Festival, https::Daemon};

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revoked {
    /// What the hub answered.
    pub answer: Value,
    /// How many other boxes of this number the hub knows: they are not revoked.
    pub others: usize,
    /// Whether it stands in the festival's folder now; none without one.
    pub noted: Option<Result<(), Failure>>,
}

/// Revokes the box of this number, any of its own. With the festival's folder also one that the hub has never heard.
pub fn revoke(
    hub: &Daemon,
    token: &str,
    number: u16,
    reason: &str,
    festival: Option<&Festival>,
) -> Result<Revoked, Failure> {
    let record = festival.map(|festival| festival.box_of(number)).transpose()?;
    let mut body = json!({ "number": number, "reason": reason });
    if let Some(record) = &record {
        body["device"] = json!(record.device);
        body["chain"] = json!(record.chain);
    }
    let answer = hub.post("/api/boxes/revoke", Some(token), &body)?;
    if answer.status == 404 && answer.body["code"] == "hub.not_found" {
        return Err(Failure::NeverHeard(number));
    }
    let answer = answer.accepted(hub.url())?;
    let others = answer["others"].as_array().map_or(0, Vec::len);
    let noted = festival.zip(record).map(|(festival, record)| festival.mark_revoked(&record));
    Ok(Revoked { answer, others, noted })
}

#[cfg(test)]
mod tests {
    use domain::money::Currency;

    use super::*;
    use crate::{
        boxes::{BoxRecord, Role, Standing},
        https::tests::daemon,
    };

    fn enrolled(festival: &Festival) -> BoxRecord {
        let record = |numbers| {
            Ok(BoxRecord {
                numbers,
                place: "Bar 1".into(),
                roles: vec![Role::Bar],
                zone: 0,
                standing: Standing::Enrolled,
                device: "01".repeat(16),
                epoch: 0,
                at: 1,
                chain: "c0ffee".into(),
                credit_chain: None,
                without_band_keys: false,
                revoked: false,
            })
        };
        festival.claim_box(None, record).unwrap()
    }

    #[test]
    fn with_the_festivals_folder_a_box_is_revoked_by_who_it_is_and_it_is_noted() {
        let temp = tempfile::tempdir().unwrap();
        let festival = Festival::create(&temp.path().join("f"), "Test", Currency::EUR, 1).unwrap();
        let record = enrolled(&festival);
        let ca = festival.screens_ca().unwrap();
        let (port, serving) = daemon(
            &ca,
            &[
                "HTTP/1.0 404 Not Found\r\n\r\n{\"code\":\"hub.not_found\"}",
                "HTTP/1.0 404 Not Found\r\n\r\n<html>",
                "HTTP/1.0 200 OK\r\n\r\n{\"devices\":[\"0101\"],\"others\":[\"0202\"]}",
            ],
        );
        let hub = Daemon::new(&format!("https://127.0.0.1:{port}"), ca.pem().as_bytes()).unwrap();
        assert_eq!(revoke(&hub, "t", 3, "stolen", None), Err(Failure::NeverHeard(3)));
        assert!(matches!(revoke(&hub, "t", 3, "stolen", None), Err(Failure::Answer { status: 404, .. })));
        assert_eq!(revoke(&hub, "t", 9, "stolen", Some(&festival)), Err(Failure::NoSuchBox(9)), "nobody was asked");
        assert_eq!(festival.boxes().unwrap(), std::slice::from_ref(&record));
        let done = revoke(&hub, "t", 3, "stolen", Some(&festival)).unwrap();
        assert_eq!((done.others, done.noted), (1, Some(Ok(()))));
        assert_eq!(festival.boxes().unwrap(), [BoxRecord { revoked: true, ..record.clone() }]);
        let asked = serving.join().unwrap();
        assert!(asked.contains(&record.device) && asked.contains("c0ffee"), "{asked}");
    }
}
