//! Lists as CSV over HTTP: down as a stream, up as a body.
use std::io::{self, Write};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::header,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::{ApiError, App};
use crate::csv::{Table, Taken, export};

/// Bytes that wait for a slow reader at most: chunks of 64 KiB.
const CHUNK: usize = 64 * 1024;
const CHUNKS: usize = 4;

fn table(name: &str) -> Result<Table, ApiError> {
    Table::from_name(name).ok_or_else(|| ApiError::not_found("The list"))
}

/// `GET /api/csv/{table}`: the list, line by line; it ends early where it cannot be read on.
pub(super) async fn download(State(app): State<App>, Path(name): Path<String>) -> Result<Response, ApiError> {
    let table = table(&name)?;
    let (chunks, stream) = mpsc::channel::<io::Result<Bytes>>(CHUNKS);
    tokio::spawn(async move {
        let failed = chunks.clone();
        let done = app
            .read("csv", move |reading| {
                let mut out = Chunked { chunks, held: Vec::with_capacity(CHUNK) };
                let written = export(reading, table, &mut out).map_err(|error| error.to_string());
                Ok(written.and_then(|()| out.send().map_err(|error| error.to_string())))
            })
            .await;
        if !matches!(done, Ok(Ok(()))) {
            tracing::warn!(table = table.name(), "a list was not written to its end");
            let _ = failed.send(Err(io::Error::other("the list could not be read to its end"))).await;
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8; header=present".to_string()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{}.csv\"", table.name())),
    ];
    Ok((headers, Body::from_stream(ReceiverStream::new(stream))).into_response())
}

/// Hands what is written over in chunks; waits while the reader is slow, ends when it went away.
struct Chunked {
    chunks: mpsc::Sender<io::Result<Bytes>>,
    held: Vec<u8>,
}

impl Chunked {
    fn send(&mut self) -> io::Result<()> {
        if self.held.is_empty() {
            return Ok(());
        }
        let chunk = Bytes::from(std::mem::replace(&mut self.held, Vec::with_capacity(CHUNK)));
        self.chunks.blocking_send(Ok(chunk)).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Chunked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.len() >= CHUNK {
            self.send()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.send()
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Skipping {
    #[serde(default)]
    skip_bad: bool,
}

/// `POST /api/csv/{table}?skip_bad=true`: takes a list in.
pub(super) async fn upload(
    State(app): State<App>,
    Path(name): Path<String>,
    Query(skipping): Query<Skipping>,
    body: Bytes,
) -> Result<Json<Taken>, ApiError> {
    let table = table(&name)?;
    let taken = app.act_and_bundle(move |hub| hub.import_csv(table, body.as_ref(), skipping.skip_bad)).await?;
    app.inner.metrics.tickets_sold(if table == Table::Tickets { taken.new } else { 0 });
    Ok(Json(taken))
}
