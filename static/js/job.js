// One album: what the store knows of it, and from then on every event.

import { ApiError, get, jobPath, post } from "./api.js";
import { addSlowly, Cell } from "./cells.js";
import { ask, find, findAll, make, newKey, toast } from "./dom.js";
import { follow } from "./follow.js";
import { Lightbox } from "./lightbox.js";
import { allowed, canAsk, permit, tell, title } from "./notify.js";
import { Options } from "./options.js";
import { bytes, count, duration, say, settings } from "./words.js";

const page = find("#job");
const id = page.dataset.job;
const grid = find("#grid");
const options = new Options(find("#again .options"));
const ENDED = ["done", "cancelled"];
const TODO = ["waiting", "running"];
const FAILURES_SHOWN = 200;
const byName = new Intl.Collator(document.documentElement.lang, { numeric: true });

let job = null;
let cells = []; // by number
let ordered = []; // by name, as in a folder: photos are numbered as they arrive
const failures = new Map(); // n -> sentence
let filter = "all";
let stopFollowing = () => {};
let announced = -1;
const lightbox = new Lightbox(find("#lightbox"), id, neighbours);

const finished = (counts) => counts.total - counts.waiting - counts.running;
const ended = () => ENDED.includes(job.state);
const shows = (cell) => filter === "all" || cell.state === filter || (filter === "waiting" && cell.state === "running");

/** The photos that are shown to the left and right of one. */
function neighbours(n) {
  const at = ordered.indexOf(cells[n]);
  const before = ordered.slice(0, at).findLast(shows);
  const after = ordered.slice(at + 1).find(shows);
  return [before?.n ?? null, after?.n ?? null];
}

async function load() {
  try {
    job = await get(jobPath(id));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    find("#offline").hidden = false;
    find("#offline").textContent = error.message;
    return;
  }
  drawJob();
  cells = job.items.map((item) => new Cell(id, item));
  for (const item of job.items) if (item.error) failures.set(item.n, item.error.message);
  drawFailures();
  ordered = cells.toSorted((a, b) => byName.compare(a.name, b.name));
  grid.replaceChildren();
  const drawn = addSlowly(grid, ordered.map((cell) => cell.element));
  watch();
  await drawn;
  grid.setAttribute("aria-busy", "false");
  openFromAddress();
}

function watch() {
  stopFollowing();
  if (ended()) return;
  stopFollowing = follow(id, job.seq, take, (connected) => {
    find("#offline").hidden = connected;
    if (!connected) get(jobPath(id)).catch(tellIfGone);
  });
}

/** Another window may have deleted the job. */
function tellIfGone({ status, message }) {
  if (status !== 404) return;
  stopFollowing();
  find("#offline").textContent = message;
}

function take(events) {
  const touched = new Set();
  let over = false; // told by an event: the answer to "cancel" may come before the last photos'
  for (const event of events) {
    job.seq = event.seq;
    job.counts = event.counts;
    job.eta_seconds = event.eta_seconds;
    if (event.type === "job") {
      job.state = event.state;
      over = ended();
      job.reason = event.error?.message ?? null;
      continue;
    }
    const cell = cells[event.item];
    if (!cell) continue;
    cell.set(event);
    touched.add(event.item);
    if (event.error) failures.set(event.item, event.error.message);
    else failures.delete(event.item);
    const ends = !TODO.includes(event.state);
    if (event.item === lightbox.n && ends) lightbox.refresh();
  }
  drawJob();
  if (touched.size) drawFailures();
  if (over) theEnd();
}

function theEnd() {
  stopFollowing();
  const words = find("#progress-words").textContent;
  tell(say("notify.title", { name: job.name }), words);
  refreshFacts().catch(() => {}); // what the events have told is shown already
}

/** What only the job itself knows, once it has ended; and whether it goes on by now. */
async function refreshFacts() {
  const { items: _items, seq: _seq, ...rest } = await get(jobPath(id));
  job = { ...job, ...rest };
  drawJob();
  if (!ended()) watch();
}

function drawJob() {
  const { counts } = job;
  // After a pause, photos in hand may still be at work while the job itself waits for its turn.
  const state = job.state === "waiting" && counts.running ? "running" : job.state;
  page.dataset.state = state;
  const chip = find("#state");
  chip.dataset.state = state;
  chip.textContent = say(`state.${state}`);
  find("#summary").textContent = [count("photos", counts.total), settings(job.options), bytes(job.bytes)].join(" · ");
  drawBar(counts);
  const going = state === "waiting" || state === "running";
  find("#pause").hidden = !going;
  find("#resume").hidden = state !== "paused";
  find("#cancel").hidden = ended();
  find("#run-again").hidden = !ended();
  find("#download").hidden = !(counts.done + counts.no_face);
  find("#download").classList.toggle("primary", ended());
  find("#retry").hidden = state === "cancelled";
  find("#reason").hidden = !job.reason;
  find("#reason").textContent = job.reason ?? "";
  find("#notify").hidden = ended() || !canAsk() || allowed();
  for (const button of findAll("button[data-show]")) {
    const key = button.dataset.show;
    const n = { all: counts.total, waiting: counts.waiting + counts.running }[key] ?? counts[key];
    find("b", button).textContent = n;
    button.hidden = key !== "all" && !n && filter !== key;
  }
  drawTitle(counts);
}

function drawBar(counts) {
  const n = finished(counts);
  const bar = find("#bar");
  bar.setAttribute("aria-valuenow", n);
  bar.setAttribute("aria-valuemax", counts.total);
  for (const name of ["done", "no_face", "failed", "cancelled"]) {
    find(`.${name}`, bar).style.width = `${(100 * counts[name]) / (counts.total || 1)}%`;
  }
  const words = [
    ended()
      ? say("ended", { done: counts.done, total: counts.total })
      : say("progress", { done: n, total: counts.total }),
  ];
  if (counts.failed) words.push(say("failed.n", { n: counts.failed }));
  if (counts.no_face) words.push(say("no_face.n", { n: counts.no_face }));
  if (counts.cancelled) words.push(say("cancelled.n", { n: counts.cancelled }));
  find("#progress-words").textContent = words.join(" · ");
  find("#pace").textContent = pace(counts);
  const tenth = Math.floor((10 * n) / (counts.total || 1));
  if (tenth !== announced || ended()) find("#announce").textContent = words.join(", ");
  announced = tenth;
}

function pace(counts) {
  if (ended() && job.started && job.finished) {
    return say("took", { time: duration(job.finished - job.started) });
  }
  const left = counts.waiting + counts.running;
  if (!job.eta_seconds || !left) return "";
  const perMinute = (60 * left) / job.eta_seconds;
  const rounded = perMinute < 10 ? Math.round(perMinute * 10) / 10 : Math.round(perMinute);
  return [say("pace", { n: rounded }), say("left", { time: duration(job.eta_seconds) })].join(" · ");
}

function drawTitle(counts) {
  const share = Math.floor((100 * finished(counts)) / (counts.total || 1));
  if (job.state === "done") title(`✓ ${say("title.done")}`);
  else if (ended()) title(say("state.cancelled"));
  else title(job.state === "paused" ? `⏸ ${say("percent", { n: share })}` : say("percent", { n: share }));
}

let drawnFailures = "";

function drawFailures() {
  const numbers = [...failures.keys()].sort((a, b) => a - b);
  const now = numbers.map((n) => `${n} ${failures.get(n)}`).join("\n");
  if (now === drawnFailures) return;
  drawnFailures = now;
  find("#failures").hidden = numbers.length === 0;
  find("#failures-title").textContent = count("failures", numbers.length);
  const lines = numbers.slice(0, FAILURES_SHOWN).map((n) => {
    const message = failures.get(n);
    const text = message.includes(cells[n].name) ? message : `${cells[n].name}: ${message}`;
    return make("li", {}, make("a", { href: `#${n}` }, text));
  });
  if (numbers.length > FAILURES_SHOWN) lines.push(make("li", {}, "…"));
  find("#failures-list").replaceChildren(...lines);
}

/** Ask the server for a change of the job. */
async function change(verb) {
  try {
    const { items: _items, ...rest } = await post(`${jobPath(id)}/${verb}`);
    const wasEnded = ended();
    // An older picture than what the events have told already changes nothing.
    if (rest.seq >= job.seq) {
      const { seq: _seq, ...shown } = rest;
      job = { ...job, ...shown };
      drawJob();
    }
    if (wasEnded && !ended()) watch();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "bad");
  }
}

async function runAgain() {
  const button = find("#again-start");
  button.disabled = true;
  try {
    const wanted = { ...job.options, ...options.read() };
    const made = await post(`${jobPath(id)}/run-again`, { options: wanted, key: again });
    location.assign(`/jobs/${made.id}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "bad");
    button.disabled = false;
  }
}

let again = newKey();

function openFromAddress() {
  const wanted = location.hash.slice(1);
  if (wanted === "again") {
    again = newKey();
    find("#again").showModal();
    history.replaceState(null, "", location.pathname);
  } else if (/^\d+$/.test(wanted) && cells[wanted]) {
    lightbox.open(Number(wanted), cells[wanted].element);
  }
}

for (const button of findAll("button[data-show]")) {
  button.addEventListener("click", () => {
    filter = button.dataset.show;
    grid.dataset.show = filter;
    for (const other of findAll("button[data-show]")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
  });
}
for (const verb of ["pause", "resume", "retry"]) {
  find(`#${verb}`).addEventListener("click", () => change(verb));
}
find("#cancel").addEventListener("click", async () => {
  if (await ask(find("#cancel-ask"))) await change("cancel");
});
find("#run-again").addEventListener("click", () => {
  again = newKey();
  find("#again").showModal();
});
find("#again-start").addEventListener("click", runAgain);
find("#again [data-close]").addEventListener("click", () => find("#again").close());
find("#notify").addEventListener("click", async () => {
  toast(say((await permit()) ? "notify.on" : "notify.denied"));
  drawJob();
});
find("#copy")?.addEventListener("click", async () => {
  await navigator.clipboard?.writeText(find("#folder").textContent);
  toast(say("copied"));
});
addEventListener("hashchange", openFromAddress);
document.addEventListener("visibilitychange", () => {
  // Another window may have asked for a retry meanwhile.
  if (document.visibilityState === "visible" && job && ended()) refreshFacts().catch(() => {});
});
load();
