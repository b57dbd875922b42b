//! What a till or desk may do: prices, accounts, corrections, vouchers, sums of a shift.
//! Invariant: integer minor units; rules here are functions of what they are given.
//! Not here: the chip (`wristband`), the journal (`journal`), screens.
mod account;
mod correction;
mod escrow;
mod pricing;
mod refusal;
mod totals;
mod voucher;

pub use account::Account;
pub use correction::{Favour, Pending, left_to_correct, may_correct, within_quota};
pub use escrow::{Escrow, EscrowHolder, account_moves, deal_escrow};
pub use pricing::{Basket, BasketLine, PriceList, PriceNow, Priced, is_code, price};
pub use refusal::TillRefusal;
pub use totals::{sale_in, totals_of};
pub use voucher::judge_voucher;
