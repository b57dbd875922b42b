//! Stories of the model, played to the code that ships: `domain`'s tap on `hardware`'s chips, torn at the same pages, a
//! journal in memory, `domain`'s ledger at the hub. After each step both must say the same.
//! Invariant: what is compared is read from the real chips and journals, never carried over from the model.
//! Not here: worlds with copied or weak memory, which no honest reader can bring about.
mod compare;
mod real;

use anyhow::{Context, Result, bail, ensure};
use domain::{
    journal::{Kind as EntryKind, Means},
    wristband::tap::{TapRequest, TapStep},
};

use crate::{
    purse::{
        Config,
        state::{At, BOXES, DESK, Kind, State, Status, TOP_UP},
        steps::{Found, Step, Written},
    },
    search::World,
};
use real::{Away, Festival, cents, is_write};

/// Plays a story; an error names the step after which the two differ.
pub fn play(config: &Config, story: &[Step]) -> Result<()> {
    let mut state = config.start();
    let mut festival = Festival::new(config)?;
    compare::all(&festival, &state, config).context("before the first step")?;
    let mut out = Vec::new();
    for (n, step) in story.iter().enumerate() {
        out.clear();
        config.steps(&state, &mut out);
        let next = out.iter().find(|(known, _)| known == step).with_context(|| format!("no step “{step}” here"))?;
        let next = next.1.clone();
        let told = || {
            let before: Vec<String> = story[..=n].iter().map(|step| format!("  {step}")).collect();
            format!("after “{step}”:\n{}", before.join("\n"))
        };
        act(&mut festival, config, &state, &next, step).with_context(told)?;
        state = next;
        compare::all(&festival, &state, config).with_context(told)?;
    }
    // in the end all journals meet, but for that of a box that is gone
    for by in (0..BOXES).filter(|by| !state.is_gone(config, *by)).collect::<Vec<_>>() {
        festival.sync(by);
        state.heard[by] = state.books[by];
    }
    compare::all(&festival, &state, config).with_context(|| {
        let story: Vec<String> = story.iter().map(|step| format!("  {step}")).collect();
        format!("when all journals have met:\n{}", story.join("\n"))
    })
}

fn act(festival: &mut Festival, config: &Config, before: &State, after: &State, step: &Step) -> Result<()> {
    match *step {
        Step::Tap { by, band, kind, .. } => {
            let request = request(festival, config, after, by, kind, band)?;
            festival.begin(by, band, request, false)?;
            festival.boxes[by].expect_entry(EntryKind::INTENT)?;
        }
        Step::Stored { by } => {
            let seq = festival.store(by, Vec::new())?;
            festival.note_intent(after, by, usize::from(after.tills[by].cur), seq)?;
        }
        Step::Retap { by, k, found } => again(festival, config, after, by, k, found)?,
        Step::Complete { by, k } => {
            festival.begin(by, usize::from(before.intents[by][k].band), TapRequest::ClosingRead, true)?;
            festival.boxes[by].expect_entry(EntryKind::INTENT)?;
            festival.leave(by);
        }
        Step::CutBeforeStored { by } => festival.leave(by),
        Step::CreditPage { by, page } => festival.write_pages(by, if page == 2 { 17 } else { 1 })?,
        Step::SpentPage { by, page } => festival.write_pages(by, if page == 2 { 3 } else { 1 })?,
        Step::ReadBack { by } => festival.read_on(by, Away::No)?,
        Step::Increment { by } => festival.increment(by, Away::No)?,
        Step::Commit { by } => commit(festival, config, before, by)?,
        Step::Green { .. } | Step::CutBeforeGreen { .. } => {}
        Step::Broke { by, at, written, power } => broke(festival, by, at, written, power)?,
        Step::GiveUp { by, k } => festival.give_up(by, k)?,
        Step::HandOver { by, k } => festival.hand_over(by, k)?,
        Step::Sync { by } => festival.sync(by),
        Step::Hear { desk } => festival.hear(desk),
        Step::Owe { by } => festival.owe(by),
        // what is known of it is what was heard of it
        Step::Revoke { .. } => {}
        Step::WriteOff { by, k } => {
            let band = usize::from(before.intents[by][k].band);
            festival.write_off(by, k, band, before.is_gone(config, by))?;
        }
        Step::Sign { band, credit, amount } => festival.sign(band, credit, amount)?,
        Step::Close => {
            let open = |(by, k): (usize, usize)| before.books[by].status[k] == Status::Open;
            let there = before.made().filter(|(by, k, _)| open((*by, *k)) && !before.is_gone(config, *by));
            for (by, k, _) in there {
                festival.give_up(by, k)?;
            }
        }
        Step::PayOut { .. } => bail!("today's rules pay out in the commit of the C"),
        Step::Flip { .. } | Step::Dump | Step::Swap | Step::Overheard { .. } | Step::Forge { .. } => {
            bail!("no honest reader does that")
        }
    }
    Ok(())
}

fn request(
    festival: &Festival,
    config: &Config,
    after: &State,
    by: usize,
    kind: Kind,
    band: usize,
) -> Result<TapRequest> {
    let intent = &after.intents[by][usize::from(after.tills[by].cur)];
    Ok(match kind {
        // the machine itself puts the record of price 0 in front
        Kind::Between if by < DESK => real::sale(config.price[by], None),
        Kind::Sale => real::sale(intent.price, None),
        Kind::TopUp => festival.top_up(by, None),
        Kind::Carry => TapRequest::Carry { record: festival.credit_bytes(intent.new_c)? },
        Kind::Refund | Kind::Between => TapRequest::Refund,
        Kind::Supersede => {
            TapRequest::Supersede { key: festival.boxes[by].key.clone(), head: festival.known_head(by, band) }
        }
        Kind::Close => TapRequest::ClosingRead,
        Kind::None | Kind::Forged => bail!("no request"),
    })
}

fn again(festival: &mut Festival, config: &Config, after: &State, by: usize, k: usize, found: Found) -> Result<()> {
    let intent = &after.intents[by][k];
    let retry_of = Some(festival.boxes[by].intent_ref(k)?);
    let request = match intent.kind {
        Kind::Sale => real::sale(intent.price, retry_of),
        Kind::TopUp | Kind::Supersede => festival.top_up(by, retry_of),
        Kind::Carry => TapRequest::Carry { record: festival.credit_bytes(intent.new_c)? },
        Kind::Refund => TapRequest::Refund,
        Kind::Close | Kind::Between => TapRequest::ClosingRead,
        Kind::None | Kind::Forged => bail!("no request"),
    };
    debug_assert!(config.bands > usize::from(intent.band));
    festival.begin(by, usize::from(intent.band), request, false)?;
    match found {
        Found::WritesC | Found::WritesS => {
            ensure!(
                matches!(festival.boxes[by].step()?, TapStep::Chip(command) if is_write(&command)),
                "it does not write"
            )
        }
        Found::LastPage => bail!("nothing is refreshed in place"),
        Found::Applied => festival.boxes[by].expect_commit(k)?,
        Found::NotApplied => {
            festival.boxes[by].expect_entry(EntryKind::VOID)?;
            festival.store(by, Vec::new())?;
            festival.leave(by);
        }
        Found::Unclear => {
            festival.boxes[by].expect_entry(EntryKind::GAVE_UP)?;
            festival.store(by, Vec::new())?;
            festival.leave(by);
        }
    }
    Ok(())
}

fn commit(festival: &mut Festival, config: &Config, before: &State, by: usize) -> Result<()> {
    let k = usize::from(before.tills[by].cur);
    festival.boxes[by].expect_commit(k)?;
    let intent = &before.intents[by][k];
    let pays = intent.kind == Kind::Supersede && !before.tills[by].earlier && config.rules.payout_is_in_the_commit;
    let payout = if pays { festival.payout(by) } else { None };
    festival.store(by, payout.into_iter().collect())?;
    festival.leave(by);
    Ok(())
}

fn broke(festival: &mut Festival, by: usize, at: At, written: Written, power: bool) -> Result<()> {
    let how = match written {
        Written::Not => Away::Before,
        Written::Torn => Away::Torn,
        Written::Whole => Away::After,
        Written::Weakly => bail!("the chip models have no weak pages"),
    };
    match at {
        At::WriteC(page) | At::WriteS(page) => {
            // the pages between break off in their middle, unless nothing of them is there
            let whole = match (at, written) {
                (At::WriteC(2), Written::Torn | Written::Whole) => 8,
                (At::WriteS(2), Written::Torn | Written::Whole) => 1,
                _ => 0,
            };
            debug_assert!(page <= 3);
            festival.write_pages(by, whole)?;
            festival.write_page(by, how)?;
        }
        At::ReadBack => festival.read_on(by, Away::Before)?,
        At::Increment => festival.increment(by, how)?,
        At::Committing => {}
        At::Idle | At::Drafted | At::Green => bail!("nothing breaks off there"),
    }
    if power || at == At::Committing {
        festival.leave(by)
    } else {
        festival.pulled(by)?
    }
    Ok(())
}

impl Festival {
    fn top_up(&self, by: usize, retry_of: Option<domain::id::EntryRef>) -> TapRequest {
        TapRequest::TopUp {
            amount: cents(TOP_UP),
            key: self.boxes[by].key.clone(),
            fee: domain::money::Cents::ZERO,
            means: Means::Cash,
            retry_of,
        }
    }
}
