//! Somebody at a browser: Debian's Chromium, driven through its driver.
//! Invariant: they wait for what they can see, never for time to pass, and nobody waits without a bound.
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use fantoccini::{Client, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};

use crate::world::wait::until;

/// What does not show within this time is not there.
const SOON: Duration = Duration::from_secs(20);
/// What a laptop's browser leaves of a projector's picture.
pub const SIZE: [u64; 2] = [1280, 757];
/// How many drivers are tried, each on another port.
const DRIVERS: usize = 5;
/// Where files go, within the browser's own folder.
const DOWNLOADS: &str = "downloads";

/// The visitor.
pub struct Visitor {
    client: Client,
    pictures: PathBuf,
    driver: Child,
    profile: tempfile::TempDir,
}

/// When a page asked for what it was watched for.
#[derive(Clone, Debug, serde::Deserialize)]
pub struct Asked {
    /// Milliseconds on the page's own clock.
    pub at_ms: Vec<u64>,
    /// How many answers it awaited at the most.
    pub most_at_once: u32,
}

/// Whether the driver is installed.
pub fn is_possible() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join("chromedriver").is_file())
}

/// A driver and its port. It takes a port that is free for one version of IP and ends where the other one's is taken, by
/// a daemon of another test, say.
fn driver() -> Result<(Child, u16)> {
    for _ in 0..DRIVERS {
        let mut command = Command::new("chromedriver");
        let mut driver =
            command.arg("--port=0").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let said = BufReader::new(driver.stdout.take().context("no output")?);
        let port = said.lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        match port {
            Some(port) => return Ok((driver, port)),
            None => drop(driver.wait()?),
        }
    }
    bail!("{DRIVERS} drivers named no port")
}

impl Drop for Visitor {
    fn drop(&mut self) {
        // the driver ends its browser with itself
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

impl Visitor {
    /// Opens a browser; pictures of what it shows go to this folder, which is made where there is none.
    pub async fn come(pictures: PathBuf) -> Result<Self> {
        std::fs::create_dir_all(&pictures)?;
        let profile = tempfile::tempdir()?;
        let (driver, port) = driver()?;
        let address = format!("http://127.0.0.1:{port}");
        let folder = format!("--user-data-dir={}", profile.path().display());
        let flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"];
        let quiet =
            ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars"];
        let flags: Vec<&str> = flags.into_iter().chain(quiet).chain([folder.as_str()]).collect();
        let wishes = json!({
            "acceptInsecureCerts": true,
            // a page with server-sent events is never done loading
            "pageLoadStrategy": "none",
            "goog:chromeOptions": {
                "args": flags,
                "prefs": { "download.default_directory": profile.path().join(DOWNLOADS) },
            },
        });
        let wishes = wishes.as_object().context("wishes")?;
        let client = Client::with_capabilities_and_connector(&address, wishes, HttpConnector::new()).await?;
        let visitor = Self { client, pictures, driver, profile };
        visitor.sits_at(SIZE).await?;
        Ok(visitor)
    }

    /// The page gets exactly this much room, whatever the browser keeps for itself.
    pub async fn sits_at(&self, size: [u64; 2]) -> Result<()> {
        let mut outer = size;
        until("the page has its size", SOON, async || {
            let [width, height] = outer;
            self.client.set_window_size(u32::try_from(width)?, u32::try_from(height)?).await?;
            let inner = self.ask("return [innerWidth, innerHeight, outerWidth, outerHeight]", Vec::new()).await?;
            let of = |index: usize| inner[index].as_u64().unwrap_or(0);
            outer = [size[0] + of(2).saturating_sub(of(0)), size[1] + of(3).saturating_sub(of(1))];
            Ok(([of(0), of(1)] == size).then_some(()))
        })
        .await
    }

    /// Opens an address.
    pub async fn open(&self, address: &str) -> Result<()> {
        Ok(self.client.goto(address).await?)
    }

    /// Asks the page.
    async fn ask(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        self.client.execute(script, arguments).await.with_context(|| script.to_owned())
    }

    /// The words of an element as they are shown; `None` while it is not shown.
    async fn words(&self, element: &str) -> Result<Option<String>> {
        let script = "const e = document.querySelector(arguments[0]); return e?.checkVisibility() ? e.innerText : null";
        // a page that is just being replaced answers nothing: look again
        let words = self.ask(script, vec![json!(element)]).await.unwrap_or_default();
        Ok(words.as_str().map(str::to_owned))
    }

    /// Waits until an element shows these words.
    pub async fn sees(&self, element: &str, words: &str) -> Result<()> {
        let seen = until(words, SOON, async || {
            Ok(self.words(element).await?.is_some_and(|shown| shown.contains(words)).then_some(()))
        });
        match seen.await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.picture("failed").await?;
                Err(error.context(format!("{element} shows {:?}", self.words(element).await?)))
            }
        }
    }

    /// Waits until an element's attribute is this.
    pub async fn finds(&self, element: &str, attribute: &str, value: &str) -> Result<()> {
        let script = "return document.querySelector(arguments[0])?.getAttribute(arguments[1]) ?? null";
        let what = format!("{element} has {attribute}={value}");
        let found = until(&what, SOON, async || {
            let is = self.ask(script, vec![json!(element), json!(attribute)]).await.unwrap_or_default();
            Ok((is.as_str() == Some(value)).then_some(()))
        });
        if let Err(error) = found.await {
            self.picture("failed").await?;
            return Err(error);
        }
        Ok(())
    }

    /// Presses what is shown and can be pressed, once it is.
    pub async fn presses(&self, element: &str) -> Result<()> {
        // Within a frame that is drawn smaller the driver misses: the element is pressed by the page itself.
        let script = "const e = document.querySelector(arguments[0]);
            if (!e?.checkVisibility() || e.disabled || e.closest('[inert]')) return false; e.click(); return true";
        let what = format!("{element} can be pressed");
        let pressed = until(&what, SOON, async || {
            let pressed = self.ask(script, vec![json!(element)]).await.unwrap_or_default();
            Ok((pressed == json!(true)).then_some(()))
        });
        if let Err(error) = pressed.await {
            self.picture("failed").await?;
            return Err(error);
        }
        Ok(())
    }

    /// Writes into a field that is shown, instead of what stands there.
    pub async fn writes(&self, element: &str, words: &str) -> Result<()> {
        self.sees(element, "").await?;
        let field = self.client.find(Locator::Css(element)).await?;
        field.clear().await?;
        Ok(field.send_keys(words).await?)
    }

    /// Types where the cursor is.
    pub async fn types(&self, keys: &str) -> Result<()> {
        Ok(self.client.active_element().await?.send_keys(keys).await?)
    }

    /// Waits until an element is gone.
    pub async fn misses(&self, element: &str) -> Result<()> {
        let what = format!("{element} is gone");
        let gone = until(&what, SOON, async || {
            let there = self.ask("return document.querySelector(arguments[0]) !== null", vec![json!(element)]).await;
            Ok((there.unwrap_or_default() == json!(false)).then_some(()))
        });
        if let Err(error) = gone.await {
            self.picture("failed").await?;
            return Err(error);
        }
        Ok(())
    }

    /// Waits until an element is not shown any more, at most so long.
    pub async fn loses(&self, element: &str, within: Duration) -> Result<()> {
        let what = format!("{element} is not shown");
        let lost = until(&what, within, async || Ok(self.words(element).await?.is_none().then_some(())));
        if let Err(error) = lost.await {
            self.picture("failed").await?;
            return Err(error);
        }
        Ok(())
    }

    /// Brings an element to the top of what is seen.
    pub async fn looks_at(&self, element: &str) -> Result<()> {
        let script = "document.querySelector(arguments[0]).scrollIntoView({ block: 'start' })";
        self.ask(script, vec![json!(element)]).await.map(drop)
    }

    /// The page reads nothing of what its server tells, or reads it again.
    pub async fn goes_deaf(&self, deaf: bool) -> Result<()> {
        let script = "window.heard ??= JSON.parse;
            JSON.parse = arguments[0] ? () => { throw new Error('deaf'); } : window.heard";
        self.ask(script, vec![json!(deaf)]).await.map(drop)
    }

    /// From now on the page notes when it asks for addresses that begin so.
    pub async fn watches(&self, path: &str) -> Result<()> {
        let script = "const [path] = arguments, real = window.fetch, asked = { at_ms: [], open: 0, most_at_once: 0 };
            window.asked = asked;
            window.fetch = async (...what) => {
                if (!String(what[0]).startsWith(path)) return real(...what);
                asked.at_ms.push(Math.floor(performance.now()));
                asked.most_at_once = Math.max(asked.most_at_once, ++asked.open);
                try { return await real(...what); } finally { asked.open -= 1; }
            }";
        self.ask(script, vec![json!(path)]).await.map(drop)
    }

    /// What it has noted.
    pub async fn asked(&self) -> Result<Asked> {
        Ok(serde_json::from_value(self.ask("return window.asked", Vec::new()).await?)?)
    }

    /// The page posts nothing to an address, and waits for the answer.
    pub async fn posts(&self, path: &str) -> Result<()> {
        let script = "const done = arguments[1];
            fetch(arguments[0], { method: 'POST', headers: { 'x-requested-with': 'console' } }).finally(done)";
        self.client.execute_async(script, vec![json!(path)]).await.map(drop).context(script)
    }

    /// The file that was downloaded, once it is whole; there must not have been one before.
    pub async fn downloaded(&self) -> Result<PathBuf> {
        let folder = self.profile.path().join(DOWNLOADS);
        until("the file is downloaded", SOON, async || {
            let Ok(files) = std::fs::read_dir(&folder) else { return Ok(None) };
            let mut paths = files.flatten().map(|file| file.path());
            Ok(paths.find(|path| path.extension().is_some_and(|kind| kind != "crdownload" && kind != "tmp")))
        })
        .await
    }

    /// Chooses an option by its value.
    pub async fn chooses(&self, element: &str, value: &str) -> Result<()> {
        Ok(self.client.find(Locator::Css(element)).await?.select_by_value(value).await?)
    }

    /// Looks at the screen in a frame, and at the page again afterwards.
    pub async fn within<T>(&self, frame: &str, look: impl AsyncFnOnce() -> Result<T>) -> Result<T> {
        self.client.find(Locator::Css(frame)).await?.enter_frame().await?;
        let seen = look().await;
        self.client.enter_parent_frame().await?;
        seen.with_context(|| frame.to_owned())
    }

    /// Takes a picture of what is seen now.
    pub async fn picture(&self, name: &str) -> Result<()> {
        let png = self.client.screenshot().await?;
        Ok(std::fs::write(self.pictures.join(format!("{name}.png")), png)?)
    }

    /// Whether anything on the page is wider than what is seen of it.
    pub async fn is_as_wide_as_seen(&self) -> Result<()> {
        let script = "return [document.documentElement.scrollWidth, innerWidth]";
        let wide = self.ask(script, Vec::new()).await?;
        ensure!(wide[0] == wide[1], "the page is too wide: {wide}");
        Ok(())
    }

    /// Whether anything on the page is wider than the page.
    pub async fn fits(&self) -> Result<()> {
        let script = "const wide = document.documentElement.scrollWidth, high = document.documentElement.scrollHeight;
            return [wide - innerWidth, high - innerHeight]";
        let over = self.ask(script, Vec::new()).await?;
        ensure!(over[0].as_i64() == Some(0) && over[1].as_i64() == Some(0), "the page overflows by {over}");
        Ok(())
    }

    /// Closes the browser.
    pub async fn goes(self) -> Result<()> {
        match self.client.clone().close().await {
            Ok(()) => Ok(()),
            Err(error) => bail!("the browser does not close: {error}"),
        }
    }
}
