//! Places of a zone that this gate holds: it says what it holds once in each term of the hub, and gives back what it is
//! asked for as far as it is free.
//! Invariant: what is given back is on disk before the hub hears of it, and no longer admits anybody.
//! Not here: how places are dealt (`domain::access::deal`), who may enter (`gate`).
use box_store::{Decision, StoreError, View};
use domain::{
    journal::{Detail, Effect, Entry, Kind, ShareRelease},
    money::Currency,
    time::Hlc,
    trust::Roles,
};
use sync::Section;

use crate::station::Station;

/// Answers what the hub has said of zones. Called while the box is connected, after each batch about them.
pub(crate) fn answer(station: &Station) -> Result<(), StoreError> {
    if !station.roles().has(Roles::GATE) {
        return Ok(());
    }
    let (zone, currency) = (station.zone(), station.bundle().bundle.currency());
    if station.store.read(|view| releases(view, zone, currency).is_empty())? {
        return Ok(());
    }
    station.transact(move |view| Decision::write(releases(view, zone, currency), ())).map(|_| ())
}

/// What there is to say: an entry for each zone of this gate with a capacity, where something is new.
fn releases(view: &View<'_>, own: u16, currency: Currency) -> Vec<Entry> {
    let Some(term) = view.knowledge(Section::Zones).map(|known| known.term) else { return Vec::new() };
    let mut zones = view.zones();
    zones.push(own);
    zones.sort_unstable();
    zones.dedup();
    let release = |zone: u16| {
        let known = view.zone_places(zone);
        known.capacity.flatten()?;
        let places = known.share.gives_back(known.asked);
        if places == 0 && known.told_term == term {
            return None;
        }
        let part = ShareRelease {
            term,
            granted: known.share.granted,
            released: known.share.released.saturating_add(places),
            places,
            needs: 0,
        };
        let mut entry = Entry::new(Kind::SHARE_RELEASE, Effect::None, currency, Hlc::default());
        (entry.zone, entry.refers_to) = (zone, known.grant);
        entry.part = Detail::ShareRelease(part).to_bytes();
        Some(entry)
    };
    zones.into_iter().filter_map(release).collect()
}
