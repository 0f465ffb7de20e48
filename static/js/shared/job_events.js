// The events of a job, as they happen: each once, in order, through any broken connection.

/** @import { JobEvent } from "./types.d.ts" */

import { ENDED_JOBS } from "../states.js";
import { get, jobPath } from "./api.js";
import { Socket } from "./socket.js";

const GATHER_MS = 120; // events are handed over in batches, so that a fast album stays smooth
const SILENCE_MS = 15_000; // after which we look ourselves: a broken line may not say so

export class JobEvents {
  #seen;
  #ended = false;
  #stopped = false;
  /** @type {JobEvent[]} */
  #gathered = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #handOver;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence;
  #socket;

  /**
   * Follow a job.
   * @param {string} job
   * @param {number} after the seq of the last event that is known
   * @param {(events: JobEvent[]) => void} onEvents gets batches
   * @param {(connected: boolean) => void} [onConnection] is told when the connection is there
   *   and when it breaks
   */
  constructor(job, after, onEvents, onConnection = () => {}) {
    this.job = job;
    this.onEvents = onEvents;
    this.#seen = after;
    this.#socket = new Socket(() => `/ws/jobs/${encodeURIComponent(job)}?after=${this.#seen}`, {
      onMessage: (event) => {
        this.#awaitSilence();
        this.#take(event);
      },
      onConnection: (connected) => {
        if (connected) this.#awaitSilence();
        else clearTimeout(this.#silence);
        onConnection(connected);
      },
      isFinished: (code) => {
        clearTimeout(this.#silence);
        return code === 1000 && this.#ended;
      },
    });
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#handOver);
    clearTimeout(this.#silence);
    this.#socket.stop();
  }

  /** @param {JobEvent} event */
  #take(event) {
    if (typeof event.seq !== "number" || event.seq <= this.#seen) return; // a ping, or known
    this.#seen = event.seq;
    if (event.type === "job") this.#ended = ENDED_JOBS.includes(event.state);
    this.#gathered.push(event);
    this.#handOver ??= setTimeout(() => this.#flush(), GATHER_MS);
  }

  #flush() {
    this.#handOver = undefined;
    const events = this.#gathered;
    this.#gathered = [];
    if (!this.#stopped) this.onEvents(events);
  }

  #awaitSilence() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#look(), SILENCE_MS);
  }

  /** Whether something has happened that the socket did not tell. */
  async #look() {
    const from = this.#seen;
    /** @type {JobEvent[]} */
    const news = await get(`${jobPath(this.job)}/events?after=${from}`).catch(() => []);
    if (this.#stopped || this.#seen !== from) return;
    if (news.length) {
      news.forEach((event) => this.#take(event));
      this.#socket.reconnect();
    }
    this.#awaitSilence();
  }
}
