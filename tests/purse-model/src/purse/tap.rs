//! A band in a reader: what is drafted, each page, each way in which it breaks off.
//! Invariant: the order of commands is the product's ("The tap", design, section 5; decision 0014).
//! Not here: who may do what when no band is in a reader (`steps`).
use super::{
    Config, desk,
    state::{
        At, BOXES, C_PAGES, Chip, Credit, DESK, DESK2, GENESIS, INTENTS, Intent, Kind, Look, NONE, S_PAGES, State,
        Status, TOP_UP, TORN, name,
    },
    steps::{Found, Next, Step, Written, has_room, issue},
};

/// The band comes to an idle box: what is in doubt there first, otherwise something new.
pub(super) fn begins(state: &State, config: &Config, by: usize, band: usize, out: &mut Next) {
    if config.stolen && by == 1 || state.is_gone(config, by) {
        return;
    }
    let Ok(slot) = state.in_force(band, config) else { return };
    let look = state.look(band, slot);
    let open =
        |k: &usize| state.books[by].status[*k] == Status::Open && usize::from(state.intents[by][*k].band) == band;
    if let Some(k) = (0..INTENTS).find(open) {
        return again(state, config, by, k, slot, look, out);
    }
    if state.closed && look.credit == NONE {
        return complete(state, by, band, out);
    }
    if !has_room(state, config, by) || look.credit == NONE || state.closed && by != DESK {
        return;
    }
    let tap = Begin { state, config, by, band, slot, look };
    if state.closed {
        return tap.start(Kind::Close, 0, NONE, out);
    }
    if by < DESK {
        tap.start(Kind::Sale, config.price[by], NONE, out);
        for credit in 0..state.signed {
            let offered = state.credit_of(credit);
            if usize::from(offered.signer) == BOXES && offered.replaces == look.credit {
                tap.start(Kind::Carry, 0, credit, out);
            }
        }
        return;
    }
    tap.at_a_desk(out);
}

struct Begin<'a> {
    state: &'a State,
    config: &'a Config,
    by: usize,
    band: usize,
    slot: usize,
    look: Look,
}

impl Begin<'_> {
    fn at_a_desk(&self, out: &mut Next) {
        let (state, config) = (self.state, self.config);
        self.start(Kind::TopUp, 0, NONE, out);
        let left = state.credit_of(self.look.credit).credits.saturating_sub(self.spent(Kind::Refund));
        if config.refund && left > 0 {
            self.start(Kind::Refund, left, NONE, out);
        }
        let pays = config.pays_out && config.rules.cash_behind_a_new_c && self.band == 0;
        // no C beyond the S in force, and no record that this desk has not heard of
        let heard = state.credit_of(self.look.credit).seq == state.seq(self.look.base)
            && desk::head(state, self.by, config) == self.look.base;
        if pays && heard && desk::payable(state, self.by) > 0 {
            self.start(Kind::Supersede, 0, NONE, out);
        }
    }

    /// "effective spent = max(chip, committed ledger, never open intents)"; a counter knows it alone.
    fn spent(&self, kind: Kind) -> u8 {
        let state = self.state;
        let chip = state.spent(self.look.base);
        if self.config.chip == Chip::Aes {
            return chip;
        }
        let committed = |by: usize| {
            let on_band = state.made().filter(move |(b, _, intent)| *b == by && usize::from(intent.band) == self.band);
            on_band.filter(move |(b, k, _)| state.books[*b].status[*k] == Status::Commit).map(|(.., intent)| intent)
        };
        let own = committed(self.by).map(|intent| intent.spent).max().unwrap_or(0);
        // the closing desk has every journal and writes a weak page forward
        let all: u8 = if self.config.weak && kind == Kind::Close {
            (0..BOXES).flat_map(committed).map(|intent| intent.price).sum()
        } else {
            0
        };
        chip.max(own).max(all).min(state.credit_of(self.look.credit).credits)
    }

    fn start(&self, kind: Kind, price: u8, carried: u8, out: &mut Next) {
        let mut next = self.state.clone();
        let (by, k) = (self.by, usize::from(self.state.tills[self.by].used));
        let spent = self.spent(kind) + price;
        if spent > self.state.credit_of(self.look.credit).credits {
            return;
        }
        let new_c = match kind {
            Kind::TopUp | Kind::Supersede => {
                let Some(credit) = self.sign(&mut next, if kind == Kind::TopUp { TOP_UP } else { 0 }) else { return };
                credit
            }
            Kind::Sale | Kind::Carry | Kind::Refund | Kind::Close | Kind::Between | Kind::None | Kind::Forged => {
                carried
            }
        };
        let mut intent = Intent {
            kind,
            band: self.band as u8,
            look: self.look,
            again: Look::NOTHING,
            ctr: self.state.ctr(self.look.base) + 1,
            spent,
            price,
            new_c,
            own: name(by, k),
            c_only: false,
            served: false,
        };
        // the same fields have the same MAC
        let fields = |intent: &Intent| {
            let seq = next.credit_of(intent.credit()).seq;
            (intent.band, intent.look.base, intent.ctr, intent.spent, seq)
        };
        let twin = next.intents[by].iter().find(|known| known.kind != Kind::None && fields(known) == fields(&intent));
        if let Some(twin) = twin {
            intent.own = twin.own;
            let given_up = self.state.intents[by].iter().zip(&self.state.books[by].status);
            let mut given_up = given_up.filter(|(_, status)| **status == Status::GaveUp).map(|(known, _)| known.own);
            let never_again = self.config.rules.given_up_record_is_never_written_again;
            if never_again && matches!(kind, Kind::Sale | Kind::Refund) && given_up.any(|own| own == twin.own) {
                return self.start(Kind::Between, 0, NONE, out);
            }
        }
        next.intents[by][k] = intent;
        let till = &mut next.tills[by];
        (till.cur, till.at, till.earlier, till.writes_c) = (k as u8, At::Drafted, false, new_c != NONE);
        till.slot = (if self.config.rules.writes_the_free_slot { 1 - self.slot } else { self.slot }) as u8;
        till.c_slot = free_c_slot(self.state, self.config, self.band);
        out.push((Step::Tap { by, band: self.band, kind, amount: price, credit: new_c }, next));
    }

    fn sign(&self, next: &mut State, amount: u8) -> Option<u8> {
        let old = *self.state.credit_of(self.look.credit);
        let known = if self.band == 0 { desk::highest_seq(self.state, self.by, self.config) } else { 0 };
        let (seq, credits) = (old.seq.max(known) + 1, old.credits + amount);
        let (band, signer) = (self.band as u8, self.by as u8);
        issue(next, Credit { band, seq, credits, replaces: self.look.credit, amount, signer })
    }
}

fn free_c_slot(state: &State, config: &Config, band: usize) -> u8 {
    match (config.chip, state.credit(band)) {
        (Chip::Ntag, Some((slot, _))) => 1 - slot as u8,
        (Chip::Ntag | Chip::Aes, _) => 0,
    }
}

/// Whether what stands half written in the only slot may be completed with this C.
fn fits_half(state: &State, band: usize, credit: u8) -> bool {
    let chip = &state.chips[band];
    chip.half == credit || chip.half == NONE && chip.old == state.credit_of(credit).replaces
}

/// At the close also by the box that gave it up.
fn complete(state: &State, by: usize, band: usize, out: &mut Next) {
    for (b, k, intent) in state.made().filter(|(b, ..)| *b == by) {
        let mine = usize::from(intent.band) == band && state.books[b].status[k] == Status::GaveUp;
        if mine && intent.new_c != NONE && fits_half(state, band, intent.new_c) {
            let mut next = state.clone();
            next.chips[band].c[0] = intent.new_c;
            (next.chips[band].half, next.chips[band].old) = (NONE, NONE);
            return out.push((Step::Complete { by, k }, next));
        }
    }
}

/// "A re-tap compares the UID and re-reads".
fn again(state: &State, config: &Config, by: usize, k: usize, slot: usize, look: Look, out: &mut Next) {
    let intent = &state.intents[by][k];
    let band = usize::from(intent.band);
    let found = if intent.new_c == NONE {
        if look.credit == NONE {
            return; // a band without C is refused, whatever it is held there for
        }
        of_record(state, config, intent, slot, &look)
    } else {
        match of_credit(state, intent, band, &look) {
            Some(found) => found,
            None => return,
        }
    };
    let mut next = state.clone();
    let moved = look.base != intent.look.base;
    let till = &mut next.tills[by];
    (till.cur, till.earlier) = (k as u8, true);
    till.slot = (if config.rules.writes_the_free_slot { 1 - slot } else { slot }) as u8;
    till.c_slot = free_c_slot(state, config, band);
    till.writes_c = found == Found::WritesC;
    let c_only = intent.new_c != NONE && moved && look.base != intent.own;
    next.intents[by][k].c_only = c_only;
    match found {
        Found::WritesC => till.at = At::WriteC(1),
        Found::WritesS => till.at = At::WriteS(1),
        Found::LastPage => (till.at, till.slot) = (At::WriteS(S_PAGES), slot as u8),
        Found::Applied => till.at = At::Committing,
        Found::NotApplied => {
            next.intents[by][k].again = look;
            next.books[by].status[k] = Status::Void;
        }
        Found::Unclear => {
            next.intents[by][k].again = look;
            next.books[by].status[k] = Status::GaveUp;
        }
    }
    if matches!(found, Found::NotApplied | Found::Unclear) {
        next.intents[by][k].c_only = false;
    }
    out.push((Step::Retap { by, k, found }, next));
}

fn of_record(state: &State, config: &Config, intent: &Intent, slot: usize, look: &Look) -> Found {
    let band = usize::from(intent.band);
    let rules = &config.rules;
    let behind = || if rules.retap_looks_behind { state.in_chain(look, intent.own) } else { Some(false) };
    let in_force = look.base == intent.own;
    let refreshes = !rules.never_refreshes_in_place && config.chip == Chip::Ntag;
    if look.base == intent.look.base {
        Found::WritesS
    } else if in_force && refreshes && state.slot(band, 1 - slot) == intent.look.base {
        Found::LastPage
    } else {
        match if in_force { Some(true) } else { behind() } {
            Some(true) => Found::Applied,
            Some(false) => Found::NotApplied,
            None => Found::Unclear,
        }
    }
}

/// "A top-up or C′ is never cancelled, only completed". `None`: the half-written C is another's.
fn of_credit(state: &State, intent: &Intent, band: usize, look: &Look) -> Option<Found> {
    if look.credit == NONE {
        return fits_half(state, band, intent.new_c).then_some(Found::WritesC);
    }
    let moved = look.base != intent.look.base;
    let link = state.credit_of(look.credit).replaces;
    let other = state.chips[band].c.into_iter().find(|credit| *credit != TORN && *credit == link);
    let behind = other.is_some_and(|other| state.credit_of(other).replaces == intent.new_c);
    let is_there = look.credit == intent.new_c || link == intent.new_c || behind;
    Some(match (is_there, moved) {
        (true, true) => Found::Applied,
        (true, false) => Found::WritesS,
        (false, _) if state.credit_of(intent.new_c).replaces == look.credit => Found::WritesC,
        (false, _) => Found::Unclear,
    })
}

/// The next step of a tap: the good one, and every way in which it breaks off there.
pub(super) fn goes_on(state: &State, config: &Config, by: usize, out: &mut Next) {
    Going { state, config, by, k: usize::from(state.tills[by].cur) }.on(out);
}

struct Going<'a> {
    state: &'a State,
    config: &'a Config,
    by: usize,
    k: usize,
}

impl Going<'_> {
    fn intent(&self) -> &Intent {
        &self.state.intents[self.by][self.k]
    }

    fn band(&self) -> usize {
        usize::from(self.intent().band)
    }

    fn increments(&self) -> bool {
        let intent = self.intent();
        let counts = self.config.chip == Chip::Aes && !intent.c_only;
        counts && intent.spent > self.state.chips[self.band()].count
    }

    /// Whether the deciding command may have been sent when it breaks off here.
    fn decides(&self, at: At) -> bool {
        let (till, rules) = (&self.state.tills[self.by], &self.config.rules);
        if till.earlier {
            return true;
        }
        match at {
            At::WriteC(page) => page == C_PAGES || self.config.chip == Chip::Aes && rules.one_slot_is_in_doubt_at_once,
            At::WriteS(page) => till.writes_c || !self.increments() && page == S_PAGES,
            At::ReadBack => till.writes_c || !self.increments(),
            At::Increment | At::Committing => true,
            At::Idle | At::Drafted | At::Green => false,
        }
    }

    fn on(&self, out: &mut Next) {
        let (state, by, k) = (self.state, self.by, self.k);
        let mut next = state.clone();
        match state.tills[by].at {
            At::Idle => {}
            At::Drafted => self.is_stored(next, out),
            At::WriteC(page) => {
                self.put_c(&mut next, page, true);
                let c_only = self.intent().c_only;
                let behind = if c_only { At::ReadBack } else { At::WriteS(1) };
                next.tills[by].at = if page < C_PAGES { At::WriteC(page + 1) } else { behind };
                out.push((Step::CreditPage { by, page }, next));
                for written in [Written::Not, Written::Torn, Written::Whole] {
                    self.breaks(At::WriteC(page), written, out, |next| match written {
                        Written::Not => {}
                        Written::Torn => self.put_c(next, page, false),
                        Written::Whole | Written::Weakly => self.put_c(next, page, true),
                    });
                }
            }
            At::WriteS(page) => {
                self.put_s(&mut next, page, true, 0);
                next.tills[by].at = if page < S_PAGES { At::WriteS(page + 1) } else { At::ReadBack };
                out.push((Step::SpentPage { by, page }, next));
                let weakly = (self.config.weak && page == S_PAGES).then_some(Written::Weakly);
                for written in [Written::Not, Written::Torn, Written::Whole].into_iter().chain(weakly) {
                    self.breaks(At::WriteS(page), written, out, |next| match written {
                        Written::Not => {}
                        Written::Torn => self.put_s(next, page, false, 0),
                        Written::Whole => self.put_s(next, page, true, 0),
                        Written::Weakly => self.put_s(next, page, true, 1),
                    });
                }
            }
            At::ReadBack => {
                next.tills[by].at = if self.increments() { At::Increment } else { At::Committing };
                if self.stands() {
                    out.push((Step::ReadBack { by }, next));
                }
                self.breaks(At::ReadBack, Written::Not, out, |_| {});
            }
            At::Increment => {
                let spent = self.intent().spent;
                next.chips[self.band()].count = spent;
                next.tills[by].at = At::Committing;
                out.push((Step::Increment { by }, next));
                for written in [Written::Not, Written::Whole] {
                    let whole = written == Written::Whole;
                    let band = self.band();
                    let counts = move |next: &mut State| {
                        if whole {
                            next.chips[band].count = spent;
                        }
                    };
                    self.breaks(At::Increment, written, out, counts);
                }
            }
            At::Committing => {
                self.commits(&mut next);
                out.push((Step::Commit { by }, next));
                self.breaks(At::Committing, Written::Not, out, |_| {});
            }
            At::Green => {
                next.intents[by][k].served = true;
                next.tills[by].at = At::Idle;
                let mut cut = next.clone();
                out.push((Step::Green { by }, next));
                if state.tears < self.config.tears {
                    cut.tears += 1;
                    cut.intents[by][k].served = false;
                    let shown = self.config.rules.paid_is_shown_after_a_reboot;
                    cut.tills[by].at = if shown { At::Green } else { At::Idle };
                    out.push((Step::CutBeforeGreen { by }, cut));
                }
            }
        }
    }

    fn is_stored(&self, mut next: State, out: &mut Next) {
        let (state, by, k) = (self.state, self.by, self.k);
        next.books[by].status[k] = Status::Open;
        next.tills[by].used = next.tills[by].used.max(k as u8 + 1);
        next.tills[by].at = if self.intent().new_c == NONE { At::WriteS(1) } else { At::WriteC(1) };
        out.push((Step::Stored { by }, next));
        if state.tears < self.config.tears {
            // nothing of it is left but the signed C, which nobody has
            let mut next = state.clone();
            next.intents[by][k] = State::new(self.config).intents[0][0];
            (next.tears, next.tills[by].at) = (state.tears + 1, At::Idle);
            if matches!(self.intent().kind, Kind::TopUp | Kind::Supersede) {
                let shared = next.made().any(|(.., other)| other.new_c == self.intent().new_c);
                if !shared && self.intent().new_c + 1 == next.signed {
                    next.signed -= 1;
                    next.credits[usize::from(next.signed)] = Credit::default();
                }
            }
            out.push((Step::CutBeforeStored { by }, next));
        }
    }

    fn put_c(&self, next: &mut State, page: u8, whole: bool) {
        let (band, credit) = (self.band(), self.intent().new_c);
        let slot = usize::from(self.state.tills[self.by].c_slot);
        let chip = &mut next.chips[band];
        if chip.c[slot] == credit {
            return; // the same bytes
        }
        if self.config.chip == Chip::Aes {
            if chip.c[slot] != TORN {
                chip.old = chip.c[slot];
            }
            // a single page that broke off may be anybody's
            if page > 1 {
                chip.half = credit;
            }
        }
        chip.c[slot] = if whole && page == C_PAGES { credit } else { TORN };
        if chip.c[slot] == credit {
            (chip.half, chip.old) = (NONE, NONE);
        }
    }

    fn put_s(&self, next: &mut State, page: u8, whole: bool, weak: u8) {
        let slot = usize::from(self.state.tills[self.by].slot);
        let chip = &mut next.chips[self.band()];
        let own = self.intent().own;
        if chip.s[slot] == own && chip.weak[slot] == 0 && self.config.rules.never_refreshes_in_place {
            return; // the same bytes
        }
        chip.s[slot] = if whole && page == S_PAGES { own } else { TORN };
        chip.weak[slot] = if whole && page == S_PAGES { weak } else { 0 };
    }

    /// Whether what was written is there: of a C alone the C, otherwise S.
    fn stands(&self) -> bool {
        let chip = &self.state.chips[self.band()];
        let intent = self.intent();
        let s = intent.c_only || chip.s.contains(&intent.own);
        s && (!self.state.tills[self.by].writes_c || chip.c.contains(&intent.new_c))
    }

    fn commits(&self, next: &mut State) {
        let (by, k) = (self.by, self.k);
        next.books[by].status[k] = Status::Commit;
        next.tills[by].at = At::Green;
        match self.intent().kind {
            Kind::Close => next.done[self.band()] = true,
            // a record made safe in an earlier tap makes room for asking again, and pays nothing by itself
            Kind::Supersede if !self.state.tills[by].earlier && matches!(by, DESK | DESK2) => {
                if self.config.rules.payout_is_in_the_commit {
                    next.books[by].paid += desk::payable(self.state, by);
                } else {
                    next.cash[by - DESK] = 1;
                }
            }
            Kind::None
            | Kind::Sale
            | Kind::TopUp
            | Kind::Carry
            | Kind::Refund
            | Kind::Supersede
            | Kind::Between
            | Kind::Forged => {}
        }
        debug_assert!(self.intent().own != GENESIS);
    }

    /// The band leaves or the power goes at `at`: void if the deciding command was not sent, otherwise in doubt; after a
    /// power cut the box has forgotten which, so in doubt.
    fn breaks(&self, at: At, written: Written, out: &mut Next, effect: impl Fn(&mut State)) {
        let (state, config, by, k) = (self.state, self.config, self.by, self.k);
        if state.tears >= config.tears {
            return;
        }
        let (decides, only_power) = (self.decides(at), at == At::Committing);
        for power in [false, true] {
            // to an intent in doubt a power cut is the same as a band pulled away
            if (decides || only_power) && power != only_power {
                continue;
            }
            let mut next = state.clone();
            effect(&mut next);
            (next.tears, next.tills[by].at) = (state.tears + 1, At::Idle);
            let status = &mut next.books[by].status[k];
            let answered = decides && !config.rules.unanswered_is_in_doubt && !self.state.tills[by].earlier;
            if !decides && !power || answered {
                *status = Status::Void;
            } else if power && !config.rules.intent_comes_first && !state.tills[by].earlier {
                *status = Status::Forgotten;
            }
            out.push((Step::Broke { by, at, written, power }, next));
        }
    }
}
