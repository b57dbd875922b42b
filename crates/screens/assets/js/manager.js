// The manager's page of a box: log in with number and PIN, then prices, sold-out and stock; works without the hub.
import { start } from "./page.js";
import { byId } from "./dom.js";
import { reason, t } from "./texts.js";
import { notice, post } from "./live.js";
import { editor, forget, show } from "./documents.js";

let last = "";

function loggedIn(session, name) {
  editor.session = session;
  byId("login").hidden = session !== "";
  byId("work").hidden = session === "";
  byId("who").textContent = session === "" ? "" : name;
  // what somebody else has typed is nobody's to save
  if (session !== "" && name !== last) forget();
  if (session !== "") last = name;
  if (session !== "") show("catalogue");
}

editor.onRefused = (code) => {
  if (code === "manager.session") loggedIn("", "");
};

async function logIn(event) {
  event.preventDefault();
  const [number, pin] = [byId("number"), byId("pin")];
  const button = event.target.querySelector("button");
  button.disabled = true;
  const { ok, body } = await post("/api/manager/login", { number: Number(number.value), pin: pin.value }, reason);
  button.disabled = false;
  pin.value = "";
  if (ok) loggedIn(body.session, body.name ?? "");
}

async function logOut() {
  await post("/api/manager/logout", { session: editor.session }, reason);
  loggedIn("", "");
  notice(t("manager-logged-out"));
}

start(
  () => {
    if (editor.session !== "") show("catalogue");
  },
  () => {
    byId("login").addEventListener("submit", logIn);
    byId("logout").addEventListener("click", logOut);
  },
);
