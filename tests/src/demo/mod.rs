//! The demo that keeps going: a page on which one sees what every box and the hub know, and some life behind it.
//! Invariant: a box is shown by what it says itself.
//! Not here: the pages (`screens`), the scripted evening (`evening`).
mod life;
mod page;
mod prices;

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use screens::{
    Lang,
    view::{Args, DemoBox, DemoView, StoryLine},
};
use tokio::sync::watch;

pub use life::live;
pub use page::serve;
pub use prices::edit_on_demand;

use crate::world::World;

/// Lines of the story that are kept.
const STORY: usize = 20;
/// How often boxes and hub are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(400);

/// What has happened, newest last.
#[derive(Default)]
pub struct Story(Mutex<VecDeque<StoryLine>>);

impl Story {
    /// A further line: a text key and what stands in it.
    pub fn tell(&self, key: &str, args: &[(&str, &str)]) {
        let args: Args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(StoryLine { at_unix_ms: now_ms(), key: key.to_owned(), args });
        if lines.len() > STORY {
            lines.pop_front();
        }
    }

    fn lines(&self) -> Vec<StoryLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// The language of whoever started the demo.
pub fn lang() -> Lang {
    let tag = ["LC_ALL", "LC_MESSAGES", "LANG"].into_iter().find_map(|name| std::env::var(name).ok());
    tag.and_then(|tag| Lang::from_tag(tag.split(['_', '.']).next()?)).unwrap_or(Lang::En)
}

/// Looks at everybody again and again; `page` is the demo's own address.
pub async fn watch_all(world: Arc<World>, story: Arc<Story>, page: String, shown: watch::Sender<DemoView>) {
    loop {
        let before = shown.borrow().clone();
        let view = look(&world, &story, &page, &before).await;
        shown.send_replace(view);
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

async fn look(world: &World, story: &Story, page: &str, before: &DemoView) -> DemoView {
    let mut boxes = Vec::with_capacity(world.places.len());
    for (number, place) in world.places.iter().enumerate() {
        let view = if place.is_running() { place.view().await.ok() } else { None };
        let running = view.is_some();
        // a box without power shows what it said last
        let last = before.boxes.get(number).map(|shown| shown.view.clone());
        let view = view.or(last).unwrap_or_default();
        boxes.push(DemoBox { url: format!("{page}/open/{number}"), running, view });
    }
    let prices = prices::look(world).await.unwrap_or_default();
    DemoView {
        prices,
        lang: lang(),
        now_unix_ms: now_ms(),
        story: story.lines(),
        boxes,
        hub_url: world.hub.api.url(""),
        hub: world.hub.view().await.ok(),
    }
}
