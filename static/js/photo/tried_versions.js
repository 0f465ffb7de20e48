// The versions of a photo that were only tried, and are gone from the server.
//
// This window keeps the settings of each, through reloads, and the latest pictures until it is
// reloaded. A picture that is not here is made again from the settings, which gives the same one.

/** @import { Item, JobEvent, Options, Version } from "../shared/types.d.ts" */

import { ApiError, get, jobPath, picture, post, remove } from "../shared/api.js";
import { newKey } from "../shared/dom.js";
import { JobEvents } from "../shared/job_events.js";
import { say } from "../shared/words.js";
import { ENDED_ITEMS, RESTORED_ITEMS } from "../states.js";

const MOST = 50;
const MOST_PICTURES = 20;

/** @typedef {Version & {chosen: Options}} Tried chosen: its job's options, with a mask */

export class TriedVersions {
  #key = "";
  /** Oldest first. @type {Tried[]} */
  #all = [];
  /** By their jobs, oldest first. @type {Map<string, string>} */
  #pictures = new Map();

  /** @param {string} photo the SHA-256 of its file */
  open(photo) {
    const key = `tried-${photo}`;
    if (key === this.#key) return;
    this.close();
    this.#key = key;
    this.#all = JSON.parse(sessionStorage.getItem(key) ?? "[]");
  }

  /** Another photo comes. */
  close() {
    for (const url of this.#pictures.values()) URL.revokeObjectURL(url);
    this.#pictures.clear();
    this.#all = [];
    this.#key = "";
  }

  /** @returns {Version[]} */
  get all() {
    return this.#all;
  }

  /** Keep a version whose job is about to go from the server. @param {Version} version */
  async keep(version) {
    const [job, url] = await Promise.all([
      get(jobPath(version.job)).catch(() => null),
      pictureOf(version.job).catch(() => null),
    ]);
    if (url) this.#keepPicture(version.job, url);
    if (!job || this.#all.some((each) => each.job === version.job)) return;
    this.#all = [...this.#all, { ...version, chosen: job.options }].slice(-MOST);
    this.#store();
  }

  /** Where a version's picture can be loaded from, as long as it is here. @param {string} job */
  kept(job) {
    return this.#pictures.get(job);
  }

  /**
   * Make a version's picture again. Raises ApiError where that cannot be done.
   * @param {string} job of the version
   * @param {string} base a job of the same photo that is still on the server
   */
  async makeAgain(job, base) {
    const version = this.#all.find((each) => each.job === job);
    if (!version) return;
    const made = await post(`${jobPath(base)}/run-again`, {
      options: version.chosen,
      key: newKey(),
    });
    try {
      await hasEnded(made.id);
      /** @type {Item} */
      const item = await get(`${jobPath(made.id)}/items/0`);
      if (!RESTORED_ITEMS.includes(item.state))
        throw failure(item.error?.message ?? say("item.cancelled"));
      if (item.report?.model !== version.model)
        throw failure(say("version.model", { name: version.model }));
      this.#keepPicture(job, await pictureOf(made.id));
    } finally {
      remove(jobPath(made.id)).catch(() => {}); // it stays in the history then
    }
  }

  /** @param {string} job @param {string} url */
  #keepPicture(job, url) {
    this.#pictures.set(job, url);
    for (const [oldest, old] of this.#pictures) {
      if (this.#pictures.size <= MOST_PICTURES) break;
      URL.revokeObjectURL(old);
      this.#pictures.delete(oldest);
    }
  }

  /** What this window has no room for is not kept, the oldest first. */
  #store() {
    for (let kept = this.#all; ; kept = kept.slice(1)) {
      try {
        sessionStorage.setItem(this.#key, JSON.stringify(kept));
        return;
      } catch {
        if (!kept.length) return;
      }
    }
  }
}

/** @param {string} job */
async function pictureOf(job) {
  const answer = await fetch(picture(job, 0, "after")).catch(() => null);
  if (!answer?.ok) throw failure(say("trouble.gone"));
  return URL.createObjectURL(await answer.blob());
}

/** Resolves once the photo of a job has ended. @param {string} job @returns {Promise<void>} */
function hasEnded(job) {
  return new Promise((resolve) => {
    const events = new JobEvents(job, 0, take, undefined, 0);
    /** @param {JobEvent[]} news */
    function take(news) {
      if (!news.some(({ item, state }) => item === 0 && ENDED_ITEMS.includes(state))) return;
      events.stop();
      resolve();
    }
  });
}

/** @param {string} message */
const failure = (message) => new ApiError("version", message, 0);
