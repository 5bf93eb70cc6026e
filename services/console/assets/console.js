// What the console does better with a script: times that stay true, copying, keys, events as they come, progress.
// Everything works without it.
"use strict";

// Times -----------------------------------------------------------------------------------------------------------

function told(seconds) {
  const two = (large, unit, small, smaller) => (small ? `${large} ${unit} ${small} ${smaller}` : `${large} ${unit}`);
  const minutes = Math.floor(seconds / 60), hours = Math.floor(seconds / 3600), days = Math.floor(seconds / 86400);
  if (days) return two(days, "d", hours % 24, "h");
  if (hours) return two(hours, "h", minutes % 60, "min");
  if (minutes) return two(minutes, "min", seconds % 60, "s");
  return `${seconds} s`;
}

function distance(at) {
  const seconds = Math.round((Date.now() - at) / 1000);
  return seconds < 0 ? `in ${told(-seconds)}` : `${told(seconds)} ago`;
}

function tick() {
  for (const ago of document.querySelectorAll("[data-ago]")) {
    const at = Date.parse(ago.closest("time").dateTime);
    if (!Number.isNaN(at)) ago.textContent = distance(at);
  }
}

// Copying ---------------------------------------------------------------------------------------------------------

function prepare(root) {
  if (navigator.clipboard) {
    for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
  }
  for (const button of root.querySelectorAll("[data-live]")) button.hidden = false;
}

async function copy(button) {
  const text = document.getElementById(button.dataset.copy).textContent;
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    button.textContent = "Not allowed";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  const live = event.target.closest("[data-live]");
  if (live) toggle(live);
});

// Keys ------------------------------------------------------------------------------------------------------------

function isTyping(element) {
  return element && (element.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(element.tagName));
}

function step(by) {
  const links = [...document.querySelectorAll("[data-row]")].map((row) => row.querySelector("a")).filter(Boolean);
  if (!links.length) return false;
  const row = document.activeElement.closest("[data-row]");
  const at = row ? links.findIndex((link) => row.contains(link)) : -1;
  if (at < 0 && by < 0) return false;
  links[Math.max(0, Math.min(links.length - 1, at + by))].focus();
  return true;
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (isTyping(document.activeElement)) {
    if (event.key === "Escape") document.activeElement.blur();
    return;
  }
  const inRow = document.activeElement.closest("[data-row]");
  if (event.key === "/") {
    const filter = document.querySelector("[data-filter]");
    if (!filter) return;
    event.preventDefault();
    filter.focus();
    if (filter.select) filter.select();
  } else if (event.key === "j" || (inRow && event.key === "ArrowDown")) {
    if (step(1)) event.preventDefault();
  } else if (event.key === "k" || (inRow && event.key === "ArrowUp")) {
    if (step(-1)) event.preventDefault();
  }
});

// Events as they come ---------------------------------------------------------------------------------------------

const MOST_ROWS = 200;
let source = null;
let fresh = 0;

function toggle(button) {
  const status = document.querySelector("[data-live-told]");
  if (source) {
    source.close();
    source = null;
    button.setAttribute("aria-pressed", "false");
    status.textContent = "";
    return;
  }
  source = new EventSource(button.dataset.live);
  fresh = 0;
  button.setAttribute("aria-pressed", "true");
  status.textContent = "Connecting…";
  source.onopen = () => { status.textContent = `Live, ${fresh} new`; };
  source.onerror = () => {
    // A browser tries again by itself, unless the answer was a refusal or a page to sign in.
    const isOver = source && source.readyState === EventSource.CLOSED;
    status.textContent = isOver ? "Ended: reload the page" : "Connecting again…";
    if (isOver) {
      source = null;
      button.setAttribute("aria-pressed", "false");
    }
  };
  const show = (message) => {
    addRow(JSON.parse(message.data));
    fresh += 1;
    status.textContent = `Live, ${fresh} new`;
  };
  for (const type of button.dataset.liveTypes.trim().split(/\s+/)) source.addEventListener(type, show);
}

function addRow(event) {
  const rows = document.querySelector("[data-live-rows]");
  const row = document.getElementById("event-row").content.firstElementChild.cloneNode(true);
  const [sequence, type, about, account, actor, when] = row.children;
  const object = (event.data && event.data.object) || {};
  const text = (value) => (typeof value === "string" ? value : "");
  sequence.firstElementChild.textContent = event.sequence;
  sequence.firstElementChild.href = `/console/events/${encodeURIComponent(event.sequence)}`;
  type.firstElementChild.textContent = event.type;
  const kind = event.type.split(".")[0];
  if (/^[a-z]+$/.test(kind)) type.firstElementChild.classList.add(`kind-${kind}`);
  const entity = new URLSearchParams({ account: event.account, subject: event.subject });
  about.querySelector("a").textContent = event.subject;
  about.querySelector("a").href = `/console/entity?${entity}`;
  about.querySelector(".name").textContent =
    text(object.reportName) || text(object.cardName) || text(object.name) || text(object.merchant);
  account.firstElementChild.textContent = event.account;
  account.firstElementChild.href = `/console/accounts/${encodeURIComponent(event.account)}`;
  actor.textContent = text(event.actor);
  const at = new Date(event.timestamp);
  when.firstElementChild.dateTime = at.toISOString();
  when.firstElementChild.title = `${at.toISOString().slice(0, 19).replace("T", " ")} UTC`;
  when.querySelector(".utc").textContent = `${when.firstElementChild.title},`;
  when.querySelector(".ago").textContent = distance(at);
  rows.prepend(row);
  rows.closest("table").hidden = false;
  document.querySelector("[data-empty]")?.remove();
  while (rows.children.length > MOST_ROWS) rows.lastElementChild.remove();
}

// Pages that look again -------------------------------------------------------------------------------------------

// Whether somebody is in the middle of something that loading the page again would take away.
function isBusy(main) {
  const active = document.activeElement;
  const isInside = active && active !== main && main.contains(active);
  return document.hidden || isInside || main.querySelector("details[open], .secret") || getSelection().toString();
}

async function look() {
  const main = document.getElementById("main");
  const every = Number(main.dataset.refresh);
  if (!every) return;
  if (!isBusy(main)) {
    try {
      const answer = await fetch(location.href, { headers: { "x-console-refresh": "1" }, redirect: "manual" });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const next = page.getElementById("main");
        if (next && !isBusy(main)) {
          main.replaceWith(document.adoptNode(next));
          prepare(next);
        }
      } else if (answer.type === "opaqueredirect") {
        location.reload();
        return;
      }
    } catch {
      // The service restarts, or the network is away: the next look finds out.
    }
  }
  setTimeout(look, every * 1000);
}

// On a phone the navigation is wider than the screen.
document.querySelector(".side [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
prepare(document);
tick();
setInterval(tick, 1000);
const first = Number(document.getElementById("main").dataset.refresh);
if (first) setTimeout(look, first * 1000);
