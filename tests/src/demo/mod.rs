//! The demo that keeps going: one page on which a visitor holds tickets and bands to readers, cuts wires and power, and
//! watches what every box and the hub know.
//! Invariant: whatever the page shows was read from a box, the hub, a chip or a wire a moment ago, and whatever it does
//! is done to them; nothing is remembered in their place.
//! Not here: the page itself (`screens`), the scripted evening (`evening`).
mod door;
mod guard;
mod hands;
mod life;
mod look;
mod page;
mod prices;
mod shelf;
mod story;
mod tour;

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyhow::{Context, Result};
use screens::{Lang, view::DemoView};
use tokio::sync::watch;

use hands::Counter;
pub use hands::Pull;
use look::CreditKeys;
use shelf::Shelf;
use story::Story;
use tour::Tour;

use crate::world::{Say, World};

/// A demo at work.
pub struct Demo {
    world: Arc<World>,
    story: Story,
    shelf: Shelf,
    counters: Vec<Counter>,
    tour: Tour,
    credit_keys: CreditKeys,
    guests: AtomicBool,
    /// Held by whoever has the price edited.
    edits: tokio::sync::Mutex<()>,
    /// Addresses under which the page shows the screens of boxes, in their order, and of the hub.
    doors: Vec<String>,
    hub_door: String,
    shown: watch::Sender<DemoView>,
}

impl Demo {
    /// Lays out the visitor's things and serves the page on this port of loopback; 0 takes a free one.
    pub async fn open(world: Arc<World>, port: u16, seed: u64, say: Arc<Say>) -> Result<(Arc<Self>, SocketAddr)> {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.context("the page's port")?;
        let address = listener.local_addr()?;
        let shelf = Shelf::lay_out(&world).await.context("the visitor's tickets and bands")?;
        let mut doors = Vec::with_capacity(world.places.len());
        for place in &world.places {
            doors.push(door::open(place.api.clone(), address).await?);
        }
        let hub_door = door::open(world.hub.api.clone(), address).await?;
        let (shown, _) = watch::channel(DemoView::default());
        let counters = world.places.iter().map(|_| Counter::default()).collect();
        let demo = Arc::new(Self {
            story: Story::default(),
            tour: Tour::default(),
            credit_keys: CreditKeys::default(),
            guests: AtomicBool::new(false),
            edits: tokio::sync::Mutex::default(),
            world,
            shelf,
            counters,
            doors,
            hub_door,
            shown,
        });
        demo.story.tell("demo-start", &[]);
        page::serve(Arc::clone(&demo), listener);
        tokio::spawn(look::keep_looking(Arc::clone(&demo)));
        tokio::spawn(life::live(Arc::clone(&demo), seed, say));
        Ok((demo, address))
    }

    /// Where the screens of a box are shown without a certificate to trust or a key to type; on this machine only.
    pub fn screen_of(&self, place: &str) -> Option<&str> {
        let mut doors = self.world.places.iter().zip(&self.doors);
        doors.find(|(post, _)| post.name() == place).map(|(_, door)| door.as_str())
    }

    /// The same for the hub's console.
    pub fn screen_of_hub(&self) -> &str {
        &self.hub_door
    }

    /// Lets other guests come, or no more of them.
    pub fn let_guests_come(&self, come: bool) {
        self.guests.store(come, Ordering::SeqCst);
    }

    fn guests_come(&self) -> bool {
        self.guests.load(Ordering::SeqCst)
    }
}

/// The language of whoever started the demo.
fn lang() -> Lang {
    let tag = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|name| std::env::var(name).ok());
    tag.and_then(|tag| Lang::from_tag(tag.split(['_', '.']).next()?)).unwrap_or(Lang::En)
}
