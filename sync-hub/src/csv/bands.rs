//! Wristbands as they were delivered: `uid` or `wallet`, `profile`, `batch`, and where it is not a band for everybody
//! `state`, `reason`; or the list that `provision bands` writes: `wallet`, `kind`, `state`, `reason`, `time`.
//! Invariant: a UID becomes its wallet's id at once and is not kept; the list says what a band is, never what is on it.
//! Not here: the list's own writing (`provisioning`).
use std::{
    collections::BTreeMap,
    io::{Read, Write},
};

use domain::{id::WalletId, journal::BandProfile};

use super::{ExportError, Taken, cell, input};
use crate::{
    config::NAME_MAX,
    hub::{Hub, HubError},
    store::{BandState, DeliveredBand, Reading},
};

const COLUMNS: input::Columns = input::Columns {
    required: &["profile", "batch"],
    further: &["uid", "wallet", "state", "reason"],
    known: "uid or wallet, profile (uid, ntag21x, ultralight_aes, pointer), batch, state (issued, spare, bad), reason; \
            or the list of provision bands: wallet, kind, state, reason, time",
    lenient: is_issuing_list,
    foreign: &ISSUING,
};

/// Columns of the list that `provision bands` writes.
const ISSUING: [&str; 5] = ["wallet", "kind", "state", "reason", "time"];

const PROFILES: [(BandProfile, &str); 4] = [
    (BandProfile::Uid, "uid"),
    (BandProfile::Ntag21x, "ntag21x"),
    (BandProfile::UltralightAes, "ultralight_aes"),
    (BandProfile::Pointer, "pointer"),
];

/// Kinds of chips on an issuing list, and what band each makes.
const KINDS: [(&str, Option<BandProfile>); 7] = [
    ("uid", Some(BandProfile::Uid)),
    ("ntag213", Some(BandProfile::Pointer)),
    ("ntag215", Some(BandProfile::Ntag21x)),
    ("ntag216", Some(BandProfile::Ntag21x)),
    ("ultralight_aes", Some(BandProfile::UltralightAes)),
    ("ultralight_c", None),
    ("other", None),
];

/// Longest reason of a bad chip.
const REASON_MAX: usize = 64;

fn is_issuing_list(names: &[String]) -> bool {
    names.len() == ISSUING.len() && ISSUING.iter().all(|column| names.iter().any(|name| name == column))
}

/// Name of a profile in lists.
fn profile_name(profile: Option<BandProfile>) -> &'static str {
    PROFILES.iter().find(|(known, _)| Some(*known) == profile).map_or("", |(_, name)| name)
}

fn band(hub: &Hub, line: &input::Line) -> Result<DeliveredBand, String> {
    if line.has("kind") {
        return issued(line);
    }
    let state = state(line)?;
    let name = line.cell("profile");
    let profile = PROFILES.iter().find(|(_, known)| *known == name).map(|(profile, _)| *profile);
    if profile.is_none() && !(name.is_empty() && matches!(state, BandState::Bad(_))) {
        return Err(format!("profile: {name:?} is none of uid, ntag21x, ultralight_aes, pointer"));
    }
    let batch = line.cell("batch");
    if batch.is_empty() || batch.len() > NAME_MAX {
        return Err(format!("batch: a label has 1 to {NAME_MAX} bytes, this one has {}", batch.len()));
    }
    let tight: String = line.cell("uid").chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
    let wallet = match (tight.as_str(), line.cell("wallet")) {
        ("", "") => Err("neither a uid nor a wallet".to_string()),
        ("", wallet) => of_hex(wallet),
        (uid, "") => of_uid(hub, uid),
        (uid, wallet) => of_uid(hub, uid).and_then(|of_uid| match WalletId::from_hex(wallet) {
            Some(wallet) if wallet == of_uid => Ok(of_uid),
            Some(_) | None => Err("the wallet is not that of the uid".into()),
        }),
    };
    Ok(DeliveredBand { wallet: wallet?, profile, batch: batch.into(), state })
}

/// A line of the list that `provision bands` writes; its batch is the day on which the chip was laid on the reader.
fn issued(line: &input::Line) -> Result<DeliveredBand, String> {
    let (name, state) = (line.cell("kind"), state(line)?);
    let kind = KINDS.iter().find(|(known, _)| *known == name);
    let (_, profile) = kind.ok_or_else(|| format!("kind: {name:?} is no kind of chip"))?;
    if profile.is_none() && !matches!(state, BandState::Bad(_)) {
        return Err(format!("kind: a chip of kind {name} is no band"));
    }
    let day = day(line.cell("time")).ok_or("time: a time as 2027-07-16 18:30:00 UTC is needed")?;
    Ok(DeliveredBand { wallet: of_hex(line.cell("wallet"))?, profile: *profile, batch: day.into(), state })
}

fn state(line: &input::Line) -> Result<BandState, String> {
    let reason = line.cell("reason");
    let is_code = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'_' | b'0'..=b'9'));
    match (line.cell("state"), reason) {
        ("" | "issued", "") => Ok(BandState::Issued),
        ("spare", "") => Ok(BandState::Spare),
        ("bad", code) if code.len() <= REASON_MAX && code.strip_prefix("band.").is_some_and(is_code) => {
            Ok(BandState::Bad(code.into()))
        }
        ("bad", _) => Err(format!("reason: {reason:?} is no reason for a bad chip")),
        ("" | "issued" | "spare", _) => Err("reason: only a bad chip has one".into()),
        (other, _) => Err(format!("state: {other:?} is none of issued, spare, bad")),
    }
}

/// The day of a time as the list has it.
fn day(time: &str) -> Option<&str> {
    const LOOK: &[u8] = b"0000-00-00 00:00:00 UTC";
    let same = |(byte, look): (u8, &u8)| if *look == b'0' { byte.is_ascii_digit() } else { byte == *look };
    let is_time = time.len() == LOOK.len() && time.bytes().zip(LOOK).all(same);
    time.split(' ').next().filter(|_| is_time)
}

fn of_hex(wallet: &str) -> Result<WalletId, String> {
    WalletId::from_hex(wallet).ok_or_else(|| "wallet: 32 hexadecimal digits are needed".into())
}

fn of_uid(hub: &Hub, text: &str) -> Result<WalletId, String> {
    let uid = domain::wire::unhex(text).filter(|uid| matches!(uid.len(), 4 | 7 | 10));
    let uid = uid.ok_or("uid: 4, 7 or 10 bytes in hexadecimal are needed")?;
    let bands = hub.identity().bands.as_ref().ok_or("this hub has no band secrets: import by wallet")?;
    Ok(bands.wallet(&uid))
}

pub(super) fn import(hub: &mut Hub, file: impl Read, skip_bad: bool) -> Result<Taken, HubError> {
    let mut seen = BTreeMap::new();
    let mut at = 0_usize;
    let lines = input::read(file, COLUMNS, |line| {
        let band = band(hub, line)?;
        // an issuing list is a diary, in which a chip's last line counts
        if !line.has("kind") && seen.contains_key(&band.wallet) {
            return Err("this band stands in the file twice".into());
        }
        seen.insert(band.wallet, at);
        at = at.saturating_add(1);
        Ok(Some(band))
    })?;
    let (good, skipped, bad) = lines.judged(skip_bad)?;
    let mut taken = Taken { skipped, bad, ..Taken::default() };
    hub.store.transaction::<_, HubError>(|store| {
        for (at, (_, band)) in good.iter().enumerate() {
            if seen.get(&band.wallet).is_some_and(|last| *last > at) {
                continue;
            }
            let count = match store.delivered_band(band.wallet)? {
                Some(held) if held == *band => &mut taken.unchanged,
                Some(_) => &mut taken.changed,
                None => &mut taken.new,
            };
            *count = count.saturating_add(1);
            store.put_delivered_band(band)?;
        }
        Ok(())
    })?;
    Ok(taken)
}

pub(super) fn export(reading: &Reading, out: &mut csv::Writer<impl Write>) -> Result<(), ExportError> {
    out.write_record(["wallet", "profile", "batch", "state", "reason"])?;
    reading.each_delivered_band(|band| {
        let (state, reason) = match &band.state {
            BandState::Issued => ("issued", ""),
            BandState::Spare => ("spare", ""),
            BandState::Bad(reason) => ("bad", reason.as_str()),
        };
        let (wallet, batch) = (band.wallet.to_hex(), cell::guarded(&band.batch));
        Ok(out.write_record([wallet.as_str(), profile_name(band.profile), &batch, state, reason])?)
    })
}
