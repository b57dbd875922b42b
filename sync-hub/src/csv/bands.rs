//! Wristbands as they were delivered: `uid` or `wallet`, `profile`, `batch`.
//! Invariant: a UID becomes its wallet's id at once and is not kept; the list says what a band is, never what is on it.
use std::{
    collections::BTreeSet,
    io::{Read, Write},
};

use domain::{id::WalletId, journal::BandProfile};

use super::{ExportError, Taken, cell, input};
use crate::{
    config::NAME_MAX,
    hub::{Hub, HubError},
    store::{DeliveredBand, Reading},
};

const COLUMNS: input::Columns = input::Columns {
    required: &["profile", "batch"],
    further: &["uid", "wallet"],
    known: "uid or wallet, profile (uid, ntag21x, ultralight_aes, pointer), batch",
    lenient: |_| false,
};

const PROFILES: [(BandProfile, &str); 4] = [
    (BandProfile::Uid, "uid"),
    (BandProfile::Ntag21x, "ntag21x"),
    (BandProfile::UltralightAes, "ultralight_aes"),
    (BandProfile::Pointer, "pointer"),
];

/// Name of a profile in lists.
pub(crate) fn profile_name(profile: BandProfile) -> &'static str {
    PROFILES.iter().find(|(known, _)| *known == profile).map_or("unknown", |(_, name)| name)
}

fn band(hub: &Hub, line: &input::Line) -> Result<DeliveredBand, String> {
    let name = line.cell("profile");
    let profile = PROFILES.iter().find(|(_, known)| *known == name).map(|(profile, _)| *profile);
    let profile =
        profile.ok_or_else(|| format!("profile: {name:?} is none of uid, ntag21x, ultralight_aes, pointer"))?;
    let batch = line.cell("batch");
    if batch.is_empty() || batch.len() > NAME_MAX {
        return Err(format!("batch: a label has 1 to {NAME_MAX} bytes, this one has {}", batch.len()));
    }
    let tight: String = line.cell("uid").chars().filter(|c| !matches!(c, ':' | ' ' | '-')).collect();
    let wallet = match (tight.as_str(), line.cell("wallet")) {
        ("", "") => Err("neither a uid nor a wallet".to_string()),
        ("", wallet) => WalletId::from_hex(wallet).ok_or_else(|| "wallet: 32 hexadecimal digits are needed".into()),
        (uid, "") => of_uid(hub, uid),
        (uid, wallet) => of_uid(hub, uid).and_then(|of_uid| match WalletId::from_hex(wallet) {
            Some(wallet) if wallet == of_uid => Ok(of_uid),
            Some(_) | None => Err("the wallet is not that of the uid".into()),
        }),
    };
    Ok(DeliveredBand { wallet: wallet?, profile, batch: batch.into() })
}

fn of_uid(hub: &Hub, text: &str) -> Result<WalletId, String> {
    let uid = domain::wire::unhex(text).filter(|uid| matches!(uid.len(), 4 | 7 | 10));
    let uid = uid.ok_or("uid: 4, 7 or 10 bytes in hexadecimal are needed")?;
    let bands = hub.identity().bands.as_ref().ok_or("this hub has no band secrets: import by wallet")?;
    Ok(bands.wallet(&uid))
}

pub(super) fn import(hub: &mut Hub, file: impl Read, skip_bad: bool) -> Result<Taken, HubError> {
    let mut seen = BTreeSet::new();
    let lines = input::read(file, COLUMNS, |line| {
        let band = band(hub, line)?;
        if seen.insert(band.wallet) { Ok(Some(band)) } else { Err("this band stands in the file twice".into()) }
    })?;
    let (good, skipped, bad) = lines.judged(skip_bad)?;
    let mut taken = Taken { skipped, bad, ..Taken::default() };
    hub.store.transaction::<_, HubError>(|store| {
        for (_, band) in &good {
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
    out.write_record(["wallet", "profile", "batch"])?;
    reading.each_delivered_band(|band| {
        let batch = cell::guarded(&band.batch);
        Ok(out.write_record([band.wallet.to_hex(), profile_name(band.profile).into(), batch])?)
    })
}
