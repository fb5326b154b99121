"use strict";
// The reviewer's page. The server renders rows with everything escaped; what this script writes itself is text, never HTML.

const find = (id) => document.getElementById(id);
const told = (name) => document.querySelector(`meta[name="culpa-${name}"]`).content;
const POLL = 3000, AGAIN = 1000; // milliseconds
const KEYS = { k: "keep", d: "drop", r: "relabel", f: "defer", u: "undo", j: "next", n: "next", p: "previous", "?": "help" };
const PAST = { keep: "kept", drop: "dropped", relabel: "relabelled", defer: "deferred" };

let current = null; // the row that is shown
let ahead = new Map(); // rows asked for before they are needed, by what was asked
let stamp = null; // what the store looked like
let working = false; // the page is on its way to another row
let saving = null; // a decision on its way; gives whether it was written
const mine = JSON.parse(sessionStorage.getItem("mine") || "[]"); // my decisions of this session, for undo

class Failure extends Error {
  constructor(code, message) { super(message); this.code = code; }
}

// Asking the server

async function ask(path, options = {}) {
  for (;;) {
    let response;
    try {
      response = await fetch(path, options);
    } catch {
      throw new Failure(0, "The page's server does not answer. Start `culpa review` again and open its address.");
    }
    if (response.status !== 503) {
      if (response.ok) { return response; }
      const said = await response.json().catch(() => ({ message: response.statusText }));
      throw new Failure(response.status, typeof said.message === "string" ? said.message : "this cannot be decided");
    }
    showBusy((await response.json()).message); // a flow holds the store: wait, and ask again
    await new Promise((done) => setTimeout(done, AGAIN));
  }
}

async function send(path, body) {
  const headers = { "Content-Type": "application/json", [told("header")]: told("secret") };
  return ask(path, { method: "POST", headers, body: JSON.stringify(body) });
}

function filters() {
  const given = new URLSearchParams(new FormData(find("filter")));
  for (const [name, value] of [...given]) { if (value === "") { given.delete(name); } }
  return given;
}

function address(row, step) {
  const query = filters();
  if (row !== null) { query.set("row", row); }
  query.set("step", step);
  return `/row?${query}`;
}

async function getRow(row, step) {
  const at = address(row, step);
  const known = ahead.get(at);
  if (known) { return known; }
  return (await ask(at)).json();
}

function prepare(row) { // the rows on both sides
  const wanted = [address(row, 1), address(row, -1)];
  ahead = new Map(wanted.map((at) => [at, ahead.get(at) || ask(at).then((response) => response.json())]));
  for (const [at, promise] of ahead) { promise.catch(() => ahead.delete(at)); }
}

// Showing

function say(text) { find("said").textContent = text; }

function complain(text) {
  find("alert").textContent = text;
  find("alert").hidden = !text;
  find("said").hidden = Boolean(text);
}

function showBusy(text) {
  find("busy").textContent = text ? `Waiting for the store: ${text}` : "";
  find("busy").hidden = !text;
}

function summary(row) {
  const place = row.number ? `${row.number.toLocaleString("en")} of ${row.matching.toLocaleString("en")}` : "not in the filter";
  const suggested = row.suggested_label && row.suggested_label !== row.given_label ? `, suggested ${row.suggested_label}` : "";
  return `Row ${row.row_id}, ${place}: labelled ${row.given_label}${suggested}`;
}

function show(row, before = "") {
  showBusy("");
  complain("");
  const box = find("row");
  box.setAttribute("aria-busy", "false");
  current = row.row_id === null ? null : row;
  if (current === null) {
    const done = document.createElement("p");
    done.textContent = "No row is left in this filter.";
    box.replaceChildren(done);
    say(`${before}No row is left in this filter.`);
    return;
  }
  // Jinja escaped every value of this HTML, and the page's policy lets no script in it run.
  box.replaceChildren(...new DOMParser().parseFromString(row.html, "text/html").body.childNodes);
  say(before + summary(row));
  prepare(row.row_id);
}

async function move(step, before = "", gone = 0) { // gone: rows that have left the filter since the next one was asked for
  const found = { ...await getRow(current === null ? null : current.row_id, step) };
  if (found.number) { found.number -= gone; found.matching -= gone; }
  if (found.row_id === null && current !== null && step > 0) { return wrap(before); }
  if (found.row_id === null && current !== null) { return say(`${before}This is the first row.`); }
  show(found, before);
  window.scrollTo(0, 0);
}

async function wrap(before) { // after the last row come those that were passed over
  const first = await (await ask(address(null, 1))).json();
  if (first.row_id !== null && first.row_id === current.row_id) { return show(first, `${before}This is the last row. `); }
  show(first, `${before}${first.row_id === null ? "" : "From the top: "}`);
}

async function look() { // how far everybody is, and whether somebody decided on this row
  const row = current;
  const at = row === null ? "/state" : `/state?row=${encodeURIComponent(row.row_id)}`;
  const state = await (await ask(at)).json();
  find("bar").value = state.total ? state.decided / state.total : 1;
  const parts = [`${state.decided.toLocaleString("en")} of ${state.total.toLocaleString("en")} decided`];
  parts.push(`${state.must_see_left.toLocaleString("en")} must still be seen`);
  if (state.decided < state.total) { parts.push(`of the rest ${state.precision_left} are expected to be wrong`); }
  if (state.disputed) { parts.push(`people disagree on ${state.disputed.toLocaleString("en")}`); }
  find("counts").textContent = parts.join(" · ");
  showBusy(state.busy || "");
  if (stamp !== null && stamp !== state.stamp) { ahead = new Map(); }
  stamp = state.stamp;
  if (row !== null && row === current && !working && state.last_id !== null && state.last_id !== row.last_id) {
    await reload("Somebody else decided on this row. ");
  }
}

async function reload(before) {
  const row = await (await ask(address(current.row_id, 0))).json();
  show(row, before);
}

// Deciding

function body(row) {
  return { row_id: row.row_id, row_hash: row.row_hash, last_id: row.last_id, by: localStorage.getItem("by") };
}

// The next row is shown while the decision is still on its way; if it cannot be written, the page comes back to its row.
async function decide(decision, newLabel = null, note = null) {
  if (current === null) { return say("There is no row to decide on."); }
  if (!localStorage.getItem("by")) { return askName(() => act(() => decide(decision, newLabel, note))); }
  const row = current;
  if (saving && !(await saving)) { return undefined; } // the decision before failed: its row is shown now
  const sent = send("/decide", { ...body(row), decision, new_label: newLabel, note });
  const left = row.number > 0 && decision !== "defer" && filters().get("state") === "undecided";
  const moved = move(1, "", left ? 1 : 0);
  saving = settle(row, sent, moved, `${row.row_id} ${PAST[decision]}${newLabel === null ? "" : ` as ${newLabel}`}. `);
  return moved;
}

async function settle(row, sent, moved, done) {
  try {
    remember({ row_id: row.row_id, decision_id: (await (await sent).json()).decision_id });
    await moved.catch(() => {});
    say(done + find("said").textContent);
    ahead = new Map(); // what was asked for before the decision was written may count its row
    if (current !== null) { prepare(current.row_id); }
    stampFollows();
    return true;
  } catch (failure) {
    await moved.catch(() => {});
    await explain(failure, row);
    return false;
  } finally {
    saving = null;
  }
}

async function undo() {
  await saving;
  const last = mine[mine.length - 1];
  if (!last) { return say("There is nothing to take back."); }
  const row = await (await ask(address(last.row_id, 0))).json();
  try {
    await send("/undo", { ...body(row), decision_id: last.decision_id });
    mine.pop();
    remember(null);
    current = row;
    stampFollows();
    await reload("Taken back, as before. ");
  } catch (failure) {
    if (failure.code === 409 || failure.code === 422) { mine.pop(); remember(null); }
    await explain(failure, row);
  }
}

async function explain(failure, row) { // somebody was faster, or it cannot be: show the row as it is now
  current = row;
  stampFollows();
  await reload("").catch(() => {});
  complain(failure.message);
}

function remember(decision) {
  if (decision) { mine.push(decision); }
  sessionStorage.setItem("mine", JSON.stringify(mine.slice(-500)));
}

function stampFollows() { stamp = null; setTimeout(() => look().catch(() => {}), 0); }

async function act(work) { // one thing at a time, so that a key pressed twice decides on one row
  if (working) { return; }
  working = true;
  find("row").setAttribute("aria-busy", "true");
  try {
    await work();
  } catch (failure) {
    complain(failure.message);
  } finally {
    working = false;
    find("row").setAttribute("aria-busy", "false");
  }
}

// Dialogs

function askName(after) {
  const dialog = find("name-dialog");
  find("name").value = localStorage.getItem("by") || "";
  dialog.onclose = () => {
    const name = find("name").value.trim();
    if (name) { localStorage.setItem("by", name); showName(); if (after) { after(); } }
  };
  dialog.showModal();
}

function showName() {
  const name = localStorage.getItem("by");
  find("name-button").textContent = name ? `Reviewing as ${name}` : "Your name";
}

function askLabel() {
  if (current === null) { return; }
  const dialog = find("relabel-dialog"), field = find("new-label");
  field.value = current.suggested_label === null ? "" : current.suggested_label;
  find("note").value = "";
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.returnValue !== "ok" || field.value === "") { return; }
    act(() => decide("relabel", field.value, find("note").value || null));
  };
  dialog.showModal();
  field.focus();
}

const ACTIONS = {
  keep: () => act(() => decide("keep")),
  drop: () => act(() => decide("drop")),
  defer: () => act(() => decide("defer")),
  relabel: askLabel,
  undo: () => act(undo),
  next: () => act(() => move(1)),
  previous: () => act(() => move(-1)),
  help: () => find("help-dialog").showModal(),
};

// What people do

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || document.querySelector("dialog[open]")) { return; }
  if (event.target.closest("input, select, textarea") || localStorage.getItem("keys") === "off") { return; }
  if (event.key === "/") {
    event.preventDefault();
    find("filters").open = true;
    find("filter").elements.state.focus();
    return;
  }
  const action = ACTIONS[KEYS[event.key.toLowerCase()]];
  if (action) { event.preventDefault(); action(); }
}

function refilter() {
  const words = [...filters()].map(([name, value]) => `${name.replaceAll("_", " ")} ${value}`).join(", ");
  find("filter-summary").textContent = words;
  ahead = new Map();
  current = null;
  act(() => move(1));
}

function leaveFilter() { // back to the row, where keys decide
  find("filters").open = false;
  find("main").focus();
}

async function answer(event) {
  event.preventDefault();
  const box = find("answer");
  box.textContent = "Asking …";
  try {
    const html = await (await send("/ask", { sql: find("sql").value })).text();
    box.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
  } catch (failure) {
    box.textContent = failure.message;
  }
}

async function unfold(event) {
  const history = event.target;
  if (!history.dataset || !history.dataset.history || !history.open) { return; }
  const html = await (await ask(`/history?row=${encodeURIComponent(history.dataset.history)}`)).text();
  history.lastElementChild.replaceChildren(...new DOMParser().parseFromString(html, "text/html").body.childNodes);
}

document.addEventListener("keydown", onKey);
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) { ACTIONS[button.dataset.do](); }
});
document.addEventListener("toggle", (event) => unfold(event).catch((failure) => complain(failure.message)), true);
find("filter").addEventListener("change", refilter);
find("filter").addEventListener("reset", () => setTimeout(refilter, 0));
find("filter").addEventListener("submit", (event) => { event.preventDefault(); leaveFilter(); });
find("filter").addEventListener("keydown", (event) => { if (event.key === "Escape") { leaveFilter(); } });
find("query").addEventListener("submit", answer);
find("name-button").addEventListener("click", () => askName(null));
find("keys").checked = localStorage.getItem("keys") !== "off";
find("keys").addEventListener("change", (event) => localStorage.setItem("keys", event.target.checked ? "on" : "off"));
if (told("by")) { localStorage.setItem("by", told("by")); }
showName();
if (!localStorage.getItem("by")) { askName(null); }
act(() => move(1)).then(() => { document.documentElement.dataset.ready = "yes"; });
const often = () => look().catch((failure) => complain(failure.message));
often();
setInterval(() => { if (!document.hidden && !working) { often(); } }, POLL);
