//! Breadth-first search over all states of a world, so that the first story found is a shortest one.
//! Invariant: deterministic; a state counts as seen by a 128-bit hash of it (a collision could hide one state: with ten
//! million states the chance is below 1e-24).
//! Not here: what a state is and what may happen in it (`World`).
use std::{
    collections::HashSet,
    fmt::Display,
    hash::{BuildHasherDefault, Hash, Hasher},
    time::{Duration, Instant},
};

/// A small world whose every history is searched.
pub trait World {
    /// All that is the case at one moment.
    type State: Clone + Hash;
    /// One thing that somebody does or that happens.
    type Step: Clone + Display;
    /// How it begins.
    fn start(&self) -> Self::State;
    /// Everything that can happen now, and what is the case then. Always in the same order.
    fn steps(&self, state: &Self::State, out: &mut Vec<(Self::Step, Self::State)>);
    /// Whether the step from `before` to `after` keeps every promise; otherwise which one it breaks.
    fn judge(&self, before: &Self::State, after: &Self::State) -> Result<(), String>;
    /// Whether it is one of the ends at which the books are compared.
    fn is_end(&self, state: &Self::State) -> bool;
}

/// What a search found.
#[derive(Clone, Debug)]
pub struct Found<S> {
    /// States seen.
    pub states: usize,
    /// Steps taken, those to states that were seen before included.
    pub steps: u64,
    /// Times that the books were compared.
    pub ends: u64,
    /// Steps in the longest shortest history.
    pub depth: usize,
    /// How long it took.
    pub took: Duration,
    /// Whether every state was seen.
    pub complete: bool,
    /// The broken promise and the shortest history that breaks it.
    pub broken: Option<(String, Vec<S>)>,
}

/// Multiply and rotate: quick, and good enough twice with different seeds.
#[derive(Clone, Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }
}

fn fingerprint(state: &impl Hash) -> u128 {
    let (mut a, mut b) = (Mix(1), Mix(0x9e37_79b9_7f4a_7c15));
    state.hash(&mut a);
    state.hash(&mut b);
    u128::from(a.finish()) << 64 | u128::from(b.finish())
}

/// A state in the tree of the search: its parent, and which of that one's steps leads here.
#[derive(Clone, Copy)]
struct Branch {
    parent: u32,
    nth: u16,
}

/// Searches all of `world`, at most `most` states.
pub fn search<W: World>(world: &W, most: usize) -> Found<W::Step> {
    let mut tree = Tree::new(world);
    let broken = tree.grow(most);
    let (states, steps, ends, depth) = (tree.seen.len(), tree.steps, tree.ends, tree.depth);
    Found { states, steps, ends, depth, took: tree.began.elapsed(), complete: tree.layer.is_empty(), broken }
}

/// The shortest history to every `every`-th state of `world` among its first `most`, each found as a list of steps.
pub fn sample<W: World>(world: &W, most: usize, every: usize) -> Vec<Vec<W::Step>> {
    let mut tree = Tree::new(world);
    tree.grow(most);
    (1..tree.branches.len()).step_by(every.max(1)).map(|at| tree.story(at)).collect()
}

struct Tree<'a, W: World> {
    world: &'a W,
    seen: HashSet<u128, BuildHasherDefault<Mix>>,
    branches: Vec<Branch>,
    layer: Vec<(W::State, u32)>,
    began: Instant,
    steps: u64,
    ends: u64,
    depth: usize,
}

impl<'a, W: World> Tree<'a, W> {
    fn new(world: &'a W) -> Self {
        let start = world.start();
        let seen = HashSet::from_iter([fingerprint(&start)]);
        let branches = vec![Branch { parent: 0, nth: 0 }];
        let (layer, began) = (vec![(start, 0)], Instant::now());
        Self { world, seen, branches, layer, began, steps: 0, ends: 0, depth: 0 }
    }

    fn grow(&mut self, most: usize) -> Option<(String, Vec<W::Step>)> {
        let mut out = Vec::new();
        while !self.layer.is_empty() && self.seen.len() < most {
            let mut next = Vec::new();
            for (state, at) in std::mem::take(&mut self.layer) {
                self.world.steps(&state, &mut out);
                for (nth, (step, after)) in out.drain(..).enumerate() {
                    self.steps += 1;
                    self.ends += u64::from(self.world.is_end(&after));
                    if let Err(promise) = self.world.judge(&state, &after) {
                        self.depth += 1;
                        let mut story = self.story(at as usize);
                        story.push(step);
                        return Some((promise, story));
                    }
                    if self.seen.insert(fingerprint(&after)) {
                        let place = self.branches.len() as u32;
                        self.branches.push(Branch { parent: at, nth: nth as u16 });
                        next.push((after, place));
                    }
                }
            }
            self.layer = next;
            self.depth += 1;
        }
        None
    }

    /// The steps that lead there, taken again from the start.
    fn story(&self, mut at: usize) -> Vec<W::Step> {
        let mut choices = Vec::new();
        while at != 0 {
            choices.push(self.branches[at].nth);
            at = self.branches[at].parent as usize;
        }
        let (mut state, mut story, mut out) = (self.world.start(), Vec::new(), Vec::new());
        for nth in choices.into_iter().rev() {
            self.world.steps(&state, &mut out);
            let (step, after) = out.swap_remove(usize::from(nth));
            out.clear();
            story.push(step);
            state = after;
        }
        story
    }
}

/// A random history of at most `length` steps; the same for the same seed.
pub fn wander<W: World>(world: &W, seed: u64, length: usize) -> Vec<W::Step> {
    let (mut state, mut story, mut out) = (world.start(), Vec::new(), Vec::new());
    let mut random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..length {
        world.steps(&state, &mut out);
        if out.is_empty() {
            break;
        }
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        let (step, after) = out.swap_remove((random % out.len() as u64) as usize);
        out.clear();
        story.push(step);
        state = after;
    }
    story
}
