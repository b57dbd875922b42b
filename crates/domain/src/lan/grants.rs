//! What a member answers to a claim, from the rows that it holds for that key.
//! Invariant: no row is ever taken from its holder but by the holder's own release of that very claim.
use super::{ClaimKey, Holder};

/// A member's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It is the claimant's; this row must be on disk before the answer leaves.
    Grant(Holder),
    /// Somebody else has it.
    Taken(Holder),
    /// This member knows of more uses than the claimant.
    Ahead(u64),
    /// This member knows of fewer: it cannot judge, and has no vote in this.
    Behind(u64),
    /// An old claim of the same box that came late: no answer.
    Stale,
}

/// Rules on a claim. `rows`: who holds this key here, inherited holders too. `known`: the number that this member would
/// claim itself, as far as it knows.
pub fn rule(rows: &[Holder], known: u64, key: &ClaimKey, claimant: Holder) -> Ruling {
    if let Some(other) = rows.iter().find(|row| !row.is_same_box(&claimant)) {
        return Ruling::Taken(*other);
    }
    if rows.iter().any(|row| row.claim > claimant.claim) {
        return Ruling::Stale;
    }
    if known > key.number {
        return Ruling::Ahead(known);
    }
    if known < key.number {
        return Ruling::Behind(known);
    }
    Ruling::Grant(claimant)
}

/// Whether a holder's release of `released` frees this row. Not where the row stands for a later claim of that holder:
/// a release that comes late must not take away what was confirmed since.
pub fn frees(row: &Holder, released: &Holder) -> bool {
    row == released
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::DeviceId;

    fn holder(device: u8, epoch: u32, claim: u64) -> Holder {
        Holder { device: DeviceId([device; 16]), epoch, claim }
    }

    #[test]
    fn a_row_is_its_holder_s_until_that_very_claim_is_released() {
        let (key, me) = (ClaimKey { what: 1, subject: [9; 16], number: 4 }, holder(1, 1, 7));
        let (other, restored) = (holder(2, 1, 3), holder(1, 2, 1));
        for (rows, known, ruling) in [
            (&[][..], 4, Ruling::Grant(me)),
            (&[holder(1, 1, 6)], 4, Ruling::Grant(me)),
            (&[me], 4, Ruling::Grant(me)),
            (&[holder(1, 1, 8)], 4, Ruling::Stale),
            (&[me, other], 4, Ruling::Taken(other)),
            (&[restored], 4, Ruling::Taken(restored)),
            (&[], 5, Ruling::Ahead(5)),
            (&[], 3, Ruling::Behind(3)),
        ] {
            assert_eq!(rule(rows, known, &key, me), ruling, "{rows:?} {known}");
        }
        assert!(frees(&me, &me) && !frees(&holder(1, 1, 8), &me) && !frees(&other, &me));
    }

    #[test]
    fn what_is_claimed_and_who_claims_reads_back_and_is_told_apart() {
        use crate::wire::{Reader, Writer};
        let (ticket, me) = (crate::id::TicketUid([9; 16]), holder(1, 2, 7));
        let of_wallet = ClaimKey::wallet(crate::id::WalletId([9; 16]), 4);
        assert_eq!((ClaimKey::ticket(ticket, 4).as_ticket(), of_wallet.as_ticket()), (Some(ticket), None));
        let mut out = Writer::new();
        of_wallet.write(&mut out);
        me.write(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes.len(), ClaimKey::LEN + Holder::LEN);
        let mut input = Reader::new(&bytes);
        assert_eq!((ClaimKey::read(&mut input), Holder::read(&mut input)), (Ok(of_wallet), Ok(me)));
        assert!(
            me.is_same_box(&holder(1, 2, 8)) && !me.is_same_box(&holder(1, 1, 7)) && !me.is_same_box(&holder(2, 2, 7))
        );
        let ranks = [me.rank(&of_wallet), holder(1, 2, 8).rank(&of_wallet), me.rank(&ClaimKey::ticket(ticket, 4))];
        assert!(ranks[0] != ranks[1] && ranks[0] != ranks[2], "who gives way differs from claim to claim");
        assert_ne!(crate::lan::name_of(b"a"), crate::lan::name_of(b"b"));
    }
}
