//! One HTTPS request to a box or hub whose screens certificate leads to the festival's own authority.
//! Invariant: no other authority is believed, an answer is capped, and nothing waits for ever.
//! HTTP/1.0, so that the answer comes whole and the connection ends with it.
use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpStream, ToSocketAddrs},
    sync::Arc,
    time::Duration,
};

use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use serde_json::Value;

use crate::Failure;

const WAIT: Duration = Duration::from_secs(10);
const ANSWER_MAX: u64 = 4 << 20;

/// A daemon's address and whom to believe about it.
pub struct Daemon {
    host: String,
    port: u16,
    url: String,
    tls: Arc<ClientConfig>,
}

/// What a daemon answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body; `null` where it is not JSON.
    pub body: Value,
}

impl Daemon {
    /// A daemon at `https://HOST[:PORT]`, whose certificate leads to `ca` (PEM).
    pub fn new(url: &str, ca: &[u8]) -> Result<Self, Failure> {
        let address = || Failure::Address(url.into());
        let authority = url.strip_prefix("https://").ok_or_else(address)?.trim_end_matches('/');
        let (host, port) = split(authority).ok_or_else(address)?;
        let fault = |reason: String| Failure::Unreachable { url: url.into(), reason };
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(ca) {
            let certificate = certificate.map_err(|error| fault(format!("CA: {error}")))?;
            roots.add(certificate).map_err(|error| fault(format!("CA: {error}")))?;
        }
        if roots.is_empty() {
            return Err(fault("CA: no certificate in the file".into()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| fault(error.to_string()))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { host, port, url: format!("https://{authority}"), tls: Arc::new(tls) })
    }

    /// Where it is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Asks for a page; `bearer` may be a box's screen key or the hub's console token.
    pub fn get(&self, path: &str, bearer: Option<&str>) -> Result<Answer, Failure> {
        self.request("GET", path, bearer, None)
    }

    /// Sends JSON.
    pub fn post(&self, path: &str, bearer: Option<&str>, body: &Value) -> Result<Answer, Failure> {
        self.request("POST", path, bearer, Some(body))
    }

    fn request(&self, method: &str, path: &str, bearer: Option<&str>, body: Option<&Value>) -> Result<Answer, Failure> {
        let url = format!("{}{path}", self.url);
        let fault = |reason: String| Failure::Unreachable { url: url.clone(), reason };
        let mut request = format!("{method} {path} HTTP/1.0\r\nHost: {}\r\nAccept: application/json\r\n", self.host);
        if let Some(bearer) = bearer {
            if !bearer.bytes().all(|byte| byte.is_ascii_graphic()) {
                return Err(fault("the key or token holds characters that none has".into()));
            }
            request.push_str(&format!("Authorization: Bearer {bearer}\r\n"));
        }
        let body = body.map(Value::to_string);
        if let Some(body) = &body {
            request.push_str(&format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        request.push_str(body.as_deref().unwrap_or_default());
        let answer = self.exchange(request.as_bytes()).map_err(|error| fault(error.to_string()))?;
        parse(&answer).ok_or_else(|| fault("not an HTTP answer".into()))
    }

    fn exchange(&self, request: &[u8]) -> std::io::Result<Vec<u8>> {
        let other = |error: rustls::Error| std::io::Error::new(ErrorKind::InvalidData, error);
        let mut tcp = Err(std::io::Error::new(ErrorKind::NotFound, "the name has no address"));
        for address in (self.host.as_str(), self.port).to_socket_addrs()? {
            tcp = TcpStream::connect_timeout(&address, WAIT);
            if tcp.is_ok() {
                break;
            }
        }
        let tcp = tcp?;
        tcp.set_read_timeout(Some(WAIT))?;
        tcp.set_write_timeout(Some(WAIT))?;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|error| std::io::Error::new(ErrorKind::InvalidInput, error))?;
        let connection = ClientConnection::new(Arc::clone(&self.tls), name).map_err(other)?;
        let mut stream = StreamOwned::new(connection, tcp);
        stream.write_all(request)?;
        stream.flush()?;
        let mut answer = Vec::new();
        match stream.take(ANSWER_MAX).read_to_end(&mut answer) {
            // A daemon may end the connection without TLS's farewell; the length below tells whether all came.
            Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
            Ok(_) | Err(_) => Ok(answer),
        }
    }
}

impl Answer {
    /// This answer, if the daemon said yes.
    pub fn accepted(self, url: &str) -> Result<Value, Failure> {
        if (200..300).contains(&self.status) {
            return Ok(self.body);
        }
        let said = ["code", "reason", "error", "message"].iter().find_map(|name| self.body[*name].as_str());
        Err(Failure::Answer { url: url.into(), status: self.status, reason: said.unwrap_or("-").into() })
    }
}

fn split(authority: &str) -> Option<(String, u16)> {
    if authority.is_empty() || authority.contains(['/', '@', '?', '#']) {
        return None;
    }
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        let port = if port.is_empty() { 443 } else { port.strip_prefix(':')?.parse().ok()? };
        return Some((host.into(), port));
    }
    match authority.split_once(':') {
        Some((host, port)) => Some((host.into(), port.parse().ok()?)),
        None => Some((authority.into(), 443)),
    }
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = std::str::from_utf8(answer.get(..end)?).ok()?;
    let body = answer.get(end + 4..)?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    let length =
        lines.filter_map(|line| line.split_once(':')).find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let body = match length {
        Some((_, length)) => body.get(..length.trim().parse().ok()?)?,
        None => body,
    };
    Some(Answer { status, body: serde_json::from_slice(body).unwrap_or(Value::Null) })
}

#[cfg(test)]
pub(crate) mod tests;
