// One wristband's money at the hub, and the event's close.
// Invariant: what cannot be undone is pressed twice; a payment keeps its key until it is known to have arrived.
import { start } from "./page.js";
import { byId, h, refill } from "./dom.js";
import { lang, reason, t, tOf } from "./texts.js";
import { clock } from "./clock.js";
import { money } from "./money.js";
import { newId, notice, post } from "./live.js";
import { heldState } from "./risk_view.js";

const CONFIRM_MS = 5000;
let band = "";
let payment = newId();

start(
  () => {},
  () => {
    form("search", (data) => show(data.get("wallet").trim().toLowerCase()));
    form("online", topUp);
    form("unblock", () => act("/api/bands/unblock", { wallet: band }));
    form("look", closing);
    twice("block", () => act("/api/bands/block", { wallet: band }));
    twice("swap", (data) => leave("swap", { to: data.get("to").trim().toLowerCase(), accept_risk: data.has("risk") }));
    twice("refund", (data) => leave("refund", { accept_risk: data.has("risk") }));
    twice("book", bookShares);
    twice("close", () => book("/api/close"));
    twice("expire", () => book("/api/close/expire"));
    const asked = new URLSearchParams(location.search).get("band");
    if (asked) show(asked);
  },
);

async function read(address) {
  const answer = await fetch(address, { signal: AbortSignal.timeout(10_000) }).catch(() => null);
  const body = await answer?.json().catch(() => null);
  if (answer?.ok) return body;
  notice(body?.code ? reason(body.code, body.args ?? {}) : t("notice-failed"));
  return null;
}

async function show(wallet) {
  const of = `/api/wallets/${encodeURIComponent(wallet)}`;
  const view = await read(of);
  if (!view) return;
  band = view.wallet;
  const [lines, leaving] = [await read(`${of}/history`), await read(`${of}/leaving`)];
  byId("band").hidden = false;
  const flags = [
    ["wallet-is-blocked", view.blocked], ["wallet-is-emptied", view.emptied], ["wallet-is-frozen", view.frozen],
    ["wallet-is-overspent", view.overspent], ["wallet-is-suspect", view.suspect], ["wallet-is-disputed", view.disputed],
  ].filter(([, set]) => set);
  refill(
    byId("summary"),
    h("p", {}, h("code", {}, view.wallet)),
    flags.map(([key]) => h("p", { class: "stopped" }, t(key))),
    table([
      [t("console-balance"), view.balance_cents], [t("console-pending-credit"), view.pending_cents],
      [t("wallet-signed"), view.offered_cents], [t("console-in-doubt"), view.in_doubt_cents],
    ]),
    view.free_cents === null ? null : heldWhere(view),
    view.waits ? h("p", { class: "todo" }, tOf("waits", view.waits)) : null,
    leaving ? maySell(leaving) : null,
  );
  refill(byId("history"), history(lines ?? []));
}

function table(rows) {
  return h("table", {}, h("tbody", {}, rows.map(([label, cents]) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, money(cents, lang))))));
}

function heldWhere(view) {
  const line = (label, cents, state) => h("tr", {}, h("th", { scope: "row" }, label), h("td", {}, money(cents, lang)), h("td", {}, state));
  const shares = view.shares.map((share) => line(t("wallet-held-by", { place: `${share.place} (${t("status-box", { number: share.number })})` }), share.held_cents, heldState(share)));
  return h("table", {}, h("tbody", {}, line(t("wallet-free"), view.free_cents, ""), shares));
}

async function bookShares(data) {
  const body = { number: Number(data.get("number")), by: data.get("by").trim() };
  const { ok, body: booked } = await post("/api/escrow/book", data.has("all") ? body : { ...body, wallet: band }, reason);
  if (!ok) return;
  await show(band);
  notice(t("wallet-book-done", { amount: booked.booked_cents, count: booked.accounts }));
}

function maySell(leaving) {
  if (leaving.may_sell.length === 0) return leaving.blocked ? h("p", {}, t("wallet-nobody-sells")) : null;
  const boxes = leaving.may_sell.map((box) => h("li", {}, h("b", {}, box.place), ` ${t("status-box", { number: box.number })}, ${clock(box.last_seen_unix_ms, lang)}`));
  return h("article", { class: "conflict" }, h("h3", {}, t("wallet-may-sell")), h("ul", {}, boxes), h("p", { class: "todo" }, t("wallet-at-risk", { amount: leaving.risk_cents })));
}

function history(lines) {
  if (lines.length === 0) return h("p", {}, t("wallet-no-history"));
  const row = (line) =>
    h(
      "tr",
      { class: line.counts ? "" : "nothing" },
      h("td", {}, clock(line.at_unix_ms, lang)), h("td", {}, tOf("entry", line.what)),
      h("td", {}, line.amount_cents === 0 ? "" : money(line.sign < 0 ? -line.amount_cents : line.amount_cents, lang)),
      h("td", {}, line.place), h("td", {}, h("code", {}, line.entry)),
    );
  return h("table", {}, h("tbody", {}, [...lines].reverse().map(row)));
}

async function topUp(data) {
  const cents = Math.round(Number(data.get("amount").trim().replace(",", ".")) * 100);
  if (!(cents > 0)) return notice(reason("till.amount"));
  const { ok, known, body } = await post(`/api/wallets/${band}/online-top-up`, { amount_cents: cents, key: payment, reference: data.get("reference").trim() }, reason);
  // Not known whether it arrived: pressing again sends the same key.
  if (known) payment = newId();
  if (!ok) return;
  byId("online").reset();
  await show(band);
  notice(body.pending ? t("wallet-topped-up-pending") : t("wallet-topped-up"));
}

async function act(address, body) {
  const { ok } = await post(address, body, reason);
  if (ok) {
    await show(band);
    notice(t("console-done"));
  }
}

async function leave(way, body) {
  const { ok, body: left } = await post(`/api/wallets/${band}/${way}`, body, reason);
  if (!ok) return;
  await show(band);
  notice(left.moved_cents > 0 ? t("wallet-moved", { amount: left.moved_cents }) : left.may_sell.length > 0 ? reason("hub.boxes_may_sell") : reason("hub.nothing_left"));
}

async function closing() {
  const summary = await read("/api/close");
  if (summary) showClosing(summary);
}

async function book(address) {
  const { ok, body } = await post(address, { confirm: true }, reason);
  if (!ok) return;
  showClosing(body);
  notice(t("wallet-booked", { count: body.booked }));
}

function showClosing(summary) {
  refill(
    byId("closing"),
    table([
      [t("wallet-write-off", { count: summary.write_off }), summary.write_off_cents],
      [t("wallet-waiting", { count: summary.waiting }), summary.waiting_cents],
      [t("wallet-left", { count: summary.wallets_left }), summary.left_cents],
      [t("console-pending-credit"), summary.pending_cents],
    ]),
    summary.open_boxes.length > 0 ? h("p", { class: "todo" }, t("wallet-open-boxes", { number: summary.open_boxes.join(", ") })) : null,
    h("button", { type: "button", onclick: () => window.print() }, t("wallet-print")),
  );
}

function form(id, submitted) {
  byId(id).addEventListener("submit", (event) => {
    event.preventDefault();
    submitted(new FormData(event.target));
  });
}

/** A form whose button must be pressed twice. */
function twice(id, submitted) {
  const button = byId(id).querySelector("button");
  const label = button.textContent;
  let armed = null;
  const disarm = () => {
    clearTimeout(armed);
    armed = null;
    button.textContent = label;
    button.classList.remove("armed");
  };
  byId(id).addEventListener("input", disarm);
  form(id, (data) => {
    if (armed === null) {
      button.textContent = t("console-really");
      button.classList.add("armed");
      armed = setTimeout(disarm, CONFIRM_MS);
      return;
    }
    disarm();
    submitted(data);
  });
}
