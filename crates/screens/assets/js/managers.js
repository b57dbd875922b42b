// Managers' keys, below the staff list of the console: whose they are, and their revocation.
// Invariant: what becomes of their edits is said before anything is revoked, and it takes two presses.
import { byId, h, refill } from "./dom.js";
import { reason, t } from "./texts.js";
import { notice, post } from "./live.js";

/** Shows them, or hides the part where another document is shown. */
export async function managers(isStaff) {
  byId("managers").hidden = !isStaff;
  if (!isStaff) return;
  const answer = await fetch("/api/managers").catch(() => null);
  if (!answer?.ok) return notice(t("notice-failed"));
  const list = await answer.json();
  // an open question is not drawn over
  if (byId("manager-keys").querySelector("details[open]")) return;
  refill(byId("manager-keys"), ...(list.length > 0 ? list.map(card) : [h("p", {}, t("managers-none"))]));
}

function card(manager) {
  const name = manager.number === 0 ? manager.name : `${manager.number} ${manager.name}`;
  const edits = manager.confirmed === 0 ? t("managers-no-edits") : t("managers-edits", { count: manager.confirmed, time: manager.last_at_ms });
  const state = manager.revoked ? ["no", t("managers-revoked")] : ["ok", t("managers-in-force")];
  return h("article", { class: "conflict", "data-manager": manager.key, "data-revoked": String(manager.revoked) },
    h("h3", {}, h("verdict-shape", { kind: state[0] }), name),
    h("p", {}, h("b", {}, state[1]), " ", edits),
    manager.number === 0 ? h("p", {}, t("managers-off-list")) : null,
    h("p", {}, h("code", {}, manager.key.slice(0, 16))),
    manager.revoked ? null : revoking(manager));
}

function revoking(manager) {
  const off = manager.number === 0 || !manager.active ? null : h("input", { type: "checkbox", checked: true });
  const form = h("form", {},
    h("ul", { class: "said" },
      h("li", {}, t("managers-stays", { count: manager.confirmed })),
      h("li", {}, t("managers-refused")),
      h("li", {}, t("managers-for-ever"))),
    off === null ? null : h("label", {}, off, h("span", {}, t("managers-off"))),
    h("button", { class: "danger" }, t("managers-revoke")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    const done = await revoke(manager, off?.checked ?? false);
    button.disabled = false;
    if (!done) return;
    form.closest("details").open = false;
    byId("manager-keys").dataset.filled = "";
    await managers(true);
    notice(t("console-done"));
  });
  return h("details", {}, h("summary", {}, t("managers-revoke-ask")), form);
}

/** The key first: whoever is struck off the list and keeps the key could still sign. */
async function revoke(manager, off) {
  const { ok } = await post("/api/managers/revoke", { key: manager.key }, reason);
  if (!ok || !off) return ok;
  const set = { [`member/${manager.number}/active`]: "false" };
  return (await post("/api/documents/edit", { document: "staff", set }, reason)).ok;
}
