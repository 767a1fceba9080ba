// Labelling: one task at a time, by keys. Answers wait in this browser until the platform has stored them, tasks are
// loaded ahead, and the last answers can be undone. Without this script each form still works.
"use strict";

const MAX_AHEAD = 20;
const AHEAD_SHARE = 5; // of the remaining tasks one in so many is loaded ahead
const MAX_AGE_MS = 8 * 60 * 1000; // a claim reserves a task for ten minutes
const MAX_UNDO = 20;
const MAX_HELD = 90; // a claim names at most 100 tasks that are in work
const RETRY_MS = 2000;
const MAX_KEPT_ALIVE = 60_000;
const SUMMARY_MS = 60 * 1000;

const form = () => live.querySelector("[data-answers]");
const shownTask = () => live.querySelector("[data-review]")?.dataset.review || "";
const page = document.getElementById("labelling");
const session = page.dataset;

// Answers that are not stored yet, one entry each, so that two tabs do not overwrite each other's.
const outbox = {
  prefix: `ratoon.answers:${session.session}:`,
  memory: new Map(),
  store() {
    try {
      return window.localStorage;
    } catch {
      return null;
    }
  },
  keys() {
    const stored = this.store() ? Object.keys(localStorage).filter((key) => key.startsWith(this.prefix)) : [];
    return [...stored, ...this.memory.keys()].sort();
  },
  get(key) {
    const text = this.memory.get(key) ?? localStorage.getItem(key);
    return text === null || text === undefined ? null : JSON.parse(text);
  },
  add(entry) {
    const key = `${this.prefix}${String(Date.now()).padStart(15, "0")}-${String(this.count++).padStart(6, "0")}`;
    try {
      localStorage.setItem(key, JSON.stringify(entry));
    } catch {
      this.memory.set(key, JSON.stringify(entry));
    }
  },
  remove(key) {
    this.memory.delete(key);
    if (this.store()) localStorage.removeItem(key);
  },
  count: 0,
};

let ahead = [];
let history = [];
let pumping = false;
let retry = 0;
let exhausted = false;
let answered = 0;
let summarized = 0;
let sending = "";
let claimed = []; // IDs of tasks that came with answers and are not loaded yet

class Stopped extends Error {}

async function send(entry) {
  const body = new URLSearchParams(entry.fields);
  body.set("form_key", page.querySelector("[name=form_key]").value || "");
  const held = [...inWork()];
  if (!exhausted && ahead.length + claimed.length <= depth() && held.length <= MAX_HELD) {
    body.set("in_work", held.join(","));
    body.set("reason", new URLSearchParams(location.search).get("reason") || "");
  }
  const keepalive = body.toString().length < MAX_KEPT_ALIVE; // a browser refuses more
  const response = await fetch(entry.action, { method: "POST", body, headers: { accept: "application/json" }, keepalive });
  const type = response.headers.get("content-type") || "";
  const answer = type.startsWith("application/json") ? await response.json() : {};
  const said = answer.message || "";
  if (response.status === 401) throw new Stopped(said || "Log in again.");
  if (response.status >= 500 || response.status === 429 || !type.startsWith("application/json")) throw new TypeError("away");
  if (response.ok && answer.nextTask) claimed.push(answer.nextTask);
  return response.ok ? "" : said;
}

// IDs of the tasks that this page holds.
function inWork() {
  const names = [shownTask(), ...ahead.map((each) => each.name)];
  for (const key of outbox.keys()) names.push(outbox.get(key)?.fields.name || "");
  return new Set([...names.filter(Boolean).map((name) => name.split("/").pop()), ...claimed]);
}

async function load() {
  const query = new URLSearchParams(location.search);
  query.delete("last");
  const next = claimed.shift();
  if (next) query.set("task", next);
  for (const id of inWork()) query.append("in-work", id);
  const response = await fetch(`${location.pathname}?${query}`, { headers: { accept: "text/html" } });
  if (response.redirected || response.status === 401) throw new Stopped("Log in again.");
  if (response.status >= 500 || response.status === 429) throw new TypeError("away");
  const found = new DOMParser().parseFromString(await response.text(), "text/html");
  const box = found.getElementById("live");
  if (!response.ok || !box) throw new Stopped(found.querySelector(".notice.bad")?.textContent || "The request was refused.");
  const name = box.querySelector("[data-review]")?.dataset.review || "";
  const left = Number(box.querySelector("[data-remaining]")?.dataset.remaining || 0) - outbox.keys().length;
  return { name, nodes: [...box.childNodes], time: Date.now(), left };
}

const remaining = () => Number(live.querySelector("[data-remaining]")?.dataset.remaining || 0);
const depth = () => Math.max(1, Math.min(MAX_AHEAD, Math.floor(remaining() / AHEAD_SHARE)));

// One at a time: first what waits to be stored, in its order, then what is to be shown next.
async function pump() {
  if (pumping) return;
  pumping = true;
  clearTimeout(retry);
  try {
    for (;;) {
      const [key] = outbox.keys();
      const entry = key ? outbox.get(key) : null;
      if (key && !entry) outbox.remove(key);
      else if (entry) {
        sending = key;
        const refusal = await send(entry);
        outbox.remove(key);
        if (refusal) refused(entry, refusal);
        online();
      } else if (!exhausted && (ahead.length < depth() || !shownTask())) {
        const next = await load();
        online();
        if (!next.name) exhausted = true;
        if (!shownTask()) show(next, next.left);
        else if (next.name) ahead.push(next);
      } else break;
    }
  } catch (error) {
    if (error instanceof Stopped) notify(`${error.message}${kept()}`);
    else {
      offline();
      retry = setTimeout(pump, RETRY_MS);
    }
  } finally {
    sending = "";
    pumping = false;
  }
}

function kept() {
  const count = outbox.keys().length;
  return count ? ` ${count} answer${count === 1 ? " waits" : "s wait"} in this browser and will be sent when Ratoon takes them.` : "";
}

function offline() {
  const line = document.getElementById("away");
  if (line.hidden) announce("Ratoon is not responding. Your answers wait in this browser.");
  line.textContent = `Ratoon is not responding.${kept()}`;
  line.hidden = false;
  if (!shownTask()) waiting();
}

function online() {
  document.getElementById("away").hidden = true;
}

function refused(entry, message) {
  const given = entry.fields.label || entry.fields.text || "";
  notify(`An answer was not stored${given ? ` (${given.slice(0, 64)})` : ""}: ${message}`);
}

function waiting() {
  exhausted = false;
  const line = document.createElement("p");
  line.className = "dim";
  line.textContent = "Waiting for the next record …";
  live.replaceChildren(line);
}

function show(next, left = 0) {
  live.replaceChildren(...next.nodes);
  const line = live.querySelector("[data-remaining]");
  if (line && left) setRemaining(line, Math.max(Math.min(left, remaining()), 1));
  prepare();
  const first = live.querySelector("[data-first]:not([disabled])");
  (first || document.getElementById("text") || document.getElementById("main")).focus({ preventScroll: true });
  announce(live.querySelector(".progress span")?.textContent || "The queue is empty.");
}

// Makes what is shown ready for use: it has the state that only this page knows.
function prepare() {
  const undo = live.querySelector("[data-undo]");
  if (undo && history.length) undo.hidden = undo.closest("form").hidden = false;
  const count = live.querySelector("[data-answered]");
  if (count) count.textContent = answered ? `${answered.toLocaleString("en")} answered since this page was opened` : "";
  live.spans = window.spansOf?.(live) || window.boxesOf?.(live) || null;
}

function showNext() {
  const now = Date.now();
  ahead = ahead.filter((each) => now - each.time < MAX_AGE_MS);
  const next = ahead.shift();
  if (next) show(next, remaining() - 1);
  else waiting();
}

function setRemaining(line, count) {
  line.dataset.remaining = count;
  line.textContent = `${count.toLocaleString("en")} remaining`;
}

document.addEventListener("submit", (event) => {
  if (!("answers" in event.target.dataset) || event.defaultPrevented) return;
  event.preventDefault();
  const fields = Object.fromEntries(new FormData(event.target));
  if (event.submitter?.name) fields[event.submitter.name] = event.submitter.value;
  const lacking = lack(event.target, fields);
  if (lacking) return notify(lacking);
  for (const name of ["form_key", "back"]) delete fields[name];
  fields.request_id = crypto.randomUUID ? crypto.randomUUID() : `${Date.now()}-${Math.random()}`;
  outbox.add({ action: event.target.getAttribute("action"), fields });
  if (event.target.dataset.answers === "undo") {
    history.push({ name: fields.name, nodes: [...live.childNodes], remaining: remaining() });
    history = history.slice(-MAX_UNDO);
  }
  answered += 1;
  document.getElementById("notice").replaceChildren();
  showNext();
  pump();
  ownWork();
});

// An answer that the platform would refuse does not leave the page.
function lack(target, fields) {
  if (fields.decision === "FIX" && !(fields.label || "").trim()) return "Enter the right answer first.";
  if (fields.decision === "SEND_BACK" && !(fields.comment || "").trim()) return "Say in the comment why the annotators should answer again.";
  if (fields.skip || fields.keep || fields.decision) return "";
  const scales = target.querySelectorAll("[data-scale]");
  if ([...scales].some((each) => !each.querySelector(":checked"))) return "Rate each scale, or skip the task.";
  if (fields.entry === "classify" && !Object.keys(fields).some((key) => key.startsWith("choice-"))) return "Select a label, or skip the task.";
  if (["generate", "regress"].includes(fields.entry) && !(fields.text || "").trim()) return "The answer is empty. Enter one, or skip the task.";
  return "";
}

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-undo]") || !history.length) return;
  event.preventDefault();
  undo();
});

function undo() {
  const last = history.pop();
  const unsent = outbox.keys().find((key) => key !== sending && outbox.get(key)?.fields.name === last.name);
  if (unsent) outbox.remove(unsent);
  else outbox.add({ action: `/p/${session.project}/do/withdraw-answer`, fields: { name: last.name, queue: session.queue } });
  if (shownTask()) ahead.unshift({ name: shownTask(), nodes: [...live.childNodes], time: Date.now() });
  answered = Math.max(0, answered - 1);
  exhausted = false;
  show(last);
  announce("The last answer is withdrawn.");
  pump();
}

// Keys: a number answers, k keeps what is proposed, s skips, u undoes. Where the answer is entered, e goes into the
// field, Ctrl+Enter saves, Escape leaves it.
document.addEventListener("keydown", (event) => {
  const target = form();
  const field = document.getElementById("entry");
  if (target && field && inEntry(event, target, field)) return event.preventDefault();
  const inText = target && !event.ctrlKey && !event.metaKey && !event.target.matches("input, textarea, select");
  if (inText && live.spans?.key(event)) return event.preventDefault();
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (!target) return void (event.key === "u" && history.length && undo()); // the next record is not there yet
  if (event.target.matches("input:not([type=checkbox], [type=radio]), textarea, select")) return;
  if (event.key === "Enter" && event.target.matches("input, button, a, summary")) return;
  if (rate(event, target)) return event.preventDefault();
  if (event.key === "u") return live.querySelector("[data-undo]")?.click();
  const keeps = (event.key === "Enter" && event.target.id === "text") || event.key === "k" ? target.dataset.keeps : "";
  const button = keeps
    ? [...target.querySelectorAll("button[name=label]")].find((each) => each.value === keeps)
    : target.querySelector(`[data-key="${CSS.escape(event.key.toLowerCase())}"]`);
  if (button && !button.disabled) {
    event.preventDefault();
    button.click();
  }
});

function inEntry(event, target, field) {
  const inside = event.target === field;
  if (inside && event.key === "Enter" && (event.ctrlKey || event.metaKey)) target.requestSubmit(target.querySelector("[name=save]"));
  else if (inside && event.key === "Escape") (document.getElementById("text") || target).focus();
  else if (!inside && event.key === "e" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.matches("input, textarea")) field.focus();
  else return false;
  return true;
}

// A number rates the scale that has the focus, else the first one without a rating.
function rate(event, target) {
  const scales = [...target.querySelectorAll("[data-scale]")];
  const scale = event.target.closest("[data-scale]") || scales.find((each) => !each.querySelector(":checked"));
  const choice = scale && /^[1-5]$/.test(event.key) ? scale.querySelector(`[value="${event.key}"]`) : null;
  if (!choice || choice.disabled) return false;
  choice.checked = true;
  return true;
}

// The annotator's own part of the summary of the queue; it is read once a minute, because it reads all answers.
async function ownWork() {
  const place = document.getElementById("own");
  if (!place || Date.now() - summarized < SUMMARY_MS) return;
  summarized = Date.now();
  try {
    const response = await fetch(place.dataset.address);
    const found = new DOMParser().parseFromString(await response.text(), "text/html").querySelector("#live > *");
    if (response.ok && found) place.replaceChildren(found);
  } catch {
    // The next answers ask again.
  }
}

window.addEventListener("online", pump);
const unsent = new Set(outbox.keys().map((key) => outbox.get(key)?.fields.name));
if (unsent.has(shownTask())) waiting();
prepare();
// A key that may not answer is shown the same task again: nothing is loaded ahead for it.
if (unsent.size || form()?.querySelector("button:not(:disabled)")) pump();
ownWork();
