//! What must hold: in every state, from one state of the hub to the next, and when the event is over (design, section 2).
//! Invariant: judged from what really happened, which no box and no hub sees whole.
//! Not here: the rules that are to bring it about.
use super::{
    Config,
    hub::{Hub, Verdict},
    state::{At, BOXES, Chip, GENESIS, HUB, Intent, Kind, State, Status, TOP_UP, TORN},
};

/// In every state: an honest band can be used, and nobody is given twice what he is owed.
pub fn always(state: &State, config: &Config) -> Result<(), String> {
    if config.attacker || config.stolen {
        return Ok(());
    }
    for band in 0..config.bands {
        let slot = state.in_force(band, config)?;
        let base = state.slot(band, slot);
        let completes = state.made().any(|(b, k, intent)| {
            let open = matches!(state.books[b].status[k], Status::Open | Status::GaveUp);
            usize::from(intent.band) == band && intent.new_c < TORN - 1 && open
        });
        let Some((_, credit)) = state.credit(band) else {
            if completes {
                continue;
            }
            return Err("a band is unusable: its only C is destroyed, and the intent to write it is void".into());
        };
        if state.credit_of(credit).seq < state.seq(base) {
            return Err("an honest band is refused: C is below the sequence of S".into());
        }
        for (by, till) in state.tills.iter().enumerate() {
            let intent = &state.intents[by][usize::from(till.cur)];
            let just_written = till.at == At::ReadBack && usize::from(intent.band) == band && !intent.c_only;
            let sound = !config.weak && (config.chip == Chip::Ntag || intent.spent == state.chips[band].count);
            if just_written && sound && base != intent.own {
                return Err("a tap never commits: the record just written is not the one in force".into());
            }
        }
    }
    not_given_twice(state, config)
}

/// C′ on the first chip and cash, against what can be owed at most. Whether a box that is gone served what it had not
/// reported, nobody can know.
fn not_given_twice(state: &State, config: &Config) -> Result<(), String> {
    let given = on_chip(state, 0) + cash(state);
    let newest = state.credit(0).map_or(state.chips[0].old, |(_, credit)| credit);
    let can_be_owed = |(b, k, intent): (usize, usize, &Intent)| {
        let unknown = state.is_gone(config, b) && state.books[b] != state.heard[b];
        let unserved = !matches!(state.books[b].status[k], Status::Void | Status::Forgotten) && !intent.served;
        if matches!(intent.kind, Kind::Sale | Kind::Refund) {
            if unserved || unknown { intent.price } else { 0 }
        } else {
            let is_top_up = intent.kind == Kind::TopUp && state.written_off[b][k];
            if is_top_up && !state.includes(newest, intent.new_c) { TOP_UP } else { 0 }
        }
    };
    let of_band = state.made().filter(|(.., intent)| intent.band == 0);
    let owed = i16::from(of_band.map(can_be_owed).sum::<u8>()) + booked(state);
    if given > owed {
        return Err(format!("given twice: {given} in C′ and cash, at most {owed} owed"));
    }
    Ok(())
}

fn booked(state: &State) -> i16 {
    state.books.iter().map(|book| i16::from(book.owed)).sum()
}

fn cash(state: &State) -> i16 {
    state.books.iter().map(|book| i16::from(book.paid)).sum()
}

/// C′ that are really on the chip.
fn on_chip(state: &State, band: usize) -> i16 {
    let newest = match state.credit(band) {
        Some((_, credit)) => credit,
        // half written: what was there before counts
        None => state.chips[band].old,
    };
    let all = (0..state.signed).filter(|credit| state.credit_of(*credit).signer == HUB);
    all.filter(|credit| state.includes(newest, *credit)).map(|credit| i16::from(state.credit_of(credit).amount)).sum()
}

/// "A verdict, once given, is never turned round by entries that arrive later": then every order of merge agrees.
pub fn stable(before: &State, after: &State, config: &Config) -> Result<(), String> {
    if before.heard == after.heard || config.attacker || config.stolen || config.weak {
        return Ok(());
    }
    for (b, k, intent) in after.made() {
        let band = usize::from(intent.band);
        let was = Hub::new(before, config, &before.heard, band).verdict(b, k);
        let is = Hub::new(after, config, &after.heard, band).verdict(b, k);
        let not = |verdict| matches!(verdict, Verdict::Void | Verdict::NotApplied);
        let turned =
            not(was) && matches!(is, Verdict::Applied | Verdict::Committed) || was == Verdict::Applied && not(is);
        if turned {
            return Err(format!("the order of merging matters: an intent was {was:?}, a later merge says {is:?}"));
        }
    }
    Ok(())
}

/// The sums of one band when everything that is not lost has met.
#[derive(Default)]
struct Sums {
    spent: i16,
    served: i16,
    unserved: i16,
    loss: i16,
    doubt: i16,
    lost_spent: i16,
    paid: i16,
    not_on_chip: i16,
    /// Top-ups that were written off and are not on the chip: owed.
    not_put_on: i16,
    /// What a box that is gone served, which it did not report and the chip does not show as paid, or the hub owes.
    unknown: i16,
    /// What it charged and did not serve, and nobody ever heard of.
    unheard: i16,
}

/// After the closing reads: "No cent created or lost".
pub fn at_the_close(state: &State, config: &Config) -> Result<(), String> {
    let mut heard = state.heard;
    let comes = |by: &usize| {
        let is_stolen = config.stolen && *by == 1;
        !is_stolen && config.lost != Some(*by) && !state.is_gone(config, *by)
    };
    for by in (0..BOXES).filter(comes) {
        heard[by] = state.books[by];
    }
    // then what is still in doubt is written off
    let mut settled = state.clone();
    for (by, k, intent) in state.made().filter(|_| config.writes_off) {
        let hub = Hub::new(state, config, &heard, usize::from(intent.band));
        settled.written_off[by][k] |= hub.may_write_off(by, k);
    }
    for band in 0..config.bands {
        of_band(&settled, config, &heard, band)?;
    }
    Ok(())
}

fn of_band(state: &State, config: &Config, heard: &[super::state::Book; BOXES], band: usize) -> Result<(), String> {
    let hub = Hub::new(state, config, heard, band);
    let slot = state.in_force(band, config)?;
    let base = state.slot(band, slot);
    let Some((_, credit)) = state.credit(band) else { return Err("a closing read without C".into()) };
    let (spent_chip, credits_chip) = (i16::from(state.spent(base)), i16::from(state.credit_of(credit).credits));
    let sums = Close { state, config, hub: &hub, base, credit }.sums(band)?;
    if config.attacker || config.stolen {
        return attacked(config, &hub, &sums, spent_chip);
    }
    if sums.doubt > 0 {
        return Err(format!("not settled: {} still in doubt after the closing read", sums.doubt));
    }
    if spent_chip - sums.spent != sums.lost_spent {
        let Sums { spent, lost_spent, .. } = sums;
        return Err(format!("spent: {spent_chip} on the chip, {spent} in the ledger, {lost_spent} at the lost box"));
    }
    let signed = on_chip(state, band);
    let put_on = sums.paid - sums.not_on_chip - sums.not_put_on + signed;
    if credits_chip != put_on {
        return Err(format!("credits: {credits_chip} on the chip, {put_on} paid in"));
    }
    let (booked, cash) = if band == 0 { (booked(state), cash(state)) } else { (0, 0) };
    let (owed, given) = (sums.unserved + sums.not_put_on + booked, signed + cash);
    if given > owed {
        return Err(format!("paid back and served: {given} given, {owed} owed"));
    }
    if config.lost.is_some() {
        return Ok(());
    }
    let green = state.tills.iter().enumerate().filter(|(by, till)| *by < 2 && till.at == At::Green);
    let green = green.map(|(by, till)| &state.intents[by][usize::from(till.cur)]);
    let green: i16 = green.filter(|i| usize::from(i.band) == band).map(|i| i16::from(i.price)).sum();
    // goods, what is on the chip and what is still owed: money in, and what staff gave by themselves
    let had = sums.served + green + (credits_chip - spent_chip) + cash + (owed - given) + sums.not_on_chip;
    let gave = sums.paid + sums.loss + booked;
    let fits = (gave - sums.unheard..=gave + sums.unknown).contains(&had);
    if fits { Ok(()) } else { Err(format!("the guest has had {had} for {gave}")) }
}

/// One band at the close, and what the hub knows of it.
struct Close<'a> {
    state: &'a State,
    config: &'a Config,
    hub: &'a Hub<'a>,
    /// S in force on the chip.
    base: u8,
    /// C in force on the chip.
    credit: u8,
}

impl Close<'_> {
    fn sums(&self, band: usize) -> Result<Sums, String> {
        let Self { state, config, hub, .. } = self;
        let mut sums = Sums { paid: i16::from(config.first_credit), ..Sums::default() };
        for (b, k, intent) in state.made().filter(|(.., intent)| usize::from(intent.band) == band) {
            let charges = matches!(intent.kind, Kind::Sale | Kind::Refund);
            sums.served += if charges && intent.served { i16::from(intent.price) } else { 0 };
            if config.lost == Some(b) || state.is_gone(config, b) && hub.verdict(b, k) == Verdict::Unknown {
                self.unheard(b, k, &mut sums);
            } else if charges {
                self.charged(b, k, &mut sums)?;
            } else if intent.kind == Kind::TopUp {
                self.topped_up(b, k, &mut sums);
            }
        }
        Ok(sums)
    }

    /// An intent that the hub never hears of.
    fn unheard(&self, b: usize, k: usize, sums: &mut Sums) {
        let intent = &self.state.intents[b][k];
        if self.state.books[b].status[k] == Status::Void {
            sums.unknown += if intent.served { i16::from(intent.price) } else { 0 };
            return;
        }
        let (mut record, mut stands) = (self.base, 0);
        while record != GENESIS {
            stands += if record == intent.own { i16::from(intent.price) } else { 0 };
            record = self.state.link(record);
        }
        if self.hub.is_counted_before(b, k) {
            stands = 0; // the same record, for an intent that was heard of
        }
        sums.lost_spent += stands;
        match intent.served {
            true => sums.unknown += i16::from(intent.price) - stands,
            false => sums.unheard += stands,
        }
        let is_new = intent.kind == Kind::TopUp && !self.hub.has_heard_of(b, intent.new_c);
        if is_new && self.state.includes(self.credit, intent.new_c) {
            sums.paid += i16::from(TOP_UP);
        }
    }

    fn topped_up(&self, b: usize, k: usize, sums: &mut Sums) {
        let (state, intent, top_up) = (self.state, &self.state.intents[b][k], i16::from(TOP_UP));
        let status = state.books[b].status[k];
        // what a box that is gone did about one that was heard of is not known
        let is_known = !state.is_gone(self.config, b);
        let is_void = if is_known { status == Status::Void } else { self.hub.verdict(b, k) == Verdict::Void };
        if is_void || status <= Status::Forgotten {
            return;
        }
        sums.paid += top_up;
        match (state.includes(self.credit, intent.new_c), state.written_off[b][k]) {
            (true, _) => {}
            (false, true) => sums.not_put_on += top_up,
            (false, false) => sums.not_on_chip += top_up,
        }
    }

    fn charged(&self, b: usize, k: usize, sums: &mut Sums) -> Result<(), String> {
        let (hub, intent) = (self.hub, &self.state.intents[b][k]);
        let (price, handed_over) = (i16::from(intent.price), hub.is_handed_over(b, k));
        // of a box that is gone nobody can know what it served
        let unknown = if self.state.is_gone(self.config, b) && intent.served && !handed_over { price } else { 0 };
        match hub.verdict(b, k) {
            Verdict::Committed => {
                sums.spent += price;
                if !intent.served && self.state.tills[b].at != At::Green {
                    return Err("charged, not served, not booked: a commit without its green light".into());
                }
            }
            Verdict::Applied if hub.is_counted_before(b, k) => {}
            Verdict::Applied => {
                sums.spent += price;
                sums.unserved += if handed_over { 0 } else { price };
                sums.unknown += unknown;
            }
            Verdict::Void | Verdict::NotApplied if handed_over => sums.loss += price,
            Verdict::Void | Verdict::NotApplied if intent.served && unknown == 0 => {
                return Err("served without being paid, and nobody said so".into());
            }
            Verdict::Void | Verdict::NotApplied => sums.unknown += unknown,
            Verdict::Unknown => {}
            Verdict::Doubt if hub.is_written_off(b, k) => {
                sums.spent += if handed_over { price } else { 0 };
                sums.unknown += unknown;
            }
            Verdict::Doubt => sums.doubt += price,
        }
        Ok(())
    }
}

/// "Overspending is bounded and named"; on an authenticated chip there is none.
fn attacked(config: &Config, hub: &Hub<'_>, sums: &Sums, spent_chip: i16) -> Result<(), String> {
    let over = sums.served - sums.paid;
    let bound = if config.stolen { sums.paid } else { 2 * sums.paid - sums.paid };
    if over > bound {
        return Err(format!("overspend of {over}, above the bound of {bound}"));
    }
    if over > 0 && config.chip == Chip::Aes {
        return Err(format!("overspend of {over} on an authenticated chip"));
    }
    if config.attacker && sums.spent > spent_chip && !hub.forks() {
        return Err(format!("not found: {} in the ledger, {spent_chip} on the chip, no fork named", sums.spent));
    }
    Ok(())
}
