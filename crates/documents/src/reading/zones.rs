//! Zones out of their document.
use domain::zones::{PassageMode, Window, Zone, ZoneRules};

use super::{Fields, Trouble};
use crate::path::{Path, ZoneField};

/// Reads the text of a mode.
pub(crate) fn mode(text: &str) -> Option<PassageMode> {
    match text {
        "once" => Some(PassageMode::Once),
        "re-entry" => Some(PassageMode::ReEntry),
        "free" => Some(PassageMode::Free),
        _ => None,
    }
}

/// Reads the text of a window: `CATEGORY FROM UNTIL`.
pub(crate) fn window(text: &str) -> Option<Window> {
    let mut parts = text.split(' ');
    let (category, from, until) = (parts.next()?, parts.next()?, parts.next()?);
    let window = Window { category: category.parse().ok()?, from: from.parse().ok()?, until: until.parse().ok()? };
    (parts.next().is_none() && window.from < window.until).then_some(window)
}

pub(crate) fn zones(fields: &mut Fields) -> ZoneRules {
    let listed = fields.values.keys().filter_map(|path| {
        if let Path::Zone(number, ZoneField::Listed) = path
            && fields.flag(path)
        {
            Some(*number)
        } else {
            None
        }
    });
    let mut zones = Vec::new();
    for number in listed.collect::<Vec<u16>>() {
        match zone(fields, number) {
            Some(zone) => zones.push(zone),
            None => fields.problem(format!("zone/{number}"), Trouble::Incomplete),
        }
    }
    ZoneRules { zones }
}

fn zone(fields: &Fields, number: u16) -> Option<Zone> {
    let at = |field| Path::Zone(number, field);
    let windows = fields.values.keys().filter_map(|path| {
        if let Path::Window(zone, _) = path
            && *zone == number
        {
            window(&fields.text(path)?)
        } else {
            None
        }
    });
    Some(Zone {
        number,
        name_fr: fields.text(&at(ZoneField::NameFr))?,
        name_en: fields.text(&at(ZoneField::NameEn))?,
        capacity: fields.small(&at(ZoneField::Capacity)),
        mode: fields.text(&at(ZoneField::Mode)).and_then(|text| mode(&text)).unwrap_or_default(),
        windows: windows.collect(),
    })
}
