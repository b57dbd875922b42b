//! What the box's screens show, gathered from store, desk and link.
use std::{collections::BTreeMap, sync::PoisonError, time::Instant};

use domain::{
    access::Ways,
    catalogue::Product,
    id::EntryRef,
    journal::{Detail, Entry, IntentPurpose, Kind},
    money::Cents,
    till::PriceList,
    time::TimeSource,
    trust::Roles,
};
use screens::view::{
    self as shown, About, BasketView, BoxView, InDoubt, Knowledge, Phase, ProductView, Reader, ReasonView, Role,
    Section, ShiftView, ShopView, TillView, TopUpView,
};

use crate::{
    correction, escrow,
    gate::{self, passage},
    hub_link,
    rules::Rules,
    station::Station,
    tap_desk::{Purpose, Screen, Waiting},
};

/// What the store contributes.
#[derive(Default)]
struct FromStore {
    unsent: u64,
    at_risk: i64,
    epoch: u32,
    in_doubt: Vec<InDoubt>,
    unconfirmed: Vec<InDoubt>,
    knowledge: Vec<(sync::Section, u64)>,
    hour: box_store::Counters,
    all: box_store::Counters,
    overrides: u64,
    ways: shown::Ways,
    zone: shown::GateZone,
    hours: Vec<shown::HourView>,
    shift: Option<ShiftView>,
    closed: bool,
    quota_used: i64,
    undo: Option<(EntryRef, Cents)>,
    sold: BTreeMap<u32, u64>,
}

/// The whole view. Reads the store: a few milliseconds at most, on a thread that may block.
pub(crate) fn of(station: &Station) -> BoxView {
    let loaded = station.bundle();
    let (body, rules) = (&loaded.bundle.body, station.rules());
    let rule = escrow::Rule::of(station);
    let now_ms = station.now_ms();
    let seen = station.seen_green();
    let (operator, undoable) = (station.operator(), station.last_sale.undoable(Instant::now()));
    let (zone, for_zone) = (station.zone(), station.rules());
    let stored = station.store.read(move |view| {
        let undo = undoable.and_then(|at| Some((at, correction::left(view, at)?)));
        let stored = from_store(view, rule, now_ms, zone, &for_zone, &seen);
        FromStore { quota_used: view.quota_used(operator), undo, ..stored }
    });
    let stored = stored.unwrap_or_default();
    let (roles, time, progress, waiting) =
        (station.roles(), station.trusted_time(), station.desk.progress(), station.desk.waiting());
    let heard_ms = station.told_all_ms();
    let age_of = |told_ms: u64| age_s(now_ms, told_ms, heard_ms);
    let age = |section: sync::Section| {
        stored.knowledge.iter().find(|(known, _)| *known == section).map(|(_, told_ms)| age_of(*told_ms))
    };
    let list = PriceList {
        catalogue: &rules.catalogue,
        cup_deposit: body.policy.cup_deposit,
        now: time,
        time_uncertainty_s: body.policy.time_uncertainty_s,
    };
    let shop = (roles.has(Roles::BAR) || roles.has(Roles::TOP_UP)).then(|| shop(station, &stored));
    let bundle_age = Some(age_of(body.issued.saturating_mul(1000)));
    BoxView {
        festival: loaded.bundle.founding.name.clone(),
        place: station.enrolled().config.place.clone(),
        box_number: station.box_number().0,
        roles: roles_shown(roles),
        lang: station.lang(),
        now_unix_ms: now_ms,
        trusted_time: shown::TrustedTime {
            unix_s: time.unix_s,
            uncertainty_s: time.uncertainty_s,
            source: match time.source {
                TimeSource::Build => shown::TimeSource::Build,
                TimeSource::OwnEntry => shown::TimeSource::OwnEntry,
                TimeSource::Hub => shown::TimeSource::Hub,
            },
        },
        hub: station.hub(),
        knowledge: vec![
            Knowledge { section: Section::Tickets, age_s: age(sync::Section::Tickets) },
            Knowledge { section: Section::Wallets, age_s: age(sync::Section::Wallets) },
            Knowledge { section: Section::Revocations, age_s: age(sync::Section::Revocations) },
            Knowledge { section: Section::Bundle, age_s: bundle_age },
        ],
        unsent: stored.unsent,
        at_risk_cents: stored.at_risk,
        copies: if station.lan.status().newest_is_copied { 2 } else { 1 },
        lan: lan(station),
        degraded: station.readiness().err().map(str::to_owned),
        in_doubt: stored.in_doubt,
        unconfirmed_paid: stored.unconfirmed,
        reader: if station.reader_ready() { Reader::Ready } else { Reader::Lost },
        alerts: station.alerts.shown(),
        staff: station.staff_view(),
        currency: currency(loaded.bundle.currency()),
        epoch: stored.epoch,
        shop,
        gate: roles.has(Roles::GATE).then(|| shown::GateView {
            admitted: stored.all.admissions,
            last_hour: stored.hour.admissions,
            exits: stored.all.exits,
            overrides: stored.overrides,
            ways: stored.ways,
            zone: stored.zone.clone(),
            hours: stored.hours.clone(),
            reasons: reasons(station),
            ..station.gate()
        }),
        till: roles.has(Roles::BAR).then(|| {
            let mine = progress.screen == Screen::Till;
            TillView {
                products: rules
                    .catalogue
                    .products
                    .iter()
                    .map(|product| {
                        let (left, low) = station.left_of(product, &stored.sold);
                        ProductView { left, low, ..product_view(product, &list) }
                    })
                    .collect(),
                cup_deposit_cents: body.policy.cup_deposit.as_i64(),
                basket: waiting.as_ref().filter(|_| mine).and_then(basket),
                phase: if mine { progress.phase } else { Phase::Idle },
                result: progress.result.clone().filter(|_| mine),
                sales: stored.all.sales,
                sold_cents: stored.all.sales_cents,
                revision: rules.catalogue.revision,
            }
        }),
        top_up: roles.has(Roles::TOP_UP).then(|| {
            let mine = progress.screen == Screen::Desk;
            TopUpView {
                phase: if mine { progress.phase } else { Phase::Idle },
                about: if mine { progress.about } else { About::Other },
                amount_cents: waiting.as_ref().filter(|_| mine).and_then(amount).map_or(0, Cents::as_i64),
                result: progress.result.clone().filter(|_| mine),
                today_cents: stored.all.top_up_cents,
                quota_left_cents: station
                    .enrolled()
                    .quota_cents()
                    .map(|quota| i64::try_from(quota).unwrap_or(i64::MAX).saturating_sub(stored.all.top_up_cents)),
            }
        }),
    }
}

/// How it stands among its neighbours.
fn lan(station: &Station) -> Option<shown::LanView> {
    let (status, numbers) = (station.lan.status(), &station.lan.numbers);
    let count = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    status.group.map(|group| shown::LanView {
        group,
        list: status.list,
        connected: status.connected,
        is_group: status.is_group,
        heard: count(status.heard),
        voters: count(status.voters),
        copies: status.copies,
        confirmed: numbers.confirmed.get(),
        alone: numbers.alone.get(),
        late: numbers.late.get(),
        taken: numbers.taken.get(),
        suspicious: numbers.suspicious.get(),
        claim_p50_us: numbers.claim_us(500),
        claim_p99_us: numbers.claim_us(990),
        confirmed_p99_us: numbers.confirmed_us(990),
    })
}

fn from_store(
    view: &box_store::View<'_>,
    rule: escrow::Rule,
    now_ms: u64,
    zone: u16,
    rules: &Rules,
    seen: &[EntryRef],
) -> FromStore {
    let paid = view.unconfirmed().into_iter().filter(|at| !seen.contains(at));
    let paid = paid.filter_map(|at| Some(question(at, &view.entry(at)?)));
    let open = view.all_open_intents().into_iter().map(|open| question(open.at, &open.entry));
    let known =
        hub_link::SECTIONS.into_iter().filter_map(|section| Some((section, view.knowledge(section)?.hub_time_ms)));
    FromStore {
        unsent: view.unsent(),
        at_risk: view.at_risk(rule.risks_accounts()),
        epoch: view.head().map_or(0, |head| head.at.epoch),
        in_doubt: open.collect(),
        unconfirmed: paid.collect(),
        knowledge: known.collect(),
        hour: view.counters(now_ms.saturating_sub(3_600_000)),
        all: view.counters(0),
        overrides: view.zone_places(zone).overrides,
        ways: match view.ways() {
            Ways::In => shown::Ways::In,
            Ways::Out => shown::Ways::Out,
            Ways::Both => shown::Ways::Both,
        },
        zone: gate_zone(view, zone, rules),
        hours: view
            .hours(6)
            .into_iter()
            .map(|(from_unix_ms, ins, outs)| shown::HourView { from_unix_ms, ins, outs })
            .collect(),
        shift: view.open_shift().map(|(_, opened)| ShiftView {
            since_unix_ms: opened.hlc.unix_ms(),
            float_cents: opened.amount.as_i64(),
            operator: opened.operator,
        }),
        closed: view.is_closed(),
        quota_used: 0,
        undo: None,
        sold: view.pieces_sold(),
    }
}

/// What staff must still say about an entry.
fn question(at: EntryRef, entry: &Entry) -> InDoubt {
    InDoubt {
        entry: at.to_string(),
        about: about(entry),
        price_cents: entry.amount.as_i64(),
        since_unix_ms: entry.hlc.unix_ms(),
    }
}

fn about(entry: &Entry) -> About {
    if let Ok(Detail::Intent(intent)) = Detail::of(entry) {
        return match intent.purpose {
            IntentPurpose::Sale => About::Sale,
            IntentPurpose::TopUp => About::TopUp,
            IntentPurpose::Refund => About::Refund,
            IntentPurpose::Carry | IntentPurpose::ClosingRead => About::Other,
        };
    }
    match entry.kind {
        Kind::SALE | Kind::DEPOSIT_OUT | Kind::DEPOSIT_BACK => About::Sale,
        Kind::TOP_UP => About::TopUp,
        Kind::REFUND => About::Refund,
        _ => About::Other,
    }
}

fn gate_zone(view: &box_store::View<'_>, number: u16, rules: &Rules) -> shown::GateZone {
    let named = rules.zones.zone(number).cloned().unwrap_or_default();
    let places = passage::places(view, rules, number, false);
    shown::GateZone {
        number,
        name_fr: named.name_fr,
        name_en: named.name_en,
        capacity: places.map(|places| places.capacity),
        inside: view.zone_places(number).inside,
        share_left: places.and_then(|places| places.share).map(|share| share.free()),
    }
}

fn reasons(station: &Station) -> Vec<shown::ReasonView> {
    let shown = |reason: domain::staff::Reason| shown::ReasonView { code: reason.code, fr: reason.fr, en: reason.en };
    gate::reasons::list(&station.rules()).into_iter().map(shown).collect()
}

fn amount(waiting: &Waiting) -> Option<Cents> {
    waiting.purpose.amount()
}

fn basket(waiting: &Waiting) -> Option<BasketView> {
    match &waiting.purpose {
        Purpose::Sale(priced) => Some(BasketView {
            lines: priced
                .sale
                .lines
                .iter()
                .map(|line| shown::BasketLine {
                    product: line.product,
                    quantity: line.quantity,
                    price_cents: line.unit_price.as_i64().saturating_mul(i64::from(line.quantity)),
                })
                .collect(),
            total_cents: priced.total(),
            deposit_cents: priced.sale.net_deposit(),
        }),
        Purpose::TopUp(_)
        | Purpose::Refund
        | Purpose::ClosingRead
        | Purpose::Pairing(_)
        | Purpose::Look(_)
        | Purpose::PayOut => None,
    }
}

fn shop(station: &Station, stored: &FromStore) -> ShopView {
    let (policy, rules) = (&station.bundle().bundle.body.policy, station.rules());
    let reason = |reason: &domain::staff::Reason| ReasonView {
        code: reason.code.clone(),
        fr: reason.fr.clone(),
        en: reason.en.clone(),
    };
    ShopView {
        printer: station.printing.is_there(),
        shift: stored.shift.clone(),
        closed: stored.closed,
        training: station.is_training(),
        undo_cents: stored.undo.map(|(_, left)| left.as_i64()),
        undo_entry: stored.undo.map(|(at, _)| at.to_string()),
        quota_left_cents: policy.correction_quota.as_i64().saturating_sub(stored.quota_used).max(0),
        fee_cents: policy.top_up_fee.as_i64(),
        parked: station.parked.shown(),
        scanned: station.scanned.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        reasons: rules.reasons.iter().map(reason).collect(),
    }
}

fn product_view(product: &Product, list: &PriceList<'_>) -> ProductView {
    let (now, cup_deposit) = (list.price_now(product), list.cup_deposit);
    ProductView {
        id: product.number,
        name_fr: product.name_fr.clone(),
        name_en: product.name_en.clone(),
        price_cents: now.price.as_i64(),
        full_price_cents: product.price.as_i64(),
        price_uncertain: now.time_uncertain,
        min_age: product.min_age,
        deposit_cents: if product.in_cup { cup_deposit.as_i64() } else { 0 },
        category: product.group.clone(),
        sold_out: product.sold_out,
        left: None,
        low: false,
    }
}

fn roles_shown(roles: Roles) -> Vec<Role> {
    [(Roles::GATE, Role::Gate), (Roles::BAR, Role::Bar), (Roles::TOP_UP, Role::TopUp)]
        .into_iter()
        .filter(|(role, _)| roles.has(*role))
        .map(|(_, shown)| shown)
        .collect()
}

/// ISO 4217 letters of the currencies that festivals use here; else the number.
pub(crate) fn currency(currency: domain::money::Currency) -> String {
    match currency.0 {
        978 => "EUR".into(),
        756 => "CHF".into(),
        826 => "GBP".into(),
        number => number.to_string(),
    }
}

/// Age of what the hub told at `told_ms`, when it had told all at `heard_ms`: its silence about a thing until then means
/// that nothing about it was new.
pub(crate) fn age_s(now_ms: u64, told_ms: u64, heard_ms: u64) -> u64 {
    now_ms.saturating_sub(told_ms.max(heard_ms)) / 1000
}

#[cfg(test)]
mod tests {
    use sync::frame::RefuseCode;

    use super::*;
    use crate::bench::Bench;

    #[test]
    fn knowledge_does_not_age_while_the_hub_is_heard_and_ages_once_it_is_not() {
        assert_eq!(age_s(7_200_000, 0, 7_195_000), 5);
        assert_eq!(age_s(7_200_000, 3_600_000, 3_000_000), 3_600);
        assert_eq!(age_s(1_000, 5_000, 0), 0);
    }

    #[test]
    fn what_is_known_is_fresh_once_the_hub_has_told_all_and_not_when_it_is_heard() {
        let bench = Bench::new();
        let station = &bench.station;
        let issued = station.bundle().bundle.body.issued;
        station.clock.hub_says((issued + 7_200) * 1_000, 0, Instant::now());
        let ages = || {
            let knowledge = station.ticket_knowledge();
            let at_gate = station.store.read(move |view| knowledge.age_s(view)).unwrap();
            let shown = of(station).knowledge.into_iter().find(|known| known.section == Section::Bundle).unwrap();
            (at_gate, shown.age_s.unwrap())
        };
        station.hub_is(true);
        station.hub_heard();
        let (at_gate, shown) = ages();
        assert!(at_gate >= 7_200 && shown >= 7_200, "{at_gate} s at the gate, {shown} s on the screen");
        station.hub_told_all(600_000);
        let (at_gate, shown) = ages();
        assert!((600..700).contains(&at_gate) && (600..700).contains(&shown), "{at_gate} s, {shown} s");
        station.hub_told_all(0);
        station.hub_told_all(900_000);
        assert!(ages().0 < 100, "nobody forgets what he knew");
    }

    #[test]
    fn a_box_that_the_hub_tells_nothing_more_stands_as_without_a_hub_and_says_why() {
        let bench = Bench::new();
        let station = &bench.station;
        let shown = || of(station).alerts.into_iter().map(|alert| alert.code).collect::<Vec<_>>();
        for (refused, alert) in [(RefuseCode::Revoked, "box.revoked"), (RefuseCode::Expired, "box.expired")] {
            station.hub_is(true);
            station.hub_refused(RefuseCode::Busy.number());
            assert!(!station.is_alone() && shown().is_empty(), "{:?}", shown());
            station.hub_refused(refused.number());
            assert!(station.is_alone() && !of(station).hub.connected);
            assert_eq!(shown(), [alert]);
            station.hub_is(true);
            station.hub_told_all(0);
            assert!(shown().is_empty(), "enrolled again");
        }
    }
}
