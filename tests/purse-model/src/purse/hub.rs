//! What the hub makes of the journals it has: verdicts, what a band is owed, which C′ it may sign, what it tells desks.
//! Invariant: functions of the merged set alone; the hub knows nothing but journals.
//! Not here: signing as a step (`steps`).
use super::{
    Config,
    state::{BOXES, Book, CREDITS, Chip, GENESIS, HUB, INTENTS, Intent, Kind, Look, NONE, State, Status, TOP_UP},
};

/// How the hub sees an intent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Not heard of.
    Unknown,
    /// Not known yet.
    Doubt,
    /// Never sent, or found replaced by its own box.
    Void,
    /// Another record stands in its place.
    NotApplied,
    /// Its record, or its C, stands in a chain that somebody read.
    Applied,
    /// Its box committed it.
    Committed,
}

/// Where a C′ stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Carrying {
    /// On the chip or below the C there.
    Carried,
    /// It replaces the newest C known.
    Open,
    /// It can never be written.
    Superseded,
    /// Cannot be told before more journals arrive.
    Unclear,
}

/// The hub, or whoever holds these journals of one band.
pub struct Hub<'a> {
    state: &'a State,
    config: &'a Config,
    heard: &'a [Book; BOXES],
    band: u8,
}

/// One reading of the chip in a journal.
struct Reader<'a> {
    by: usize,
    k: usize,
    look: &'a Look,
    /// The entry is the intent itself, and not the one that ended it.
    intent: Option<&'a Intent>,
}

impl<'a> Hub<'a> {
    /// With these journals.
    pub fn new(state: &'a State, config: &'a Config, heard: &'a [Book; BOXES], band: usize) -> Self {
        Self { state, config, heard, band: band as u8 }
    }

    fn status(&self, by: usize, k: usize) -> Status {
        self.heard[by].status[k]
    }

    /// Intents on this band that it has heard of.
    fn intents(&self) -> impl Iterator<Item = (usize, usize, &'a Intent)> + '_ {
        let stored = |(b, k, _): &(usize, usize, &Intent)| self.status(*b, *k) > Status::Forgotten;
        self.state.made().filter(stored).filter(|(.., intent)| intent.band == self.band && intent.kind != Kind::Forged)
    }

    fn readers(&self) -> impl Iterator<Item = Reader<'a>> + '_ {
        self.intents().flat_map(move |(by, k, intent)| {
            let ended = matches!(self.status(by, k), Status::Void | Status::GaveUp) && intent.again != Look::NOTHING;
            let again = ended.then_some(Reader { by, k, look: &intent.again, intent: None });
            [Some(Reader { by, k, look: &intent.look, intent: Some(intent) }), again].into_iter().flatten()
        })
    }

    fn has_record(&self, reader: &Reader<'_>) -> bool {
        self.status(reader.by, reader.k) == Status::Commit && reader.intent.is_some_and(|intent| !intent.c_only)
    }

    /// The link of a C whose bytes it has.
    fn link_of(&self, credit: u8) -> Option<u8> {
        let one_slot = self.config.chip == Chip::Aes;
        let known = |intent: &Intent| {
            intent.new_c == credit || one_slot && intent.new_c != NONE && intent.look.credit == credit
        };
        let is_own = self.state.credit_of(credit).signer == HUB || usize::from(credit) < self.config.bands;
        (is_own || self.intents().any(|(.., intent)| known(intent))).then(|| self.state.credit_of(credit).replaces)
    }

    fn descends(&self, mut credit: u8, wanted: u8) -> bool {
        loop {
            if credit == wanted {
                return true;
            }
            match self.link_of(credit) {
                Some(link) if link != NONE => credit = link,
                _ => return false,
            }
        }
    }

    /// C records that a reader's entry proves to have been in force.
    fn shown(&self, reader: &Reader<'_>) -> [u8; 2] {
        let committed = self.status(reader.by, reader.k) == Status::Commit;
        let written = reader.intent.filter(|_| committed).map_or(NONE, |intent| intent.new_c);
        [reader.look.credit, written]
    }

    fn shows(&self, reader: &Reader<'_>, wanted: u8) -> bool {
        self.shown(reader).into_iter().any(|credit| credit != NONE && self.descends(credit, wanted))
    }

    /// Whether anybody saw this C on the chip.
    pub fn is_on_chip(&self, credit: u8) -> bool {
        self.readers().any(|reader| self.shows(&reader, credit))
    }

    /// Its verdict on one intent.
    pub fn verdict(&self, by: usize, k: usize) -> Verdict {
        let intent = &self.state.intents[by][k];
        match self.status(by, k) {
            Status::Draft | Status::Forgotten => Verdict::Unknown,
            Status::Void => Verdict::Void,
            Status::Commit => Verdict::Committed,
            Status::Open if self.config.rules.own_box_gives_up_first && !self.state.written_off[by][k] => {
                Verdict::Doubt
            }
            Status::Open | Status::GaveUp if intent.new_c != NONE => {
                let others = self.readers().filter(|other| (other.by, other.k) != (by, k) || other.intent.is_none());
                let seen = others.into_iter().any(|other| self.shows(&other, intent.new_c));
                if seen { Verdict::Applied } else { Verdict::Doubt }
            }
            Status::Open | Status::GaveUp => self.of_record(by, k, intent),
        }
    }

    /// "Applied if its record stands in such a chain; not applied if another stands there, and not applied wins."
    fn of_record(&self, by: usize, k: usize, intent: &Intent) -> Verdict {
        let (state, under) = (self.state, intent.look.base);
        let (mut yes, mut no) = (false, false);
        for other in self.readers().filter(|other| (other.by, other.k) != (by, k) || other.intent.is_none()) {
            match state.in_chain(other.look, intent.own) {
                Some(true) => yes = true,
                Some(false) => no = true,
                None => {}
            }
            let theirs = other.intent;
            if under != GENESIS && theirs.is_none_or(|theirs| theirs.own != under) {
                let sibling = theirs.is_some_and(|theirs| {
                    self.has_record(&other) && theirs.ctr == state.ctr(under) && theirs.look.base == intent.look.before
                });
                no |= sibling || state.in_chain(other.look, under) == Some(false);
            }
            let Some(theirs) = theirs else { continue };
            let same_base = theirs.look.base == intent.look.base;
            no |= self.has_record(&other) && theirs.ctr == intent.ctr && same_base && theirs.own != intent.own;
            no |= !self.config.rules.unchanged_base_settles_nothing && other.by != by && same_base;
        }
        match (no, yes) {
            (true, _) => Verdict::NotApplied,
            (false, true) => Verdict::Applied,
            (false, false) => Verdict::Doubt,
        }
    }

    /// Whether the record of this intent was counted for another one already: once for each record.
    pub fn is_counted_before(&self, by: usize, k: usize) -> bool {
        let own = self.state.intents[by][k].own;
        self.intents().filter(|(b, n, intent)| (*b, *n) != (by, k) && intent.own == own).any(|(b, n, _)| {
            let committed = self.status(b, n) == Status::Commit;
            committed || (b, n) < (by, k) && self.verdict(b, n) == Verdict::Applied
        })
    }

    /// Whether it may write this intent off: in doubt, and nobody will write it any more.
    pub fn may_write_off(&self, by: usize, k: usize) -> bool {
        let stays = match self.status(by, k) {
            Status::GaveUp => true,
            Status::Open => !self.config.rules.writes_off_what_nobody_writes || self.state.is_gone(self.config, by),
            Status::Draft | Status::Forgotten | Status::Void | Status::Commit => false,
        };
        let moves = matches!(self.state.intents[by][k].kind, Kind::Sale | Kind::TopUp | Kind::Refund);
        stays && moves && !self.state.written_off[by][k] && self.verdict(by, k) == Verdict::Doubt
    }

    /// Whether it has heard that goods or cash of this intent were handed over.
    pub fn is_handed_over(&self, by: usize, k: usize) -> bool {
        self.heard[by].handed[k]
    }

    /// Whether an intent of this box to write this C is among what it has heard, and was not void.
    pub fn has_heard_of(&self, by: usize, credit: u8) -> bool {
        let is_it = |(b, k, intent): (usize, usize, &Intent)| {
            b == by && intent.new_c == credit && self.status(b, k) != Status::Void
        };
        self.intents().any(is_it)
    }

    /// Whether it is settled by being written off: nobody saw it on the chip.
    pub fn is_written_off(&self, by: usize, k: usize) -> bool {
        self.state.written_off[by][k] && self.verdict(by, k) == Verdict::Doubt
    }

    /// Top-ups that were written off: each is owed as long as nobody saw its C.
    fn unproven(&self) -> i16 {
        let top_ups = self.intents().filter(|(.., intent)| intent.kind == Kind::TopUp);
        top_ups.map(|(b, k, _)| if self.is_written_off(b, k) { i16::from(TOP_UP) } else { 0 }).sum()
    }

    /// What the band is owed, less what was paid or carried.
    pub fn pending(&self) -> i16 {
        let mut owed = self.unproven();
        for (b, k, intent) in self.intents() {
            let charges = matches!(intent.kind, Kind::Sale | Kind::Refund);
            let unserved = charges && !self.heard[b].handed[k] && self.verdict(b, k) == Verdict::Applied;
            if unserved && !self.is_counted_before(b, k) {
                owed += i16::from(intent.price);
            }
        }
        if self.band == 0 {
            owed += self.heard.iter().map(|book| i16::from(book.owed) - i16::from(book.paid)).sum::<i16>();
        }
        for (credit, record) in self.signed().filter(|(credit, _)| self.is_on_chip(*credit)) {
            debug_assert!(credit < CREDITS as u8);
            owed -= i16::from(record.amount);
        }
        owed
    }

    /// Its own C′ for this band.
    fn signed(&self) -> impl Iterator<Item = (u8, &'a super::state::Credit)> + '_ {
        let all = self.state.credits.iter().take(usize::from(self.state.signed)).enumerate();
        all.map(|(at, credit)| (at as u8, credit))
            .filter(|(_, credit)| credit.signer == HUB && credit.band == self.band)
    }

    /// The C with the highest sequence that anybody saw or wrote; `None` where nobody has, or two exclude each other.
    pub fn newest(&self) -> Option<u8> {
        let mut newest: Option<u8> = None;
        let mut rival = false;
        for credit in self.readers().flat_map(|reader| self.shown(&reader)).filter(|credit| *credit != NONE) {
            let seq = self.state.credit_of(credit).seq;
            match newest.map(|best| (best, self.state.credit_of(best).seq)) {
                Some((_, best)) if best > seq => {}
                Some((id, best)) if best == seq => rival |= id != credit,
                _ => (newest, rival) = (Some(credit), false),
            }
        }
        // the desk that made the band has reported what it wrote
        let newest = newest.or(Some(self.band));
        if rival { None } else { newest }
    }

    /// Where a C′ stands.
    pub fn carrying(&self, credit: u8) -> Carrying {
        if self.is_on_chip(credit) {
            return Carrying::Carried;
        }
        let Some(newest) = self.newest() else { return Carrying::Unclear };
        let base = self.state.credit_of(credit).replaces;
        if newest == base {
            return Carrying::Open;
        }
        let mut at = newest;
        while let Some(link) = self.link_of(at).filter(|link| *link != NONE) {
            if link == base {
                return Carrying::Superseded;
            }
            at = link;
        }
        Carrying::Unclear
    }

    /// Whether it knows, of each C from the newest down to the first, what its signer booked with it.
    pub fn accounts_for_every_c(&self) -> bool {
        let Some(mut at) = self.newest() else { return false };
        while usize::from(at) >= self.config.bands {
            let ended = |(b, k, intent): (usize, usize, &Intent)| {
                let ended = matches!(self.status(b, k), Status::Commit | Status::GaveUp);
                intent.new_c == at && (ended || self.state.written_off[b][k])
            };
            let is_own = self.state.credit_of(at).signer == HUB;
            // two desks may have given the same C up; its bytes come from one of them
            if !is_own && !self.intents().any(ended) {
                return false;
            }
            match self.link_of(at) {
                Some(link) if link != NONE => at = link,
                _ => return false,
            }
        }
        true
    }

    /// Whether the band's records have two successors of one ("Fork").
    pub fn forks(&self) -> bool {
        let mut edges: Vec<(u8, u8)> = Vec::new();
        for reader in self.readers() {
            if self.config.rules.seen_successors_fork {
                edges.push((reader.look.before, reader.look.base));
                edges.push((reader.look.before2, reader.look.before));
            }
            if let Some(intent) = reader.intent.filter(|_| self.has_record(&reader)) {
                edges.push((intent.look.base, intent.own));
            }
        }
        edges.retain(|(base, next)| *base != NONE && *next != NONE);
        edges.iter().any(|(base, next)| edges.iter().any(|(other, rival)| other == base && rival != next))
    }

    /// The C′ that it may sign now: what it replaces, its sequence, how much more.
    pub fn due(&self) -> Option<(u8, u8, u8)> {
        let pending = u8::try_from(self.pending()).ok().filter(|pending| *pending > 0)?;
        if self.forks() {
            return None;
        }
        let newest = self.newest()?;
        let stands: Vec<_> =
            self.signed().map(|(credit, record)| (record.seq, self.carrying(credit), record.amount)).collect();
        if stands.iter().any(|(_, carrying, _)| *carrying == Carrying::Unclear) {
            return None;
        }
        if self.config.rules.every_c_is_accounted_for && !self.accounts_for_every_c() {
            return None;
        }
        // what is offered over the whole sum already is not signed again
        let open = stands.iter().filter(|(_, carrying, amount)| *carrying == Carrying::Open && *amount <= pending);
        if open.max_by_key(|(seq, ..)| *seq).is_some_and(|(.., amount)| *amount == pending) {
            return None;
        }
        Some((newest, self.highest_seq() + 1, pending))
    }

    /// Highest C sequence that any entry names, void ones left out.
    pub fn highest_seq(&self) -> u8 {
        let seq = |credit: u8| if credit == NONE { 0 } else { self.state.credit_of(credit).seq };
        let seen = self.readers().map(|reader| seq(reader.look.credit));
        let named = self.intents().filter(|(b, k, _)| self.status(*b, *k) != Status::Void);
        let named = named.map(|(.., intent)| seq(intent.new_c));
        let own = self.signed().map(|(_, record)| record.seq);
        seen.chain(named).chain(own).max().unwrap_or(0).max(1)
    }

    /// The newest record that it knows to have been in force.
    pub fn head(&self) -> u8 {
        let mut known = vec![GENESIS];
        for reader in self.readers() {
            known.push(reader.look.base);
            known.extend(reader.intent.filter(|_| self.has_record(&reader)).map(|intent| intent.own));
        }
        for (b, k, intent) in self.intents() {
            if intent.new_c == NONE && self.verdict(b, k) == Verdict::Applied {
                known.push(intent.own);
            }
        }
        known.into_iter().max_by_key(|record| (self.state.ctr(*record), *record)).unwrap_or(GENESIS)
    }

    /// What it lets desks pay out.
    pub fn payable(&self) -> u8 {
        if self.config.rules.every_c_is_accounted_for && !self.accounts_for_every_c() {
            return 0;
        }
        let unproven = if self.config.rules.written_off_is_paid_in_credit { self.unproven() } else { 0 };
        u8::try_from((self.pending() - unproven).max(0)).unwrap_or(u8::MAX)
    }
}

/// Intents a box, as a constant that reads well in loops.
pub const EACH: std::ops::Range<usize> = 0..INTENTS;
