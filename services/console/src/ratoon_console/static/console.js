// What a page does beyond links and forms: it stays true while it is open, forms ask before what cannot be taken
// back, the playground streams. Without it every page and form still works, except the playground.
"use strict";

const spoken = document.getElementById("spoken");
const live = document.getElementById("live");

function announce(text) {
  if (spoken && text && spoken.textContent !== text) spoken.textContent = text;
}

// Makes `now` look like `target`, touching only what differs: focus, open details and reading places stay.
function morph(now, target) {
  const before = [...now.childNodes];
  const after = [...target.childNodes];
  after.forEach((node, place) => {
    const old = before[place];
    if (!old) now.appendChild(node.cloneNode(true));
    else if (old.nodeType !== node.nodeType || old.nodeName !== node.nodeName || (old.id || "") !== (node.id || ""))
      now.replaceChild(node.cloneNode(true), old);
    else if (node.nodeType !== Node.ELEMENT_NODE) {
      if (old.nodeValue !== node.nodeValue) old.nodeValue = node.nodeValue;
    } else {
      sameAttributes(old, node);
      morph(old, node);
    }
  });
  before.slice(after.length).forEach((node) => node.remove());
}

const PEOPLES_OWN = { DETAILS: ["open"], INPUT: ["checked"], OPTION: ["selected"] };

function sameAttributes(now, target) {
  const own = PEOPLES_OWN[now.nodeName] || [];
  for (const { name } of [...now.attributes])
    if (!target.hasAttribute(name) && !own.includes(name)) now.removeAttribute(name);
  for (const { name, value } of target.attributes)
    if (now.getAttribute(name) !== value && !own.includes(name)) now.setAttribute(name, value);
}

function show(html) {
  const box = document.createElement("div");
  box.innerHTML = html;
  morph(live, box);
}

// One stream a page, closed while nobody looks.
let stream = null;
function follow() {
  if (stream || !live || !("live" in live.dataset) || document.hidden) return;
  const away = document.getElementById("away");
  stream = new EventSource(location.pathname + location.search);
  stream.addEventListener("live", (event) => {
    const view = JSON.parse(event.data);
    away.hidden = true;
    show(view.html);
    announce(view.spoken);
    document.documentElement.dataset.followed = "yes";
  });
  stream.addEventListener("away", () => (away.hidden = false));
  stream.addEventListener("still", () => {
    delete live.dataset.live;
    rest();
  });
  stream.addEventListener("over", () => location.reload());
  stream.onerror = () => (away.hidden = false);
}
function rest() {
  if (stream) stream.close();
  stream = null;
}
document.addEventListener("visibilitychange", () => (document.hidden ? rest() : follow()));
window.addEventListener("pagehide", rest);
window.addEventListener("pageshow", follow);

document.addEventListener("submit", (event) => {
  const question = event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// Comparing needs two choices or more; the form says so instead of showing an empty page.
document.addEventListener("submit", (event) => {
  if (!("compare" in event.target.dataset)) return;
  if (event.target.querySelectorAll("input:checked").length < 2) {
    event.preventDefault();
    notify("Select at least two items to compare.");
  }
});

function notify(text) {
  const box = document.getElementById("notice");
  const line = document.createElement("p");
  line.className = "notice";
  line.textContent = text;
  box.replaceChildren(line);
}

// The playground.
const asking = document.querySelector("[data-ask]");
if (asking) {
  const output = document.querySelector("[data-answer]");
  const both = [document.querySelector("[data-first]"), document.querySelector("[data-second]")];
  const version = document.querySelector("[data-version]");
  const took = document.querySelector("[data-took]");
  const judge = document.querySelector("[data-judge]");
  const compare = document.querySelector("[data-compare]");
  const stop = asking.querySelector("[data-stop]");
  let open = null;
  let pair = [];

  asking.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (open) open.abort();
    open = new AbortController();
    const mine = open;
    const twice = event.submitter?.name === "twice";
    const outputs = twice ? both : [output];
    for (const each of [output, ...both]) each.textContent = "";
    took.textContent = "";
    version.textContent = "Waiting for the first token …";
    judge.hidden = true;
    compare.hidden = !twice;
    compare.querySelector("form").hidden = true;
    pair = [];
    stop.disabled = false;
    const body = new URLSearchParams(new FormData(asking, event.submitter));
    try {
      for (const each of outputs) await ask(each, body, mine.signal);
      if (twice && pair.length === 2) compare.querySelector("form").hidden = false;
    } catch (error) {
      if (error.name === "AbortError") took.textContent = "Stopped.";
      else version.textContent = error.message;
    } finally {
      if (open === mine) {
        open = null;
        stop.disabled = true;
      }
    }
  });

  async function ask(shown, body, signal) {
    const began = performance.now();
    shown.setAttribute("aria-busy", "true");
    try {
      const response = await fetch(asking.action, { method: "POST", body, signal });
      if (!(response.headers.get("content-type") || "").startsWith("text/event-stream"))
        throw new Error("The request was refused. Reload the page and try again.");
      for await (const [kind, data] of eventsOf(response.body)) onEvent(shown, kind, data.text, began);
    } finally {
      shown.setAttribute("aria-busy", "false");
    }
  }

  function onEvent(shown, kind, text, began) {
    if (kind === "version") version.textContent = `Answer from ${text}`;
    if (kind === "text") shown.textContent += text;
    if (kind === "error") {
      version.textContent = text;
      announce(text);
    }
    if (kind === "end" && text) {
      took.textContent = `${((performance.now() - began) / 1000).toFixed(1)} s; answer ID ${text}`;
      if (shown === output) judged(text);
      else pair.push(text);
      announce(`${version.textContent}: ${shown.textContent}`);
    }
  }

  function judged(answerId) {
    judge.hidden = false;
    judge.querySelector("[name=answer_id]").value = answerId;
    const rewrite = judge.querySelector("[data-rewrite]");
    if (rewrite) rewrite.value = output.textContent;
  }

  stop.addEventListener("click", () => open && open.abort());
  compare.querySelector("[data-skip]").addEventListener("click", () => (compare.hidden = true));

  for (const form of document.querySelectorAll("[data-feedback]"))
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const body = new URLSearchParams(new FormData(form, event.submitter));
      const better = body.get("better");
      if (better) {
        const [chosen, other] = better === "first" ? pair : [...pair].reverse();
        body.set("answer_id", chosen);
        body.set("rejected_answer_id", other);
      }
      const choices = [...body.keys()].filter((key) => key.startsWith("choice-"));
      if (body.get("corrected") && !(body.get("correction") || "").trim() && !choices.length)
        return notify("Enter the correct answer first.");
      if (!body.get("corrected")) for (const key of ["correction", ...choices]) body.delete(key);
      if (body.get("measured") && !((body.get("outcome") || "").trim() && (body.get("value") || "").trim()))
        return notify("Enter the name of the outcome and its number first.");
      if (!body.get("measured")) for (const key of ["outcome", "value"]) body.delete(key);
      if (body.get("commented") && !(body.get("comment") || "").trim()) return notify("Enter the comment first.");
      const response = await fetch(form.action, { method: "POST", body });
      const page = new DOMParser().parseFromString(await response.text(), "text/html");
      const notice = page.querySelector(response.ok ? "#notice" : ".notice.bad");
      notify(notice?.textContent.trim() || "Your feedback could not be stored. Try again.");
      // An outcome stands beside what is said of the answer.
      if (response.ok && !body.get("measured")) form.closest("[role=group]").hidden = true;
    });
}

async function* eventsOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const kind = /^event: (.*)$/m.exec(block);
      const data = /^data: (.*)$/m.exec(block);
      if (kind && data) yield [kind[1], JSON.parse(data[1])];
    }
  }
}

// Beside the pointer on a chart: the row of its table that is nearest, as the chart says it.
function nearestRow(figure, share) {
  const rows = [...figure.querySelectorAll(".numbers tbody tr")];
  const numbers = rows.map((row) => Number(/-?[\d.,]+/.exec(row.cells[0].textContent)?.[0].replaceAll(",", "") ?? NaN));
  const first = numbers[0];
  const last = numbers[numbers.length - 1];
  if (!numbers.every(Number.isFinite) || first >= last) return rows[Math.round(share * (rows.length - 1))];
  const distances = numbers.map((number) => Math.abs(number - (first + share * (last - first))));
  return rows[distances.indexOf(Math.min(...distances))];
}

function tipOf(figure, share) {
  const names = [...figure.querySelectorAll(".numbers thead th")].map((cell) => cell.textContent);
  const cells = [...(nearestRow(figure, share)?.cells ?? [])].map((cell) => cell.textContent);
  const values = cells.slice(1).map((text, place) => text && `${names[place + 1]} ${text}`);
  return [cells[0], ...values].filter(Boolean).join("\n");
}

document.addEventListener("pointermove", (event) => {
  const plot = event.target.closest?.(".plot svg");
  document.querySelectorAll(".tip").forEach((tip) => tip.parentElement !== plot?.parentElement && tip.remove());
  if (!plot) return;
  const box = plot.getBoundingClientRect();
  const share = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
  const tip = plot.parentElement.querySelector(".tip") || plot.parentElement.appendChild(document.createElement("div"));
  tip.className = share > 0.5 ? "tip left" : "tip";
  tip.setAttribute("aria-hidden", "true"); // the table below says the same
  tip.textContent = tipOf(plot.closest("figure"), share);
  tip.style.left = `${plot.offsetLeft + share * box.width}px`;
});
