// Other settings: the same photo again, as a job of its own. The network's faces are still in
// memory, so this is quick. A trial that is overtaken by newer settings is taken back.

/** @import { JobEvent, Options } from "../shared/types.d.ts" */

import { attempt, jobPath, post, remove } from "../shared/api.js";
import { find, newKey, toast } from "../shared/dom.js";
import { JobEvents } from "../shared/job_events.js";
import { say } from "../shared/words.js";
import { ENDED_ITEMS, RESTORED_ITEMS } from "../states.js";
import { stageWords, WAITING } from "./stage_list.js";

export const SETTLE_MS = 150; // how long a setting must rest before it is tried
const LONG_MS = 1000; // from when on it is told how far a trial is, and it can be stopped

export class SettingsTrial {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** The job with the latest settings, while it runs. @type {{id: string, events: JobEvents} | null} */
  #running = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #patience;
  #latest = ""; // what is being done
  #turn = 0; // counts trials, so that what a former one brings is dropped

  /**
   * @param {HTMLElement} note is shown while a trial runs
   * @param {(job: string) => Promise<void>} onRestored
   * @param {() => void} onStopped the user does not want to wait for it
   */
  constructor(note, onRestored, onStopped) {
    this.note = note;
    this.stage = find(".stage-now", note);
    this.stop = find("button", note);
    this.onRestored = onRestored;
    this.stop.addEventListener("click", () => {
      this.cancel();
      onStopped();
    });
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

  /** The trial is not wanted any more, as another photo comes. */
  cancel() {
    clearTimeout(this.#timer);
    this.#turn += 1;
    takeBack(this.#forget());
    this.#show(false);
  }

  /** @param {boolean} isRunning */
  #show(isRunning) {
    clearTimeout(this.#patience);
    this.note.hidden = !isRunning;
    this.stop.hidden = true;
    this.stage.textContent = "";
    this.#latest = stageWords(WAITING);
    if (isRunning) this.#patience = setTimeout(() => this.#tellMore(), LONG_MS);
  }

  /** It takes long: tell what is being done, and let the user stop it. */
  #tellMore() {
    this.stop.hidden = false;
    this.stage.textContent = this.#latest;
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
    this.#show(true);
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
      const ofPhoto = news.filter(({ item }) => item === 0);
      const end = ofPhoto.findLast(({ state }) => ENDED_ITEMS.includes(state));
      const step = ofPhoto.findLast(({ stage }) => stage);
      if (end) this.#finish(end);
      else if (step?.stage) this.#tell(stageWords(step.stage, step.percent));
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
    if (turn === this.#turn) this.#show(false);
  }

  /** @param {string} words for what is being done */
  #tell(words) {
    this.#latest = words;
    if (!this.stop.hidden) this.stage.textContent = words;
  }

  /** @param {string} message */
  #fail(message) {
    this.#show(false);
    toast(say("rerun.failed", { message }), "bad");
  }
}

/** Delete a trial's job. @param {string | undefined} id */
function takeBack(id) {
  if (id) remove(jobPath(id)).catch(() => {}); // it stays in the history then
}
