// The history: newest first; the versions of one photo are one card.

/** @import { Job } from "../shared/types.d.ts" */

import { attempt, get, jobPath, remove } from "../shared/api.js";
import { ask, find, toast, toastError } from "../shared/dom.js";
import { bytes, say } from "../shared/words.js";
import { JobCard } from "./job_card.js";

const PAGE = 30;
const REFRESH_MS = 3000;

class HistoryPage {
  /** By the id of a job's newest version. @type {Map<string, JobCard>} */
  #cards = new Map();
  /** The id by which the card of a photo's older version goes. @type {Map<string, string>} */
  #groupOf = new Map();
  /** The oldest job that is shown. @type {string | null} */
  #last = null;
  #used = 0; // bytes
  #free = 0;

  constructor() {
    this.list = find("#jobs");
    this.empty = find("#empty");
    this.trouble = find("#trouble");
    this.question = find("#delete", document, HTMLDialogElement);
    find("#older").addEventListener("click", () => this.load());
  }

  /** Show the next page of older jobs. */
  async load() {
    await attempt(
      async () => {
        const before = this.#last ? `&before=${this.#last}` : "";
        /** @type {{jobs: Job[], bytes_used: number, disk_free: number}} */
        const { jobs, bytes_used, disk_free } = await get(`/api/jobs?limit=${PAGE}${before}`);
        if (!this.#last) this.list.replaceChildren();
        jobs.forEach((job) => this.#add(job));
        this.#last = jobs.at(-1)?.id ?? this.#last;
        this.#drawDisk(bytes_used, disk_free);
        find("#older").hidden = jobs.length < PAGE;
        this.#drawWhetherEmpty();
      },
      (error) => {
        if (!this.#last) this.list.replaceChildren();
        this.trouble.textContent = error.message;
        this.trouble.hidden = false;
      },
    );
    this.list.setAttribute("aria-busy", "false");
  }

  /** Keep the cards of jobs that go on up to date. */
  async refresh() {
    for (const [group, card] of this.#cards) {
      if (card.isActive) {
        /** @type {Job} */
        const now = await get(jobPath(card.newest.id)).catch(() => card.newest);
        if (this.#cards.has(group)) card.update(now);
      }
      card.refresh();
    }
    setTimeout(() => this.refresh(), REFRESH_MS);
  }

  /** @param {Job} job */
  #add(job) {
    const group = this.#groupOf.get(job.id) ?? job.id;
    if (job.kind === "photo" && job.parent) this.#groupOf.set(job.parent, group);
    const known = this.#cards.get(group);
    if (known && job.kind === "photo") {
      known.addVersion(job);
      return;
    }
    const card = new JobCard(job, () => this.#delete(group, card));
    this.#cards.set(group, card);
    this.list.append(card.element);
  }

  /** @param {number} used @param {number} free bytes */
  #drawDisk(used, free) {
    this.#used = used;
    this.#free = free;
    find("#disk").textContent = say("disk", { used: bytes(used), free: bytes(free) });
  }

  #drawWhetherEmpty() {
    this.empty.hidden = this.#cards.size > 0;
    this.list.hidden = this.#cards.size === 0;
  }

  /** Ask, then delete all versions of a card. @param {string} group @param {JobCard} card */
  async #delete(group, card) {
    find("#delete-title").textContent = say("delete.title", { name: card.newest.name });
    find("#delete-words").textContent = say("delete.words", { size: bytes(card.bytes) });
    if (!(await ask(this.question))) return;
    card.setLeaving(true);
    let freed = 0;
    await attempt(
      async () => {
        for (const { id } of card.versions) {
          freed += (await remove(jobPath(id))).freed;
          card.dropVersion(id);
        }
        card.element.remove();
        this.#cards.delete(group);
        toast(say("delete.done", { size: bytes(freed) }), "good");
      },
      (error) => {
        card.setLeaving(false);
        toastError(error);
      },
    );
    this.#drawDisk(this.#used - freed, this.#free + freed);
    this.#drawWhetherEmpty();
    (this.list.querySelector("a") ?? find("a", this.empty)).focus();
  }
}

const page = new HistoryPage();
page.load().then(() => page.refresh());
