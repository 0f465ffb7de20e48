// An album, or a photo with all its versions, in the history.

/** @import { Job } from "../shared/types.d.ts" */

import { address, picture } from "../shared/api.js";
import { icon, make } from "../shared/dom.js";
import { settings } from "../shared/settings_words.js";
import { bytes, count, date, say } from "../shared/words.js";
import { ACTIVE_JOBS, ItemState, JobState } from "../states.js";

export class JobCard {
  /** Newest first. @type {Job[]} */
  #versions;
  #isStale = false;

  /** @param {Job} job @param {() => void} onDelete */
  constructor(job, onDelete) {
    this.#versions = [job];
    this.onDelete = onDelete;
    this.element = make("li", { className: "card job" });
    this.#draw();
  }

  get newest() {
    return this.#versions[0];
  }

  get versions() {
    return [...this.#versions];
  }

  get isActive() {
    return isActive(this.newest);
  }

  /** What deleting all versions frees. */
  get bytes() {
    return this.#versions.reduce((sum, job) => sum + job.bytes, 0);
  }

  /** @param {Job} job an older one of the same photo */
  addVersion(job) {
    this.#versions.push(job);
    this.#draw();
  }

  /** @param {string} id of one that is deleted */
  dropVersion(id) {
    this.#versions = this.#versions.filter((job) => job.id !== id);
  }

  /** The newest version has come to this. @param {Job} now */
  update(now) {
    if (now.seq === this.newest.seq) return;
    this.#versions[0] = { ...this.newest, ...now };
    this.#isStale = true;
  }

  /** Show what has changed, unless the focus is on the card or will come back to it. */
  refresh() {
    const isUsed =
      this.element.contains(document.activeElement) || document.querySelector("dialog[open]");
    if (this.#isStale && !isUsed) this.#draw();
  }

  /** @param {boolean} leaving whether it is being deleted */
  setLeaving(leaving) {
    this.element.classList.toggle("leaving", leaving);
    if (!leaving) this.#draw();
  }

  #draw() {
    this.#isStale = false;
    const job = this.newest;
    const facts = [date(job.created), ...countsInWords(job), bytes(this.bytes)];
    if (this.#versions.length > 1) facts.push(say("job.versions", { n: this.#versions.length }));
    this.element.replaceChildren(
      covers(job),
      make(
        "div",
        { className: "card-words" },
        make("h2", {}, make("a", { href: pageOf(job) }, job.name)),
        make("p", { className: "muted" }, chip(job), " ", settings(job.options)),
        make("p", { className: "muted small" }, facts.join(" · ")),
      ),
      make("div", { className: "card-buttons" }, ...actions(job), this.#deleteButton(job)),
    );
  }

  /** @param {Job} job */
  #deleteButton(job) {
    const props = {
      type: "button",
      className: "link",
      "aria-label": `${say("job.delete")}: ${job.name}`,
    };
    const button = make("button", props, icon("trash"), say("job.delete"));
    button.addEventListener("click", this.onDelete);
    return button;
  }
}

/** @param {Job} job */
const isActive = ({ state }) => ACTIVE_JOBS.includes(state) || state === JobState.PAUSED;

/** The page of a job. @param {Job} job */
function pageOf({ kind, state, id }) {
  if (kind === "photo") return address(`/?job=${id}`);
  return address(state === JobState.COLLECTING ? `/batch?job=${id}` : `/jobs/${id}`);
}

/** @param {Job} job */
function chip({ kind, state, counts }) {
  const hasFailed = kind === "photo" && state === JobState.DONE && counts.failed > 0;
  const shown = hasFailed ? ItemState.FAILED : state;
  const words = say(hasFailed ? "item.failed" : `state.${state}`);
  return make("span", { className: "chip", data: { state: shown } }, words);
}

/** One or four of a job's pictures. @param {Job} job */
function covers(job) {
  const restored = job.counts.done + job.counts.no_face === job.counts.total;
  const pictures = job.covers.slice(0, job.covers.length < 4 ? 1 : 4).map((n) => {
    const src = picture(job.id, n, "thumbnail", restored ? "?of=after" : "");
    const image = make("img", { alt: "", loading: "lazy", src });
    image.addEventListener("error", () => image.replaceWith(icon("broken")));
    return image;
  });
  const props = {
    className: `covers of-${pictures.length}`,
    href: pageOf(job),
    tabIndex: -1,
    "aria-hidden": "true",
  };
  return make("a", props, ...(pictures.length ? pictures : [icon("album")]));
}

/** @param {Job} job */
function countsInWords(job) {
  const { total, waiting, running, failed, no_face, cancelled } = job.counts;
  const words = [];
  if (job.kind === "album") words.push(count("photos", total));
  if (isActive(job)) words.push(say("progress", { done: total - waiting - running, total }));
  if (failed) words.push(say("failed.n", { n: failed }));
  if (no_face) words.push(say("no_face.n", { n: no_face }));
  if (cancelled) words.push(say("cancelled.n", { n: cancelled }));
  return words;
}

/** What leads on from a job. @param {Job} job */
function actions(job) {
  const isCollecting = job.state === JobState.COLLECTING;
  const links = [];
  if (job.kind === "photo") links.push(link(pageOf(job), "retry", say("job.again")));
  else if (!isCollecting) links.push(link(`${pageOf(job)}#again`, "retry", say("job.again")));
  if (isCollecting) links.push(link(pageOf(job), "add", say("job.collect")));
  return links;
}

/** @param {string} href @param {string} image @param {string} words */
const link = (href, image, words) => make("a", { className: "link", href }, icon(image), words);
