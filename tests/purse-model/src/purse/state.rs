//! What is the case: chips, intents, journals, what the hub has heard and the desks have been told.
//! Invariant: plain numbers, so that equal states are equal bytes; an intent's index stands for its place in a journal.
//! Not here: what may happen (`steps`), what it means at the hub (`hub`).
use super::Config;

/// Bar A, bar B, a desk, a second desk.
pub const BOXES: usize = 4;
/// The desk that reads bands at the close.
pub const DESK: usize = 2;
/// The second desk.
pub const DESK2: usize = 3;
/// Wristbands; the second comes in some worlds only.
pub const BANDS: usize = 2;
/// Intents a box, the closing read included.
pub const INTENTS: usize = 3;
/// C records in a world.
pub const CREDITS: usize = 6;
/// Who signs C′.
pub const HUB: u8 = BOXES as u8;
/// A slot whose MAC or signature does not verify.
pub const TORN: u8 = 255;
/// Amount of every top-up.
pub const TOP_UP: u8 = 2;
/// "No band here", "not known", "nothing".
pub const NONE: u8 = 254;
/// The S record that is in force when a world begins.
pub const GENESIS: u8 = 0;

/// Which chip (design, section 5: profiles).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Chip {
    /// Two C slots, no counter.
    Ntag,
    /// One C slot; the one-way counter is what was spent.
    Aes,
}

/// What an intent is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum Kind {
    /// No intent.
    #[default]
    None,
    /// A sale.
    Sale,
    /// Money in.
    TopUp,
    /// A C′ of the hub's, carried.
    Carry,
    /// All that is left, in cash.
    Refund,
    /// A C of the same credits, so that what is owed may be paid out in cash.
    Supersede,
    /// The closing read.
    Close,
    /// A record of price 0, so that a sale is not written as one that was given up.
    Between,
    /// A record of a stolen bar's.
    Forged,
}

/// How far an intent has come in its own box's journal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug, PartialOrd, Ord)]
pub enum Status {
    /// Not stored.
    #[default]
    Draft,
    /// Written to the chip, and never stored: only where no intent comes first.
    Forgotten,
    /// Stored, neither committed nor void nor given up.
    Open,
    /// Never written again by its box.
    GaveUp,
    /// Never sent, or another record stands there.
    Void,
    /// Durable.
    Commit,
}

/// What somebody read on a chip: the record in force, its link, the other slot's link where that is the linked record,
/// and the C in force.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Look {
    /// In force.
    pub base: u8,
    /// Its link.
    pub before: u8,
    /// The link of that, if the other slot still holds it.
    pub before2: u8,
    /// C in force.
    pub credit: u8,
}

impl Look {
    /// Nothing was read.
    pub const NOTHING: Self = Self { base: NONE, before: NONE, before2: NONE, credit: NONE };
}

/// An intent, as it was stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Intent {
    /// For what.
    pub kind: Kind,
    /// On which band.
    pub band: u8,
    /// What was read before.
    pub look: Look,
    /// What the tap read that voided it or gave it up.
    pub again: Look,
    /// Counter of its S record.
    pub ctr: u8,
    /// *Spent* of its S record.
    pub spent: u8,
    /// How much.
    pub price: u8,
    /// C to be written, else `NONE`.
    pub new_c: u8,
    /// Name of its S record: the same bytes have the same name.
    pub own: u8,
    /// Only its C is on the chip.
    pub c_only: bool,
    /// Goods or cash were handed over.
    pub served: bool,
}

impl Intent {
    const NO: Self = Self {
        kind: Kind::None,
        band: 0,
        look: Look::NOTHING,
        again: Look::NOTHING,
        ctr: 0,
        spent: 0,
        price: 0,
        new_c: NONE,
        own: NONE,
        c_only: false,
        served: false,
    };

    /// C of the S record that it writes.
    pub fn credit(&self) -> u8 {
        if self.new_c == NONE { self.look.credit } else { self.new_c }
    }
}

/// What changes in a journal: its intents' endings, and sums of what was booked beside them.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Book {
    /// Of each intent.
    pub status: [Status; INTENTS],
    /// Served on "tap again".
    pub handed: [bool; INTENTS],
    /// Corrections in the guest's favour: owed.
    pub owed: u8,
    /// What is owed, paid out in cash.
    pub paid: u8,
}

/// A C record.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Credit {
    /// Whose band.
    pub band: u8,
    /// Sequence.
    pub seq: u8,
    /// Credits.
    pub credits: u8,
    /// The C that it replaces.
    pub replaces: u8,
    /// How much more than that.
    pub amount: u8,
    /// Which desk, or the hub.
    pub signer: u8,
}

/// A chip's memory.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Memory {
    /// S slots.
    pub s: [u8; 2],
    /// 0 sound, 1 stored weakly and reads right, 2 reads wrong.
    pub weak: [u8; 2],
    /// C slots; the second on NTAG only.
    pub c: [u8; 2],
    /// The counter, on AES.
    pub count: u8,
    /// What the only C slot held before a write of it began.
    pub old: u8,
    /// The C that it was to hold, once so much stands there that it can be told which.
    pub half: u8,
}

/// Where a box's tap is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub enum At {
    /// No tap.
    #[default]
    Idle,
    /// Read and decided, nothing stored.
    Drafted,
    /// Before this page of C: 1 first, 2 those between, 3 last.
    WriteC(u8),
    /// Before this page of S.
    WriteS(u8),
    /// Before the read-back.
    ReadBack,
    /// Before the increment.
    Increment,
    /// Before the commit.
    Committing,
    /// Committed; the light comes on.
    Green,
}

/// Pages of C that are told apart: first, those between, last (19 on a chip).
pub const C_PAGES: u8 = 3;
/// The same of S (5 on a chip).
pub const S_PAGES: u8 = 3;

/// One box's tap.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default, Debug)]
pub struct Till {
    /// How far.
    pub at: At,
    /// Which intent.
    pub cur: u8,
    /// It was in doubt before this tap.
    pub earlier: bool,
    /// The S slot that it writes.
    pub slot: u8,
    /// The C slot that it writes.
    pub c_slot: u8,
    /// It begins with C.
    pub writes_c: bool,
    /// Intents made.
    pub used: u8,
}

/// What the hub last told a desk about the band, and what of the desk's own journal that contains.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Belief {
    /// What may be paid out.
    pub pending: u8,
    /// The newest record.
    pub head: u8,
    /// Highest C sequence named.
    pub seq: u8,
    /// The desk's journal as the hub had it.
    pub own: Book,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// The bands.
    pub chips: [Memory; BANDS],
    /// A dump of the first band's, or a clone.
    pub clone: Memory,
    /// Each box's tap.
    pub tills: [Till; BOXES],
    /// All intents.
    pub intents: [[Intent; INTENTS]; BOXES],
    /// Journals as they are.
    pub books: [Book; BOXES],
    /// Journals as the hub has them.
    pub heard: [Book; BOXES],
    /// What desks were told.
    pub beliefs: [Belief; 2],
    /// C records signed so far.
    pub credits: [Credit; CREDITS],
    /// How many.
    pub signed: u8,
    /// Taps broken off.
    pub tears: u8,
    /// Dumps and swaps.
    pub swaps: u8,
    /// The event is over.
    pub closed: bool,
    /// The closing read of this band is done.
    pub done: [bool; BANDS],
    /// What a desk is about to hand out in cash, and has not booked yet.
    pub cash: [u8; 2],
    /// The hub wrote this intent off.
    pub written_off: [[bool; INTENTS]; BOXES],
    /// The box that `Config::revoked` names is gone.
    pub revoked: bool,
}

/// Name of the S record of this intent.
pub fn name(by: usize, k: usize) -> u8 {
    (1 + by * INTENTS + k) as u8
}

/// Whose record it is.
pub fn of(record: u8) -> (usize, usize) {
    ((usize::from(record) - 1) / INTENTS, (usize::from(record) - 1) % INTENTS)
}

impl State {
    /// A festival in which each band holds its first credit and nothing else has happened.
    pub fn new(config: &Config) -> Self {
        let mut credits = [Credit::default(); CREDITS];
        for (band, credit) in credits.iter_mut().enumerate().take(config.bands) {
            let first = config.first_credit;
            *credit =
                Credit { band: band as u8, seq: 1, credits: first, replaces: NONE, amount: first, signer: DESK as u8 };
        }
        let chip =
            |band: u8| Memory { s: [GENESIS, TORN], weak: [0; 2], c: [band, TORN], count: 0, old: NONE, half: NONE };
        let belief = Belief { pending: 0, head: GENESIS, seq: 1, own: Book::default() };
        Self {
            chips: [chip(0), chip(1)],
            clone: chip(0),
            tills: Default::default(),
            intents: [[Intent::NO; INTENTS]; BOXES],
            books: Default::default(),
            heard: Default::default(),
            beliefs: [belief; 2],
            credits,
            signed: config.bands as u8,
            tears: 0,
            swaps: 0,
            closed: false,
            done: [false, config.bands < 2],
            cash: [0; 2],
            written_off: Default::default(),
            revoked: false,
        }
    }

    /// Whether this box is gone for good.
    pub fn is_gone(&self, config: &Config, by: usize) -> bool {
        self.revoked && config.revoked == Some(by)
    }

    /// Every intent that was made, with its box and index.
    pub fn made(&self) -> impl Iterator<Item = (usize, usize, &Intent)> {
        let all = self.intents.iter().enumerate();
        let each = all.flat_map(|(b, of_box)| of_box.iter().enumerate().map(move |(k, intent)| (b, k, intent)));
        each.filter(|(.., intent)| intent.kind != Kind::None)
    }

    /// The intent that wrote a record.
    pub fn wrote(&self, record: u8) -> Option<&Intent> {
        (record != GENESIS && record < NONE).then(|| {
            let (b, k) = of(record);
            &self.intents[b][k]
        })
    }

    /// Tap counter of a record.
    pub fn ctr(&self, record: u8) -> u8 {
        self.wrote(record).map_or(0, |intent| intent.ctr)
    }

    /// *Spent* of a record.
    pub fn spent(&self, record: u8) -> u8 {
        self.wrote(record).map_or(0, |intent| intent.spent)
    }

    /// The record that a record follows.
    pub fn link(&self, record: u8) -> u8 {
        self.wrote(record).map_or(NONE, |intent| intent.look.base)
    }

    /// Credit sequence of a record.
    pub fn seq(&self, record: u8) -> u8 {
        self.wrote(record).map_or(1, |intent| self.credits[usize::from(intent.credit())].seq)
    }

    /// A C record.
    pub fn credit_of(&self, credit: u8) -> &Credit {
        &self.credits[usize::from(credit)]
    }

    /// What a reader sees in an S slot.
    pub fn slot(&self, band: usize, at: usize) -> u8 {
        let chip = &self.chips[band];
        if chip.weak[at] == 2 { TORN } else { chip.s[at] }
    }

    /// Slot of the S record in force, or why there is none ("Slot in force").
    pub fn in_force(&self, band: usize, config: &Config) -> Result<usize, &'static str> {
        let counts = |at: usize| {
            let record = self.slot(band, at);
            record != TORN && (config.chip == Chip::Ntag || self.spent(record) == self.chips[band].count)
        };
        match (counts(0), counts(1)) {
            (false, false) => Err("a band is unusable: no S record is in force"),
            (true, false) => Ok(0),
            (false, true) => Ok(1),
            (true, true) => {
                let (a, b) = (self.slot(band, 0), self.slot(band, 1));
                if a != b && self.ctr(a) == self.ctr(b) {
                    return Err("an honest band is refused: same counter, different content");
                }
                if config.chip == Chip::Aes && !config.rules.higher_counter_wins_a_tie {
                    return Ok(0);
                }
                Ok(usize::from(self.ctr(b) > self.ctr(a)))
            }
        }
    }

    /// Slot and record of the C in force; `None` while the only slot is torn.
    pub fn credit(&self, band: usize) -> Option<(usize, u8)> {
        let slots = self.chips[band].c.into_iter().enumerate().filter(|(_, credit)| *credit != TORN);
        slots.max_by_key(|(_, credit)| self.credit_of(*credit).seq)
    }

    /// What a tap reads, `NONE` for a C that cannot be read.
    pub fn look(&self, band: usize, slot: usize) -> Look {
        let base = self.slot(band, slot);
        let (before, other) = (self.link(base), self.slot(band, 1 - slot));
        let before2 = if other != TORN && other == before { self.link(other) } else { NONE };
        Look { base, before, before2, credit: self.credit(band).map_or(NONE, |(_, credit)| credit) }
    }

    /// Is `record` in the chain that was read? `Some(false)`: another one stands at its counter.
    pub fn in_chain(&self, look: &Look, record: u8) -> Option<bool> {
        let at = match self.ctr(look.base).checked_sub(self.ctr(record))? {
            0 => look.base,
            1 => look.before,
            2 => look.before2,
            _ => NONE,
        };
        (at != NONE).then_some(at == record)
    }

    /// Whether C `wanted` is `credit` or below it, in truth.
    pub fn includes(&self, mut credit: u8, wanted: u8) -> bool {
        while credit != NONE {
            if credit == wanted {
                return true;
            }
            credit = self.credit_of(credit).replaces;
        }
        false
    }
}
