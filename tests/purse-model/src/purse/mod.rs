//! The purse: bands, two bars, two desks, a hub, and everything that can happen to them in a small world.
//! Invariant: a step is one command to a chip, one durable write, or one thing that people or networks do.
//! Not here: searching (`search`), the real machine (`replay`).
pub mod desk;
pub mod hub;
pub mod promises;
pub mod rules;
pub mod state;
pub mod steps;
mod story;
mod tap;
pub mod worlds;

use crate::search::World;
use rules::Rules;
use state::{BOXES, Chip, State};

/// What is there in a world, and what may go wrong in it.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Which chip.
    pub chip: Chip,
    /// Under which rules.
    pub rules: Rules,
    /// Wristbands, 1 or 2.
    pub bands: usize,
    /// Intents each box may make, the closing read not counted.
    pub limit: [usize; BOXES],
    /// Taps that break off.
    pub tears: u8,
    /// What each band holds at first.
    pub first_credit: u8,
    /// Price at each bar.
    pub price: [u8; 2],
    /// The last page may be stored weakly and flip later (NTAG).
    pub weak: bool,
    /// The hub signs C′.
    pub hub_credits: bool,
    /// Corrections in the guest's favour that each box may book on the first band.
    pub owes: [u8; BOXES],
    /// Desks pay what is owed out in cash.
    pub pays_out: bool,
    /// Staff serve on "tap again".
    pub hand_over: bool,
    /// This box's journal never arrives.
    pub lost: Option<usize>,
    /// The guest copies and swaps memory.
    pub attacker: bool,
    /// Bar B is stolen and writes what it likes.
    pub stolen: bool,
    /// Desks refund.
    pub refund: bool,
    /// The hub writes off what stays in doubt.
    pub writes_off: bool,
    /// This box may be gone for good at any moment, and is revoked: the hub keeps what it heard until then.
    pub revoked: Option<usize>,
}

impl Config {
    /// Two bars, one sale each, two tears.
    pub const fn new(chip: Chip) -> Self {
        Self {
            chip,
            rules: Rules::product(),
            bands: 1,
            limit: [1, 1, 0, 0],
            tears: 2,
            first_credit: 3,
            price: [1, 1],
            weak: false,
            hub_credits: false,
            owes: [0; BOXES],
            pays_out: false,
            hand_over: false,
            lost: None,
            attacker: false,
            stolen: false,
            refund: false,
            writes_off: false,
            revoked: None,
        }
    }
}

impl World for Config {
    type State = State;
    type Step = steps::Step;

    fn start(&self) -> State {
        State::new(self)
    }

    fn steps(&self, state: &State, out: &mut Vec<(steps::Step, State)>) {
        steps::all(state, self, out);
    }

    fn judge(&self, before: &State, after: &State) -> Result<(), String> {
        promises::always(after, self)?;
        promises::stable(before, after, self)?;
        if self.is_end(after) { promises::at_the_close(after, self) } else { Ok(()) }
    }

    fn is_end(&self, state: &State) -> bool {
        state.done.iter().all(|done| *done)
    }
}
