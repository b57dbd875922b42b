// The live state: one event stream, told again as a call on each change.
// Invariant: a page never shows an old state as if it were live; after 12 s of silence it says so; where the hub no longer
// knows who is there, its login is shown.
import { isKnown, lang, t } from "./texts.js";
import { byId } from "./dom.js";

const SILENCE_MS = 12_000;
const AGAIN_MS = 2000;
let heardAt = performance.now();
let source = null;
let retry;

/** Calls `show(state, previous)` for each state. */
export function listen(show) {
  let previous = null;
  const open = () => {
    clearTimeout(retry);
    source?.close();
    const own = new EventSource("/events");
    source = own;
    own.addEventListener("state", (event) => {
      heardAt = performance.now();
      const state = JSON.parse(event.data);
      setLost(false);
      show(state, previous);
      previous = state;
    });
    own.addEventListener("error", () => {
      setLost(true);
      if (own !== source || own.readyState !== EventSource.CLOSED) return;
      clearTimeout(retry);
      retry = setTimeout(open, AGAIN_MS);
      showLoginIfAsked();
    });
  };
  open();
  setInterval(() => {
    if (performance.now() - heardAt < SILENCE_MS) return;
    setLost(true);
    // A half-dead connection does not report an error by itself.
    heardAt = performance.now();
    open();
  }, 1000);
}

/** A stream that is refused does not say why; the same question does. */
async function showLoginIfAsked() {
  const answer = await fetch("/api/state").catch(() => null);
  if (answer?.status !== 401) return;
  const { code } = parsed(await answer.text().catch(() => "")) ?? {};
  if (code === "hub.login") location.replace(`/?lang=${lang}`);
}

/** Seconds since the last state came. */
export function secondsSinceState() {
  return (performance.now() - heardAt) / 1000;
}

function setLost(lost) {
  const notice = byId("lost");
  notice.textContent = lost ? t("status-screen-lost") : "";
  notice.hidden = !lost;
  document.body.classList.toggle("is-lost", lost);
}

/** Posts JSON. Answers `{ok, body}`; shows why not, and answers `{ok: false, code}`, otherwise. `sent` is false if nothing is known. */
export async function post(address, body, explain) {
  let answer;
  try {
    answer = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
  } catch {
    notice(t("notice-failed"));
    return { ok: false, known: false };
  }
  const text = await answer.text().catch(() => "");
  const read = parsed(text);
  if (answer.ok) {
    notice("");
    return { ok: true, known: true, body: read };
  }
  if (read?.code) {
    notice(saidBy(read, explain(read.code, read.args ?? {})));
    return { ok: false, known: true, code: read.code };
  }
  notice(t("notice-failed"));
  return { ok: false, known: false };
}

/** Why not: in this page's words, or, for a code that it has no words for, in those of the answer. */
function saidBy({ code, error }, words) {
  return isKnown(code) ? words : (error?.[`message_${lang}`] ?? words);
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Shows a sentence at the foot of the page until the next one or for ten seconds; empty takes it away. */
export function notice(sentence) {
  const node = byId("notice");
  node.onclick = () => notice("");
  node.textContent = sentence;
  node.hidden = sentence === "";
  clearTimeout(notice.timer);
  if (sentence !== "") notice.timer = setTimeout(() => notice(""), 10_000);
}

/** A new idempotency key: 32 hexadecimal digits. */
export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
