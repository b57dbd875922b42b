//! What "box and hub agree" means: one digest over what both believe at the same version vector.
//! Invariant: the order of the input is part of it: wallets and tickets come sorted by id.
//! Not here: the vector itself (`sync`).
use super::{
    ticket_state::{TicketFlags, TicketState},
    wallet_state::WalletState,
};

/// BLAKE3 over every wallet's (id, head, balance, flags) and every used ticket, both sorted by id.
///
/// `"festival.agree.v1\0"`, then per wallet: 1 · id 16 · head tap counter u16 · head record 4 · balance i64 · flags u8,
/// then per used ticket: 2 · id 16 · flags u8 · uses u16 · inside u32. Unused tickets are passed over.
pub fn digest<'a>(
    wallets: impl IntoIterator<Item = &'a WalletState>,
    tickets: impl IntoIterator<Item = &'a TicketState>,
) -> [u8; 32] {
    let mut hash = blake3::Hasher::new();
    hash.update(b"festival.agree.v1\0");
    for wallet in wallets {
        hash.update(&[1]).update(&wallet.wallet.0);
        hash.update(&wallet.head_counter.to_le_bytes()).update(&wallet.head_record.0);
        hash.update(&wallet.balance.to_le_bytes()).update(&[wallet.flags.0]);
    }
    for ticket in tickets {
        if ticket.flags.has(TicketFlags::USED) {
            hash.update(&[2]).update(&ticket.ticket.0);
            hash.update(&[ticket.flags.0]).update(&ticket.uses.to_le_bytes());
            hash.update(&ticket.inside.to_le_bytes());
        }
    }
    *hash.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{TicketUid, WalletId},
        ledger::WalletFlags,
    };

    #[test]
    fn a_cent_a_flag_or_a_use_makes_a_difference_and_an_unused_ticket_does_not() {
        let wallet = WalletState { balance: 500, ..WalletState::empty(WalletId([1; 16])) };
        let used = TicketState { flags: TicketFlags::USED, uses: 1, ..TicketState::empty(TicketUid([2; 16])) };
        let unused = TicketState::empty(TicketUid([3; 16]));
        let same = digest([&wallet], [&used]);
        assert_eq!(digest([&wallet], [&used, &unused]), same);
        assert_ne!(digest([&WalletState { balance: 501, ..wallet }], [&used]), same);
        assert_ne!(digest([&WalletState { flags: WalletFlags::BLOCKED, ..wallet }], [&used]), same);
        assert_ne!(digest([&WalletState { head_counter: 1, ..wallet }], [&used]), same);
        assert_ne!(digest([&wallet], [&TicketState { uses: 2, ..used }]), same);
        assert_ne!(digest([&wallet], [&TicketState { inside: 2, ..used }]), same);
        assert_ne!(digest([&wallet], []), same);
    }
}
