// Other settings: the same photo again, as a job of its own. The network's faces are still in
// memory, so this is quick. A trial that is overtaken by newer settings is taken back.

/** @import { JobEvent, Options } from "../shared/types.d.ts" */

import { attempt, jobPath, post, remove } from "../shared/api.js";
import { newKey, toast } from "../shared/dom.js";
import { JobEvents } from "../shared/job_events.js";
import { say } from "../shared/words.js";
import { ENDED_ITEMS, RESTORED_ITEMS } from "../states.js";

export const SETTLE_MS = 150; // how long a setting must rest before it is tried

export class SettingsTrial {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The job with the latest settings, while it runs. @type {{id: string, events: JobEvents} | null} */
  #running = null;
  #turn = 0; // counts trials, so that what a former one brings is dropped

  /**
   * @param {HTMLElement} note is shown while a trial runs
   * @param {(job: string) => Promise<void>} onRestored
   */
  constructor(note, onRestored) {
    this.note = note;
    this.onRestored = onRestored;
  }

  /**
   * Try settings once they have rested.
   * @param {string} job the photo's
   * @param {() => Options} options
   */
  schedule(job, options) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#begin(job, options()), SETTLE_MS);
  }

  /** Another photo comes: forget the trial. */
  cancel() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    this.#forget();
    this.note.hidden = true;
  }

  /** Stop following the trial that runs; its job. */
  #forget() {
    const id = this.#running?.id;
    this.#running?.events.stop();
    this.#running = null;
    return id;
  }

  /** @param {string} job @param {Options} options */
  async #begin(job, options) {
    const turn = ++this.#turn;
    takeBack(this.#forget());
    this.note.hidden = false;
    await attempt(
      async () => {
        const { id } = await post(`${jobPath(job)}/run-again`, { options, key: newKey() });
        if (turn === this.#turn) this.#follow(id);
        else takeBack(id);
      },
      ({ message }) => this.#fail(message),
    );
  }

  /** @param {string} id */
  #follow(id) {
    /** @param {JobEvent[]} news */
    const take = (news) => {
      const end = news.findLast(({ item, state }) => item === 0 && ENDED_ITEMS.includes(state));
      if (end) this.#finish(end);
    };
    const events = new JobEvents(id, 0, take, undefined, 0);
    this.#running = { id, events };
  }

  /** @param {JobEvent} end */
  async #finish(end) {
    const turn = this.#turn;
    const id = this.#forget();
    if (!id) return;
    if (!RESTORED_ITEMS.includes(end.state)) {
      takeBack(id);
      this.#fail(end.error?.message ?? say("item.cancelled"));
      return;
    }
    await attempt(
      () => this.onRestored(id),
      ({ message }) => this.#fail(message),
    );
    if (turn === this.#turn) this.note.hidden = true;
  }

  /** @param {string} message */
  #fail(message) {
    this.note.hidden = true;
    toast(say("rerun.failed", { message }), "bad");
  }
}

/** Delete a trial's job. @param {string | undefined} id */
function takeBack(id) {
  if (id) remove(jobPath(id)).catch(() => {}); // it stays in the history then
}
