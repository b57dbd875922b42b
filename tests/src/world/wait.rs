//! Waiting for something to become true, never for time to pass.
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

const FIRST_PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(40);

/// Somebody who looks again and again, and says what was missing when patience ends.
pub struct Patience<'a> {
    what: &'a str,
    within: Duration,
    end: Instant,
    pause: Duration,
}

impl<'a> Patience<'a> {
    /// Waits for `what`.
    pub fn new(what: &'a str, within: Duration) -> Self {
        Self { what, within, end: Instant::now() + within, pause: FIRST_PAUSE }
    }

    /// A short pause before the next look; an error once the time is over.
    pub async fn before_next_look(&mut self) -> Result<()> {
        ensure!(Instant::now() < self.end, "{}: not so after {:?}", self.what, self.within);
        tokio::time::sleep(self.pause).await;
        self.pause = self.pause.saturating_mul(2).min(LONGEST_PAUSE);
        Ok(())
    }
}

/// Looks again and again until there is something to see; after `within` it is an error that says what was missing.
pub async fn until<T>(what: &str, within: Duration, mut look: impl AsyncFnMut() -> Result<Option<T>>) -> Result<T> {
    let mut patience = Patience::new(what, within);
    loop {
        if let Some(seen) = look().await? {
            return Ok(seen);
        }
        patience.before_next_look().await?;
    }
}
