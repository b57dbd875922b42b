//! What has happened, told in the page's language.
use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use screens::view::{Args, StoryLine};

/// Lines that are kept.
const LINES: usize = 20;

/// What has happened, newest last.
#[derive(Default)]
pub(super) struct Story(Mutex<VecDeque<StoryLine>>);

impl Story {
    /// A further line: a text key and what stands in it.
    pub(super) fn tell(&self, key: &str, args: &[(&str, &str)]) {
        let args: Args = args.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(StoryLine { at_unix_ms: now_ms(), key: key.to_owned(), args });
        if lines.len() > LINES {
            lines.pop_front();
        }
    }

    pub(super) fn lines(&self) -> Vec<StoryLine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

pub(super) fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
