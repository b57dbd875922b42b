//! May this voucher be exchanged here, now? A voucher is a ticket whose category says for which product.
//! Invariant: judged like a ticket (signature before, then barred, window, used), and used once an island.
//! Not here: reading and signatures (`ticket`), what the goods cost beside it (`pricing`).
use super::TillRefusal;
use crate::{
    bundle::Bundle,
    journal::VoucherUse,
    ledger::{TicketFlags, TicketState},
    ticket::{Product, Scheme, Ticket},
    time::{TimeSource, TrustedTime},
};

/// Judges a ticket whose signature holds. `state`: what the box knows of it; the bundle's lists count beside it.
pub fn judge_voucher(
    ticket: &Ticket,
    state: &TicketState,
    bundle: &Bundle,
    now: TrustedTime,
) -> Result<VoucherUse, TillRefusal> {
    let (Scheme::Own, Product::Category(number)) = (ticket.scheme, ticket.product) else {
        return Err(TillRefusal::NotAVoucher);
    };
    let category = bundle.category(number).ok_or(TillRefusal::NotAVoucher)?;
    let product = category.voucher_product.ok_or(TillRefusal::NotAVoucher)?;
    let listed =
        [&bundle.body.revoked, &bundle.body.blocked].iter().any(|list| list.binary_search(&ticket.uid).is_ok());
    let bars = [TicketFlags::REVOKED, TicketFlags::BLOCKED, TicketFlags::DISPUTED, TicketFlags::FROZEN];
    if listed || bars.into_iter().any(|flag| state.flags.has(flag)) {
        return Err(TillRefusal::VoucherBarred);
    }
    let policy = &bundle.body.policy;
    let has_window = ticket.valid_from.is_some() || ticket.valid_until.is_some();
    let uncertain = now.source == TimeSource::Build || now.uncertainty_s > policy.time_uncertainty_s;
    let outside = ticket.valid_from.is_some_and(|from| now.unix_s < from)
        || ticket.valid_until.is_some_and(|until| now.unix_s > until);
    if has_window && if uncertain { !policy.admit_when_time_uncertain } else { outside } {
        return Err(TillRefusal::VoucherNotNow);
    }
    if state.uses > 0 {
        let (place, at_unix_ms) = (bundle.place(state.first_box), state.first_use.unix_ms());
        return Err(TillRefusal::VoucherUsed { place, at_unix_ms });
    }
    Ok(VoucherUse { ticket: ticket.uid, category: number, product, quantity: category.voucher_quantity.max(1) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{bundle::tests::bundle, id::TicketUid};

    const NOW: TrustedTime = TrustedTime { unix_s: 1_000, uncertainty_s: 2, source: TimeSource::Hub };

    fn with_voucher() -> Bundle {
        let mut bundle = bundle();
        let voucher = crate::bundle::Category {
            number: 5,
            zones: 0,
            voucher_product: Some(1),
            voucher_quantity: 2,
            ..bundle.body.categories[0].clone()
        };
        bundle.body.categories.push(voucher);
        bundle
    }

    fn ticket(category: u16) -> Ticket {
        Ticket {
            scheme: Scheme::Own,
            uid: TicketUid([1; 16]),
            display_id: "1".into(),
            product: Product::Category(category),
            valid_from: None,
            valid_until: Some(2_000),
            zones: Some(0),
            holder_check: None,
        }
    }

    fn judged(ticket: &Ticket, state: &TicketState) -> Result<VoucherUse, TillRefusal> {
        judge_voucher(ticket, state, &with_voucher(), NOW)
    }

    #[test]
    fn a_good_voucher_names_its_product_and_quantity() {
        let used = judged(&ticket(5), &TicketState::empty(TicketUid([1; 16]))).unwrap();
        assert_eq!((used.product, used.quantity, used.category), (1, 2, 5));
    }

    #[test]
    fn an_entry_ticket_is_no_voucher() {
        let state = TicketState::empty(TicketUid([1; 16]));
        assert_eq!(judged(&ticket(1), &state), Err(TillRefusal::NotAVoucher));
        assert_eq!(judged(&ticket(77), &state), Err(TillRefusal::NotAVoucher));
        let product = Product::Pretix { event: 1, item: 4, variation: 0, subevent: 0 };
        let pretix = Ticket { scheme: Scheme::PretixSig1, product, ..ticket(5) };
        assert_eq!(judged(&pretix, &state), Err(TillRefusal::NotAVoucher));
    }

    #[test]
    fn a_voucher_is_exchanged_once_and_its_repeat_names_place_and_time() {
        let state =
            TicketState { uses: 1, first_use: crate::time::Hlc(7 << 16), ..TicketState::empty(TicketUid([1; 16])) };
        let used = TillRefusal::VoucherUsed { place: "#0".into(), at_unix_ms: 7 };
        assert_eq!(judged(&ticket(5), &state), Err(used));
    }

    #[test]
    fn a_barred_or_outdated_voucher_gives_nothing() {
        let empty = TicketState::empty(TicketUid([1; 16]));
        for flags in [TicketFlags::REVOKED, TicketFlags::BLOCKED, TicketFlags::DISPUTED, TicketFlags::FROZEN] {
            assert_eq!(judged(&ticket(5), &TicketState { flags, ..empty }), Err(TillRefusal::VoucherBarred));
        }
        let outdated = Ticket { valid_until: Some(999), ..ticket(5) };
        assert_eq!(judged(&outdated, &empty), Err(TillRefusal::VoucherNotNow));
        let mut listed = with_voucher();
        listed.body.revoked = vec![TicketUid([1; 16])];
        assert_eq!(judge_voucher(&ticket(5), &empty, &listed, NOW), Err(TillRefusal::VoucherBarred));
    }

    #[test]
    fn a_voucher_is_good_from_the_first_to_the_last_second_of_its_window() {
        let empty = TicketState::empty(TicketUid([1; 16]));
        for (from, until, good) in [
            (Some(999), None, true),
            (Some(1_000), None, true),
            (Some(1_001), None, false),
            (None, Some(1_001), true),
            (None, Some(1_000), true),
            (None, Some(999), false),
        ] {
            let ticket = Ticket { valid_from: from, valid_until: until, ..ticket(5) };
            assert_eq!(judged(&ticket, &empty).is_ok(), good, "{from:?} {until:?}");
        }
    }

    #[test]
    fn a_clock_too_uncertain_for_a_window_leaves_it_to_the_festivals_policy() {
        let (empty, mut bundle) = (TicketState::empty(TicketUid([1; 16])), with_voucher());
        let limit = bundle.body.policy.time_uncertainty_s;
        let within = TrustedTime { uncertainty_s: limit, ..NOW };
        let beyond = [
            TrustedTime { uncertainty_s: limit + 1, ..NOW },
            TrustedTime { source: TimeSource::Build, uncertainty_s: 0, ..NOW },
        ];
        let outdated = Ticket { valid_until: Some(999), ..ticket(5) };
        bundle.body.policy.admit_when_time_uncertain = true;
        assert_eq!(judge_voucher(&outdated, &empty, &bundle, within), Err(TillRefusal::VoucherNotNow));
        for now in beyond {
            assert!(judge_voucher(&outdated, &empty, &bundle, now).is_ok(), "{now:?}");
        }
        bundle.body.policy.admit_when_time_uncertain = false;
        assert!(judge_voucher(&ticket(5), &empty, &bundle, within).is_ok());
        for now in beyond {
            assert_eq!(judge_voucher(&ticket(5), &empty, &bundle, now), Err(TillRefusal::VoucherNotNow), "{now:?}");
        }
    }
}
