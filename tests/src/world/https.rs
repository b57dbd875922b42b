//! HTTPS clients of boxes and hub: they trust the festival's screens authority and nobody else.
//! Invariant: a refusal (4xx, 5xx with a reason code) is an answer, not a failure.
use std::{
    net::SocketAddr,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use reqwest::{Certificate, Client, Response, StatusCode, header::HeaderMap};
use screens::view::Args;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Longest wait for an answer; a box waits for a band up to 60 s on request.
const PATIENCE: Duration = Duration::from_secs(70);

/// Live screens stay open.
const HANDED_ON_FOR: Duration = Duration::from_secs(24 * 3600);

/// A no with its reason code.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Refused {
    /// HTTP status.
    #[serde(skip)]
    pub status: u16,
    /// Reason code.
    pub code: String,
    /// Its arguments.
    pub args: Args,
}

/// Somebody with a key at one daemon's door.
#[derive(Clone, Debug)]
pub struct Https {
    client: Client,
    at: Arc<RwLock<SocketAddr>>,
    bearer: Arc<RwLock<String>>,
}

/// A client that trusts this authority only.
pub fn client(ca_pem: &[u8]) -> Result<Client> {
    // Another library may have been as quick; any provider will do then.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let ca = Certificate::from_pem(ca_pem).context("the screens authority")?;
    Ok(Client::builder().tls_certs_only([ca]).no_proxy().https_only(true).timeout(PATIENCE).build()?)
}

impl Https {
    /// At `at`, with that token or screen key.
    pub fn new(client: Client, at: SocketAddr, bearer: &str) -> Self {
        Self { client, at: Arc::new(RwLock::new(at)), bearer: Arc::new(RwLock::new(bearer.trim().to_owned())) }
    }

    /// The daemon listens elsewhere now.
    pub fn moved_to(&self, at: SocketAddr) {
        *self.at.write().unwrap_or_else(PoisonError::into_inner) = at;
    }

    /// It takes another key now.
    pub fn takes(&self, bearer: &str) {
        *self.bearer.write().unwrap_or_else(PoisonError::into_inner) = bearer.trim().to_owned();
    }

    /// Address of a path.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", *self.at.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Its key.
    pub fn bearer(&self) -> String {
        self.bearer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// GET, as it comes.
    pub async fn fetch(&self, path: &str) -> Result<Response> {
        let url = self.url(path);
        self.client.get(&url).bearer_auth(self.bearer()).send().await.with_context(|| format!("GET {path}"))
    }

    /// A browser's request, with our key added; the answer may last for hours.
    pub async fn hand_on(
        &self,
        method: reqwest::Method,
        path: &str,
        headers: HeaderMap,
        body: impl Into<reqwest::Body>,
    ) -> Result<Response> {
        let request = self.client.request(method, self.url(path)).headers(headers).bearer_auth(self.bearer());
        Ok(request.timeout(HANDED_ON_FOR).body(body).send().await?)
    }

    /// GET of JSON.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let response = self.fetch(path).await?;
        let (status, bytes) = (response.status(), response.bytes().await?);
        if !status.is_success() {
            bail!("GET {path}: {status} {}", String::from_utf8_lossy(&bytes));
        }
        serde_json::from_slice(&bytes).with_context(|| format!("GET {path}: {}", String::from_utf8_lossy(&bytes)))
    }

    /// GET of JSON that may not be there.
    pub async fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>> {
        let response = self.fetch(path).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        let (status, bytes) = (response.status(), response.bytes().await?);
        if !status.is_success() {
            bail!("GET {path}: {status} {}", String::from_utf8_lossy(&bytes));
        }
        Ok(Some(serde_json::from_slice(&bytes).with_context(|| format!("GET {path}"))?))
    }

    /// POST of JSON, answered with JSON or a refusal.
    pub async fn ask<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<Result<T, Refused>> {
        let request = self.client.post(self.url(path)).bearer_auth(self.bearer()).json(body);
        let response = request.send().await.with_context(|| format!("POST {path}"))?;
        let (status, bytes) = (response.status(), response.bytes().await?);
        let read = || format!("POST {path}: {status} {}", String::from_utf8_lossy(&bytes));
        if status.is_success() {
            let bytes: &[u8] = if bytes.is_empty() { b"null" } else { &bytes };
            return Ok(Ok(serde_json::from_slice(bytes).with_context(read)?));
        }
        let refused: Refused = serde_json::from_slice(&bytes).with_context(read)?;
        Ok(Err(Refused { status: status.as_u16(), ..refused }))
    }

    /// POST that must be taken.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: &impl Serialize) -> Result<T> {
        self.ask(path, body)
            .await?
            .map_err(|no| anyhow::anyhow!("POST {path}: {} {} {:?}", no.status, no.code, no.args))
    }
}
