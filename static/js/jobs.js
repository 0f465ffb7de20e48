// The history: newest first; the versions of one photo are one card.

import { ApiError, get, jobPath, picture, remove } from "./api.js";
import { ask, find, icon, make, toast } from "./dom.js";
import { bytes, count, date, say, settings } from "./words.js";

const PAGE = 30;
const REFRESH_MS = 3000;
const list = find("#jobs");
let last = null;
let used = 0;
let free = 0;
const cards = new Map(); // by the id of a job's first version
const first = new Map(); // id of a photo's version -> id by which its card goes

function disk() {
  find("#disk").textContent = say("disk", { used: bytes(used), free: bytes(free) });
}

const isActive = (job) => ["waiting", "running", "paused"].includes(job.state);

const address = (job) => {
  if (job.kind === "photo") return `/?job=${job.id}`;
  return job.state === "collecting" ? `/batch?job=${job.id}` : `/jobs/${job.id}`;
};

function covers(job) {
  const restored = job.counts.done + job.counts.no_face === job.counts.total;
  const pictures = job.covers.slice(0, job.covers.length < 4 ? 1 : 4).map((n) => {
    const which = restored ? "?of=after" : "";
    const image = make("img", { alt: "", loading: "lazy", src: picture(job.id, n, "thumbnail", which) });
    image.addEventListener("error", () => image.replaceWith(icon("broken")));
    return image;
  });
  return make(
    "a",
    { className: `covers of-${pictures.length}`, href: address(job), tabIndex: -1, "aria-hidden": "true" },
    ...(pictures.length ? pictures : [icon("album")]),
  );
}

function countWords(job) {
  const { total, waiting, running, failed, no_face, cancelled } = job.counts;
  const words = [];
  if (job.kind === "album") words.push(count("photos", total));
  if (isActive(job)) words.push(say("progress", { done: total - waiting - running, total }));
  if (failed) words.push(say("failed.n", { n: failed }));
  if (no_face) words.push(say("no_face.n", { n: no_face }));
  if (cancelled) words.push(say("cancelled.n", { n: cancelled }));
  return words;
}

function draw(card) {
  const [job] = card.versions;
  const facts = [date(job.created), ...countWords(job), bytes(size(card))];
  if (card.versions.length > 1) facts.push(say("job.versions", { n: card.versions.length }));
  const state = job.counts.failed && job.state === "done" && job.kind === "photo" ? "failed" : job.state;
  const chip = make("span", { className: "chip", data: { state } }, say(state === "failed" ? "item.failed" : `state.${state}`));
  const buttons = [];
  if (job.kind === "album" && ["done", "cancelled", "paused", "running", "waiting"].includes(job.state)) {
    buttons.push(make("a", { className: "link", href: `/jobs/${job.id}#again` }, icon("retry"), say("job.again")));
  }
  if (job.kind === "photo") {
    buttons.push(make("a", { className: "link", href: address(job) }, icon("retry"), say("job.again")));
  }
  if (job.state === "collecting") {
    buttons.push(make("a", { className: "link", href: address(job) }, icon("add"), say("job.collect")));
  }
  const gone = make("button", { type: "button", className: "link" }, icon("trash"), say("job.delete"));
  gone.setAttribute("aria-label", `${say("job.delete")}: ${job.name}`);
  gone.addEventListener("click", () => erase(card));
  buttons.push(gone);
  card.element.replaceChildren(
    covers(job),
    make(
      "div",
      { className: "card-words" },
      make("h2", {}, make("a", { href: address(job) }, job.name)),
      make("p", { className: "muted" }, chip, " ", settings(job.options)),
      make("p", { className: "muted small" }, facts.join(" · ")),
    ),
    make("div", { className: "card-buttons" }, ...buttons),
  );
}

const size = (card) => card.versions.reduce((sum, job) => sum + job.bytes, 0);

function add(job) {
  const group = first.get(job.id) ?? job.id;
  if (job.kind === "photo" && job.parent) first.set(job.parent, group);
  let card = cards.get(group);
  if (card && job.kind === "photo") {
    card.versions.push(job);
  } else {
    card = { group, versions: [job], element: make("li", { className: "card job" }) };
    cards.set(group, card);
    list.append(card.element);
  }
  draw(card);
}

async function erase(card) {
  const [job] = card.versions;
  find("#delete-title").textContent = say("delete.title", { name: job.name });
  find("#delete-words").textContent = say("delete.words", { size: bytes(size(card)) });
  if (!(await ask(find("#delete")))) return;
  card.element.classList.add("leaving");
  let freed = 0;
  try {
    for (const version of [...card.versions]) {
      freed += (await remove(jobPath(version.id))).freed;
      card.versions.shift();
    }
    card.element.remove();
    cards.delete(card.group);
    toast(say("delete.done", { size: bytes(freed) }), "good");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    card.element.classList.remove("leaving");
    if (card.versions.length) draw(card);
    toast(error.message, "bad");
  }
  used -= freed;
  free += freed;
  disk();
  find("#empty").hidden = cards.size > 0;
  list.hidden = cards.size === 0;
  (find("a", list) ?? find("#empty a")).focus();
}

async function more() {
  try {
    const before = last ? `&before=${last}` : "";
    const answer = await get(`/api/jobs?limit=${PAGE}${before}`);
    if (!last) list.replaceChildren();
    answer.jobs.forEach(add);
    last = answer.jobs.at(-1)?.id ?? last;
    used = answer.bytes_used;
    free = answer.disk_free;
    disk();
    find("#older").hidden = answer.jobs.length < PAGE;
    find("#empty").hidden = cards.size > 0;
    list.hidden = cards.size === 0;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    if (!last) list.replaceChildren();
    find("#trouble").textContent = error.message;
    find("#trouble").hidden = false;
  }
  list.setAttribute("aria-busy", "false");
}

/** Keep the cards of jobs that go on up to date. */
async function refresh() {
  const active = [...cards.values()].filter((card) => isActive(card.versions[0]));
  for (const card of active) {
    const [job] = card.versions;
    const now = await get(jobPath(job.id)).catch(() => job);
    if (now.seq === job.seq || !cards.has(card.group)) continue;
    card.versions[0] = { ...job, ...now };
    if (!card.element.contains(document.activeElement)) draw(card);
  }
  setTimeout(refresh, REFRESH_MS);
}

find("#older").addEventListener("click", more);
more().then(refresh);
