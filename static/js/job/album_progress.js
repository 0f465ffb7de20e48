// How far an album has come: the bar, in words, the pace, the tab's title and for screen readers.

/** @import { Counts, Job } from "../shared/types.d.ts" */

import { find } from "../shared/dom.js";
import { title } from "../shared/notify.js";
import { duration, say } from "../shared/words.js";
import { ENDED_ITEMS, ENDED_JOBS, JobState } from "../states.js";

export class AlbumProgress {
  #announced = -1; // tenths

  /** @param {HTMLElement} root */
  constructor(root) {
    this.bar = find("#bar", root);
    this.wordsElement = find("#progress-words", root);
    this.pace = find("#pace", root);
    this.announcement = find("#announce", root);
    this.parts = ENDED_ITEMS.map((state) => ({ state, part: find(`.${state}`, this.bar) }));
  }

  /** The progress as it is shown. */
  get words() {
    return this.wordsElement.textContent ?? "";
  }

  /** @param {Job} job */
  draw(job) {
    const { total } = job.counts;
    const done = finished(job.counts);
    this.bar.setAttribute("aria-valuenow", String(done));
    this.bar.setAttribute("aria-valuemax", String(total));
    for (const { state, part } of this.parts) {
      const n = job.counts[/** @type {keyof Counts} */ (state)];
      part.style.width = `${(100 * n) / (total || 1)}%`;
    }
    const words = describe(job);
    this.wordsElement.textContent = words.join(" · ");
    this.pace.textContent = paceOf(job);
    this.#announce(words, parts(10, done, total), hasEnded(job));
    title(titleOf(job));
  }

  /** At every tenth, and at the end. @param {string[]} words @param {number} tenth @param {boolean} ended */
  #announce(words, tenth, ended) {
    if (tenth !== this.#announced || ended) this.announcement.textContent = words.join(", ");
    this.#announced = tenth;
  }
}

/** How many whole tenths or hundredths. @param {number} of @param {number} n @param {number} total */
const parts = (of, n, total) => Math.floor((of * n) / (total || 1));

/** @param {Counts} counts */
const finished = ({ total, waiting, running }) => total - waiting - running;

/** @param {Job} job */
const hasEnded = (job) => ENDED_JOBS.includes(job.state);

/** @param {Job} job */
function describe(job) {
  const { total, done, failed, no_face, cancelled } = job.counts;
  const words = [
    hasEnded(job)
      ? say("ended", { done, total })
      : say("progress", { done: finished(job.counts), total }),
  ];
  if (failed) words.push(say("failed.n", { n: failed }));
  if (no_face) words.push(say("no_face.n", { n: no_face }));
  if (cancelled) words.push(say("cancelled.n", { n: cancelled }));
  return words;
}

/** How long it took, or how fast it goes and how long it will take. @param {Job} job */
function paceOf(job) {
  if (hasEnded(job) && job.started && job.finished) {
    return say("took", { time: duration(job.finished - job.started) });
  }
  const left = job.counts.waiting + job.counts.running;
  if (!job.eta_seconds || !left) return "";
  const perMinute = (60 * left) / job.eta_seconds;
  const n = perMinute < 10 ? Math.round(perMinute * 10) / 10 : Math.round(perMinute);
  return [say("pace", { n }), say("left", { time: duration(job.eta_seconds) })].join(" · ");
}

/** @param {Job} job */
function titleOf(job) {
  const { state, counts } = job;
  if (state === JobState.DONE) return `✓ ${say("title.done")}`;
  if (hasEnded(job)) return say("state.cancelled");
  const percent = say("percent", { n: parts(100, finished(counts), counts.total) });
  return state === JobState.PAUSED ? `⏸ ${percent}` : percent;
}
