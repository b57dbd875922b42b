//! The network falls apart: gate A, the bar and the hub here, gate B and the desk there. Honest people notice nothing;
//! two cheats try what is possible only now.
use std::{sync::Arc, time::Duration};

use anyhow::{Context, Result, bail, ensure};
use tokio::task::JoinSet;

use super::{
    Stage,
    bar::{prices, sell},
    doors::{enter, top_up},
};
use crate::{
    audit::Fraud,
    guest::{Guest, Seen},
    world::{
        BAR, DESK, GATE_A, GATE_B,
        counter::{Request, Tapped},
    },
};

/// On the copied band, in cents.
const COPIED: u32 = 4000;
/// More than an island takes from one band without a purse.
const ABOVE_THE_LIMIT: u32 = 9000;

/// Both sides at once, then together again.
pub(super) async fn apart(
    stage: &Arc<Stage>,
    mut guests: Vec<Guest>,
    late: Vec<Guest>,
    [mut one_code, mut copied_band]: [Guest; 2],
) -> Result<(Vec<Guest>, Vec<Fraud>)> {
    enter(stage, GATE_A.name, &mut copied_band).await?;
    let mut chance = stage.chance("copied band", copied_band.number);
    top_up(stage, &mut copied_band, COPIED, &chance.request_id()).await?;
    let rich =
        guests.iter().position(|guest| guest.is_in() && !guest.band.has_purse()).context("nobody has a UID band")?;
    let mut rich = guests.remove(rich);
    top_up(stage, &mut rich, ABOVE_THE_LIMIT, &chance.request_id()).await?;
    stage.world.wait_until_agreed(Duration::from_secs(20)).await.context("before the split")?;

    stage.say("the network falls apart: gate A, bar and hub here, gate B and desk there");
    stage.world.cut(&[GATE_B.name, DESK.name])?;
    let (here, there): (Vec<_>, Vec<_>) = late.into_iter().partition(|guest| guest.number % 2 == 0);
    let mut sides = JoinSet::new();
    for (gate, till, late) in [(GATE_A.name, BAR.name, here), (GATE_B.name, DESK.name, there)] {
        sides.spawn(on_one_side(Arc::clone(stage), gate, till, late));
    }
    while let Some(side) = sides.join_next().await {
        guests.extend(side??);
    }
    guests.sort_by_key(|guest| guest.number);

    stage.say("one screenshot at both gates, one copied band at both tills");
    let screenshot = one_code.paper.png()?;
    enter(stage, GATE_A.name, &mut one_code).await?;
    let verdict = stage.world.place(GATE_B.name)?.show(&screenshot).await?;
    ensure!(verdict.admitted, "gate B cannot know better: {verdict:?}");
    one_code.saw(Seen::Admitted, 0, Some(verdict.entry), GATE_B.name);

    let overspent = spend_twice(stage, &mut copied_band, &chance.request_id(), &chance.request_id()).await?;
    beyond_the_limit(stage, &mut rich, &chance.request_id()).await?;

    stage.say("the network is back");
    stage.world.mend().await?;
    stage.world.wait_until_agreed(Duration::from_secs(20)).await.context("after the split")?;
    guests.extend([one_code, copied_band, rich]);
    let frauds =
        vec![Fraud::OneCodeTwice([GATE_A.name, GATE_B.name]), Fraud::SpentTwice([BAR.name, DESK.name], overspent)];
    Ok((guests, frauds))
}

/// Guests who arrive on one side of the split: in, and where money can be put on bands, one drink each.
async fn on_one_side(
    stage: Arc<Stage>,
    gate: &'static str,
    till: &'static str,
    late: Vec<Guest>,
) -> Result<Vec<Guest>> {
    let place = stage.world.place(till)?;
    let prices = prices(place).await?;
    let product = *prices.keys().next().context("nothing is sold")?;
    let mut served = Vec::new();
    for mut guest in late {
        enter(&stage, gate, &mut guest).await?;
        if till == DESK.name {
            let mut chance = stage.chance("late", guest.number);
            top_up(&stage, &mut guest, 2000, &chance.request_id()).await?;
            sell(place, &mut guest, (vec![(product, 1)], 0), &prices, &chance.request_id(), "").await?;
        }
        served.push(guest);
    }
    Ok(served)
}

/// A copy of the band pays on the other side what the band has paid here. Gives how far it went beyond the balance.
async fn spend_twice(stage: &Stage, guest: &mut Guest, here: &str, there: &str) -> Result<i64> {
    let copy = guest.band.copied();
    for (till, id, band) in [(BAR.name, here, guest.band.chip.clone()), (DESK.name, there, copy.chip)] {
        let place = stage.world.place(till)?;
        let prices = prices(place).await?;
        let affordable = prices.iter().filter_map(|(product, (price, deposit))| {
            let each = price.saturating_add(*deposit);
            let quantity = u32::try_from(i64::from(COPIED).checked_div(each)?).ok()?;
            Some((i64::from(quantity).saturating_mul(each), *product, quantity))
        });
        let (_, product, quantity) = affordable.max().context("nothing is sold")?;
        let request = Request::Sale(vec![(product, quantity)], 0);
        match place.tap_with(guest, &band, &request, id, Vec::new()).await? {
            Tapped::Green(_) => {}
            other @ (Tapped::Again(_) | Tapped::Refused(_)) => bail!("{till} cannot know better: {other:?}"),
        }
    }
    let overspent = guest.expects_cents().saturating_neg();
    ensure!(overspent > 0, "nothing was overspent");
    Ok(overspent)
}

/// Money enough, but this side has not heard from the hub: no more than the limit.
async fn beyond_the_limit(stage: &Stage, guest: &mut Guest, id: &str) -> Result<()> {
    let desk = stage.world.place(DESK.name)?;
    let prices = prices(desk).await?;
    let (product, (price, deposit)) = prices.iter().next().context("nothing is sold")?;
    let quantity = u32::try_from(guest.expects_cents() / price.saturating_add(*deposit))?;
    let tapped = desk.tap(guest, &Request::Sale(vec![(*product, quantity)], 0), id, Vec::new()).await?;
    ensure!(tapped == Tapped::Refused("till.offline_limit".into()), "above the offline limit: {tapped:?}");
    Ok(())
}
