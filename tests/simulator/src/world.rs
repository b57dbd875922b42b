//! One festival of a few boxes and guests, small enough for millions of them: what happens next is thrown, what must be
//! true is the reference's.
//! Invariant: a function of (seed, steps, control); same seed, same trace.
//! Not here: what people do at a box (`people`), the network (`network`), the end (`quiet`).
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use anyhow::Result;
use domain::{
    id::{BoxNumber, DeviceId, EntryRef},
    journal::EntryHash,
    ticket::Ticket,
    wristband::tap::TapContext,
};
use ed25519_dalek::SigningKey;

use crate::{
    chip::Band,
    dice::Dice,
    disk::Medium,
    festival::{Festival, Role, desk_key, device, rights},
    frauds::Fraud,
    hub::Hub,
    keeper::{InMemory, Keeper},
    network::Network,
    reference::{BandFacts, Reference},
    store::{OnDisk, device_on_disk},
    tally::{Control, Tally},
};

/// Steps of a world, unless a replay stops sooner.
pub(crate) const STEPS: usize = 420;

/// The part of a seed that clocks are thrown from.
const CLOCKS: u64 = 0x636c_6f63_6b73;

/// Where boxes keep their journals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shelf {
    /// In memory, folded by the ledger alone.
    Memory,
    /// In their real store, on a disk that loses power after so many operations at most.
    Disk(Medium, u64),
}

/// A box and the people at it.
pub(crate) struct Place {
    /// Whose.
    pub(crate) device: DeviceId,
    /// What it does.
    pub(crate) role: Role,
    /// Its disk.
    pub(crate) keeper: Box<dyn Keeper>,
    /// A second copy of its disk that writes as well: it lies.
    pub(crate) twin: Option<Box<dyn Keeper>>,
    /// An older image of its disk.
    pub(crate) old: Option<Box<dyn Keeper>>,
    /// For taps.
    pub(crate) context: Arc<TapContext>,
    /// Signs credits, at a desk.
    pub(crate) desk_key: Option<SigningKey>,
    /// Until which step it is cut off.
    pub(crate) offline_until: usize,
    /// It never comes back.
    pub(crate) lost: bool,
    /// It lies: the seed decides how.
    pub(crate) lying: bool,
    /// Its disk was found damaged after a power cut.
    pub(crate) damaged: bool,
    /// Green lights that its staff saw.
    pub(crate) remembered: BTreeSet<(EntryRef, EntryHash)>,
    /// It was stolen and revoked.
    pub(crate) revoked: bool,
    /// It keeps back the entry at this place for ever.
    pub(crate) withheld: Option<EntryRef>,
    /// How much was asked of each band here: sales, and without end after a payout.
    pub(crate) asked: BTreeMap<usize, i64>,
    /// Sales that wait for a second tap: by band, what staff remember.
    pub(crate) orders: BTreeMap<usize, Order>,
    /// Next box number of its range.
    pub(crate) next_number: u16,
    /// How far off its clock is, in milliseconds.
    pub(crate) clock_off: i64,
    /// How far it will jump: its own, and another one under other clocks.
    clock: Dice,
}

/// What a bartender remembers of a tap that did not finish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Order {
    /// The intent in doubt, where the screen shows one.
    pub(crate) intent: Option<EntryRef>,
    /// How much.
    pub(crate) amount: u32,
    /// Sale or top-up.
    pub(crate) top_up: bool,
}

/// How much of the odd things a world has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Weather {
    /// One tap in so many meets a fault.
    pub(crate) fault_one_in: usize,
    /// Percent of steps in which a box is cut off.
    pub(crate) cut_percent: usize,
    /// Whether people and boxes cheat, and boxes are lost or restored.
    pub(crate) foul: bool,
}

/// See the module.
pub(crate) struct World<'f> {
    /// What it shares with others.
    pub(crate) festival: &'f Festival,
    /// Its chance.
    pub(crate) dice: Dice,
    /// Its boxes.
    pub(crate) places: Vec<Place>,
    /// Its hub.
    pub(crate) hub: Hub<'f>,
    /// Its bands.
    pub(crate) bands: Vec<Band>,
    /// Its tickets: indices into those sold.
    pub(crate) tickets: Vec<usize>,
    /// Those that a gate has read.
    pub(crate) genuine: BTreeMap<usize, Ticket>,
    /// What is under way.
    pub(crate) network: Network,
    /// What people saw.
    pub(crate) reference: Reference,
    /// Counts.
    pub(crate) tally: Tally,
    /// What the run breaks on purpose.
    pub(crate) control: Control,
    /// Frauds that must be found.
    pub(crate) frauds: Vec<Fraud>,
    /// How it is.
    pub(crate) weather: Weather,
    /// The step it is at.
    pub(crate) step: usize,
    /// A line for each thing that happens, on a replay.
    pub(crate) story: Option<Vec<String>>,
    trace: blake3::Hasher,
}

impl<'f> World<'f> {
    /// A new one. `clocks` seeds, with world and place, how wrong each clock is and how far it jumps, and must change
    /// nothing; when one jumps is the world's.
    pub(crate) fn new(
        festival: &'f Festival,
        seed: u64,
        clocks: u64,
        shelf: Shelf,
        control: Control,
        tells: bool,
    ) -> Result<Self> {
        let mut dice = Dice::new(seed);
        let mut bands: Vec<Band> = Vec::new();
        let count = 4 + dice.below(5);
        let first = dice.below(festival.bands.len());
        for n in 0..count {
            bands.push(Band::new(&festival.bands[(first + n) % festival.bands.len()]));
        }
        let mut roles = vec![Role::Bar, Role::Desk, Role::Gate];
        roles.extend((0..1 + dice.below(3)).map(|_| Role::Bar));
        roles.extend(dice.one_in(2).then_some(Role::Desk));
        roles.extend((0..1 + dice.below(2)).map(|_| Role::Gate));
        let mut hub = Hub::new(festival, bands.iter().map(|band| (band.wallet(), band.has_purse())).collect());
        let mut desks = 0;
        let mut places = Vec::new();
        for (n, role) in roles.into_iter().enumerate() {
            let number = BoxNumber((n as u16 + 1) * 20);
            let (of, keeper): (DeviceId, Box<dyn Keeper>) = match shelf {
                Shelf::Memory => {
                    let of = device(n as u8 + 1);
                    (of, Box::new(InMemory::new(festival, of, number)))
                }
                Shelf::Disk(medium, cut_every) => {
                    let (n, dice) = (n as u8 + 1, Dice::part(seed, n as u64));
                    let keeper = OnDisk::new(festival, n, number, medium, dice, cut_every)?;
                    (device_on_disk(n), Box::new(keeper))
                }
            };
            hub.enrol(of, 0, number, rights(Some(role)));
            let mut clock = Dice::part(Dice::part(seed ^ CLOCKS, n as u64).draw(), clocks);
            let key = (role == Role::Desk).then(|| desk_key(desks));
            desks += u8::from(role == Role::Desk);
            places.push(Place {
                device: of,
                role,
                keeper,
                twin: None,
                old: None,
                context: festival.tap_context(of, number),
                desk_key: key,
                offline_until: 0,
                lost: false,
                lying: false,
                revoked: false,
                damaged: false,
                remembered: BTreeSet::new(),
                withheld: None,
                asked: BTreeMap::new(),
                orders: BTreeMap::new(),
                next_number: number.0 + 1,
                clock_off: wrong(&mut clock),
                clock,
            });
        }
        let weather = Weather {
            fault_one_in: [2, 4, 10][dice.below(3)],
            cut_percent: [0, 3, 8][dice.below(3)],
            foul: dice.percent(40),
        };
        let first = dice.below(festival.tickets.len());
        let tickets = (0..4 + dice.below(5)).map(|n| (first + n) % festival.tickets.len()).collect();
        let reference = Reference {
            bands: vec![BandFacts::default(); bands.len()],
            told: vec![0; places.len()],
            ..Reference::default()
        };
        let mut world = Self {
            festival,
            dice,
            places,
            hub,
            bands,
            tickets,
            genuine: BTreeMap::new(),
            network: Network::default(),
            reference,
            tally: Tally::default(),
            control,
            frauds: Vec::new(),
            weather,
            step: 0,
            story: tells.then(Vec::new),
            trace: blake3::Hasher::new(),
        };
        for n in 0..world.bands.len() {
            let (band, facts) = (&mut world.bands[n], &mut world.reference.bands[n]);
            band.watch(facts);
        }
        Ok(world)
    }

    /// Lets `steps` steps happen.
    pub(crate) fn live(&mut self, steps: usize) {
        while self.step < steps {
            self.step += 1;
            self.deliver();
            if self.dice.one_in(60) {
                let at = self.dice.below(self.places.len());
                let place = &mut self.places[at];
                place.clock_off = wrong(&mut place.clock);
            }
            self.run_clocks();
            self.power_comes_back();
            if self.dice.percent(self.weather.cut_percent) {
                self.cut();
            }
            if self.weather.foul && self.dice.one_in(40) {
                self.misdeed();
            }
            if self.dice.percent(10) {
                self.exchange();
            } else {
                self.somebody_comes();
            }
        }
    }

    /// Clocks go on, each from where it is, and some are years off.
    pub(crate) fn run_clocks(&mut self) {
        let now = 1_800_000_000_000_i64 + (self.step as i64) * 20_000;
        for place in &mut self.places {
            let shown = u64::try_from(now.saturating_add(place.clock_off).max(0)).unwrap_or(0);
            place.keeper.set_clock(shown);
            if let Some(twin) = &mut place.twin {
                twin.set_clock(shown);
            }
        }
    }

    /// Boxes whose power failed on their own.
    pub(crate) fn power_comes_back(&mut self) {
        for at in 0..self.places.len() {
            if self.places[at].keeper.is_dead() && !self.places[at].lost {
                self.power_failed(at);
            }
        }
    }

    fn cut(&mut self) {
        let length = 20 + self.dice.below(120);
        self.tally.partitions += 1;
        // one box, or half of them at once
        let whole = self.dice.one_in(3);
        let at = self.dice.below(self.places.len());
        for n in 0..self.places.len() {
            if n == at || whole && n % 2 == at % 2 {
                self.places[n].offline_until = self.places[n].offline_until.max(self.step + length);
            }
        }
        self.note(|| format!("cut off for {length} steps: {}", if whole { "half of the boxes" } else { "one box" }));
    }

    /// Whether a box hears the hub now.
    pub(crate) fn is_online(&self, at: usize) -> bool {
        let place = &self.places[at];
        !place.lost && place.offline_until <= self.step
    }

    /// Goes into the trace, and into the story where one is told.
    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            let step = self.step;
            story.push(format!("{step:>4}  {}", line()));
        }
    }

    /// Numbers that describe what happened: the same in every run of the seed, whatever the clocks say.
    pub(crate) fn trace(&mut self, numbers: &[u64]) {
        numbers.iter().for_each(|number| {
            self.trace.update(&number.to_le_bytes());
        });
    }

    /// The trace so far.
    pub(crate) fn traced(&self) -> [u8; 32] {
        *self.trace.finalize().as_bytes()
    }

    /// The name of a place in stories.
    pub(crate) fn name(&self, at: usize) -> String {
        let role = match self.places[at].role {
            Role::Bar => "bar",
            Role::Desk => "desk",
            Role::Gate => "gate",
        };
        format!("{role} {at}")
    }
}

/// Mostly right, sometimes up to ten years off.
fn wrong(dice: &mut Dice) -> i64 {
    const TEN_YEARS_MS: i64 = 315_576_000_000;
    match dice.below(3) {
        0 => 0,
        1 => i64::from(dice.amount(0, 600_000)) - 300_000,
        _ => (dice.draw() % (2 * TEN_YEARS_MS as u64)) as i64 - TEN_YEARS_MS,
    }
}
