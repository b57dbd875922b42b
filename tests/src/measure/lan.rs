//! Claims of gates on a LAN, over a real Mosquitto: how long a gate waits for its group, whether it answers or not.
//! Where there is no Mosquitto nothing is measured, and `why_not` says so.
use anyhow::{Context, Result};
use domain::lan::CLAIM_WITHIN_US;
use screens::view::LanView;

use super::{Goal, Row, Size};
use crate::world::{
    broker,
    lan::{NAMES, ThreeGates, show, standing},
};

/// In a hundred claims.
const CONFIRMED: f64 = 99.0;

/// Why nothing can be measured on this machine.
pub(super) fn why_not() -> Option<&'static str> {
    broker::program().is_none().then_some("no mosquitto is installed (Debian package mosquitto)")
}

pub(super) fn rows(size: Size) -> Result<Vec<Row>> {
    if why_not().is_some() {
        return Ok(Vec::new());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let gates = ThreeGates::apart_from_the_hub(1, size.claims).await?;
        for (text, name) in gates.tickets.iter().zip(NAMES.iter().cycle()) {
            show(gates.gate(name)?, text).await?;
        }
        let mut all = Vec::new();
        for name in NAMES {
            all.push(standing(gates.gate(name)?).await?);
        }
        let rows = figures(&all);
        tokio::task::block_in_place(|| gates.world.stop())?;
        rows
    })
}

/// The slowest gate's times; of all of them how many were confirmed.
fn figures(gates: &[LanView]) -> Result<Vec<Row>> {
    let slowest = |of: fn(&LanView) -> u64| gates.iter().map(of).max().map(|us| us as f64);
    let confirmed: u64 = gates.iter().map(|lan| lan.confirmed).sum();
    let all = confirmed + gates.iter().map(|lan| lan.late).sum::<u64>();
    let share = if all == 0 { 0.0 } else { confirmed as f64 * 100.0 / all as f64 };
    let (limit, most) = (CLAIM_WITHIN_US as f64, Goal::AtMost(1.0));
    let beside = "the time after which a gate decides alone";
    Ok(vec![
        Row::new("claims that a gate's LAN group confirmed in time", "%", share, CONFIRMED, Goal::AtLeast(1.0)),
        Row::new(
            "a claim, confirmed or not (p50)",
            "µs",
            slowest(|lan| lan.claim_p50_us).context("a gate")?,
            limit,
            most,
        )
        .beside(beside),
        Row::new(
            "a claim, confirmed or not (p99)",
            "µs",
            slowest(|lan| lan.claim_p99_us).context("a gate")?,
            limit,
            most,
        )
        .beside(beside),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_unanswered_claim_in_twenty_falls_short() {
        let gate = |confirmed, late, claim_p99_us| LanView { confirmed, late, claim_p99_us, ..LanView::default() };
        let rows = figures(&[gate(400, 0, 9_000), gate(360, 40, 50_400)]).expect("figures");
        assert_eq!(rows.iter().map(|row| row.holds).collect::<Vec<_>>(), [false, true, false]);
        assert!((rows[0].measured - 95.0).abs() < 1e-9 && rows[2].measured > 50_000.0);
        assert!(figures(&[gate(0, 0, 0)]).expect("figures").iter().any(|row| !row.holds), "nothing was asked");
    }
}
