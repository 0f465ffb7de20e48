// The events of a job, as they happen: each once, in order, through any broken connection, and
// where no WebSocket comes through, as behind many a proxy, by asking again and again.

/** @import { JobEvent } from "./types.d.ts" */

import { ENDED_JOBS } from "../states.js";
import { attempt, get, jobPath } from "./api.js";
import { Socket } from "./socket.js";

const GATHER_MS = 120; // events are handed over in batches, so that a fast album stays smooth
const SILENCE_MS = 15_000; // after which we ask ourselves: a broken line may not say so
const ASK_EVERY_MS = 1000; // while there is no socket

export class JobEvents {
  #seen;
  #ended = false;
  #stopped = false;
  #hasSocket = false;
  /** @type {JobEvent[]} */
  #gathered = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #handOver;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #next;
  #socket;

  /**
   * Follow a job.
   * @param {string} job
   * @param {number} after the seq of the last event that is known
   * @param {(events: JobEvent[]) => void} onEvents gets batches
   * @param {(connected: boolean) => void} [onConnection] is told whether the server can be
   *   reached, whenever that has been tried
   * @param {number} [gather] milliseconds from an event to its batch
   */
  constructor(job, after, onEvents, onConnection = () => {}, gather = GATHER_MS) {
    this.job = job;
    this.onEvents = onEvents;
    this.onConnection = onConnection;
    this.gather = gather;
    this.#seen = after;
    this.#socket = new Socket(() => `/ws/jobs/${encodeURIComponent(job)}?after=${this.#seen}`, {
      onMessage: (event) => {
        this.#askIn(SILENCE_MS);
        this.#take(event);
      },
      onConnection: (connected) => {
        this.#hasSocket = connected;
        if (connected) onConnection(true);
        this.#askIn(connected ? SILENCE_MS : 0);
      },
      isFinished: (code) => {
        if (code !== 1000 || !this.#ended) return false;
        clearTimeout(this.#next);
        return true;
      },
    });
  }

  stop() {
    this.#stopped = true;
    clearTimeout(this.#handOver);
    clearTimeout(this.#next);
    this.#socket.stop();
  }

  /** @param {JobEvent} event */
  #take(event) {
    if (typeof event.seq !== "number" || event.seq <= this.#seen) return; // a ping, or known
    this.#seen = event.seq;
    if (event.type === "job") this.#ended = ENDED_JOBS.includes(event.state);
    this.#gathered.push(event);
    this.#handOver ??= setTimeout(() => this.#flush(), this.gather);
  }

  #flush() {
    this.#handOver = undefined;
    const events = this.#gathered;
    this.#gathered = [];
    if (!this.#stopped) this.onEvents(events);
  }

  /** @param {number} milliseconds */
  #askIn(milliseconds) {
    clearTimeout(this.#next);
    if (!this.#stopped) this.#next = setTimeout(() => this.#ask(), milliseconds);
  }

  /** Whether something has happened that the socket did not tell. */
  async #ask() {
    const hadSocket = this.#hasSocket;
    const from = this.#seen;
    const news = await attempt(
      () => /** @type {Promise<JobEvent[]>} */ (get(`${jobPath(this.job)}/events?after=${from}`)),
      () => null,
    );
    if (this.#stopped) return;
    if (!this.#hasSocket) this.onConnection(news !== null);
    const isNews = this.#seen === from && news?.length;
    for (const event of news ?? []) this.#take(event);
    if (isNews && hadSocket) this.#socket.reconnect();
    else if (this.#ended && !this.#hasSocket) this.#socket.stop();
    else this.#askIn(this.#hasSocket ? SILENCE_MS : ASK_EVERY_MS);
  }
}
