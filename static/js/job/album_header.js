// An album's state and settings in words, and what can be done with it now.

/** @import { Job, MachineShare } from "../shared/types.d.ts" */

import { find } from "../shared/dom.js";
import { allowed, canAsk } from "../shared/notify.js";
import { settings } from "../shared/settings_words.js";
import { bytes, count, say } from "../shared/words.js";
import { ACTIVE_JOBS, ENDED_JOBS, JobState } from "../states.js";

export class AlbumHeader {
  /** Who restored it. @type {MachineShare[]} */
  machines = [];

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.chip = find("#state", root);
    this.reason = find("#reason", root);
  }

  /** @param {Job} job */
  draw(job) {
    const state = shownState(job);
    this.root.dataset.state = state;
    this.chip.dataset.state = state;
    this.chip.textContent = say(`state.${state}`);
    const facts = [count("photos", job.counts.total), settings(job.options), bytes(job.bytes)];
    if (this.machines.length > 1) facts.push(machinesInWords(this.machines));
    find("#summary", this.root).textContent = facts.join(" · ");
    this.reason.hidden = !job.reason;
    this.reason.textContent = job.reason ?? "";
    this.#drawButtons(job, state);
  }

  /** @param {Job} job @param {string} state */
  #drawButtons({ counts, folder }, state) {
    const ended = ENDED_JOBS.includes(state);
    const shown = {
      pause: ACTIVE_JOBS.includes(state),
      resume: state === JobState.PAUSED,
      cancel: !ended,
      "run-again": ended,
      download: counts.done + counts.no_face > 0,
      report: ended && folder !== null,
      "restore-rest": ended && counts.cancelled > 0,
      retry: state !== JobState.CANCELLED,
      notify: !ended && canAsk() && !allowed(),
    };
    for (const [id, isShown] of Object.entries(shown)) find(`#${id}`, this.root).hidden = !isShown;
    find("#download", this.root).classList.toggle("primary", ended);
  }
}

/**
 * After a pause, photos in progress may still be at work while the job itself waits for its turn.
 * @param {Job} job
 */
function shownState({ state, counts }) {
  return state === JobState.WAITING && counts.running ? JobState.RUNNING : state;
}

/** @param {MachineShare[]} machines */
function machinesInWords(machines) {
  const n = new Set(machines.map(({ name }) => name)).size;
  const kinds = new Set(machines.map(({ kind }) => kind)).size;
  return say(kinds > 1 ? "machines.kinds" : "machines.one_kind", { n, kinds });
}
