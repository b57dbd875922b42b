//! Live screens: the whole view on each change, and at least every five seconds.
use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    extract::State,
    response::sse::{Event, Sse},
};
use futures_util::{Stream, stream};

use crate::{station::Station, view};

/// A page takes a longer silence for a lost box.
const AT_LEAST_EVERY: Duration = Duration::from_secs(4);
/// Changes that come faster are shown together.
const AT_MOST_EVERY: Duration = Duration::from_millis(60);

pub(super) async fn stream(State(station): State<Arc<Station>>) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let changes = station.follow();
    let events = stream::unfold((station, changes, true), |(station, mut changes, first)| async move {
        if !first {
            tokio::select! {
                changed = changes.changed() => { changed.ok()?; tokio::time::sleep(AT_MOST_EVERY).await; }
                () = tokio::time::sleep(AT_LEAST_EVERY) => {}
                () = station.stopping() => return None,
            }
        }
        changes.borrow_and_update();
        let seen = Arc::clone(&station);
        let state = tokio::task::spawn_blocking(move || view::of(&seen)).await.ok()?;
        let event = Event::default().event("state").json_data(&state).ok()?;
        Some((Ok(event), (station, changes, false)))
    });
    Sse::new(events)
}
