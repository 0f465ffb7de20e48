// One album: what the store knows of it, and from then on every event.

/** @import { Job, JobEvent, JobWithItems } from "../shared/types.d.ts" */
/** @import { ApiError } from "../shared/api.js" */

import { attempt, get, jobPath, post } from "../shared/api.js";
import { copyText } from "../shared/copying.js";
import { ask, find, toast, toastError } from "../shared/dom.js";
import { JobEvents } from "../shared/job_events.js";
import { permit, tell } from "../shared/notify.js";
import { say } from "../shared/words.js";
import { FastModeSwitch } from "../widgets/fast_mode.js";
import { ENDED_JOBS, UNFINISHED_ITEMS } from "../states.js";
import { AlbumHeader } from "./album_header.js";
import { AlbumProgress } from "./album_progress.js";
import { FailureList } from "./failure_list.js";
import { Lightbox } from "./lightbox.js";
import { PhotoGrid } from "./photo_grid.js";
import { RunAgainDialog } from "./run_again_dialog.js";

class AlbumPage {
  /** @type {Job | null} */
  #job = null;
  /** @type {JobEvents | null} */
  #events = null;

  /** @param {HTMLElement} root @param {string} id */
  constructor(root, id) {
    this.id = id;
    this.offline = find("#offline", root);
    this.header = new AlbumHeader(root);
    this.progress = new AlbumProgress(root);
    this.failures = new FailureList(find("#failures", root, HTMLDetailsElement));
    this.grid = new PhotoGrid(root, id);
    this.lightbox = new Lightbox(find("#lightbox", document, HTMLDialogElement), id, {
      job: () => this.#job,
      neighbours: (n) => this.grid.neighbours(n),
      onClose: (n) => this.grid.focus(n),
      onRedo: () => this.#refreshFacts(),
    });
    this.again = new RunAgainDialog(
      find("#again", document, HTMLDialogElement),
      () => this.#job,
      () => this.grid.own,
    );
    this.#listen(root);
    new FastModeSwitch(find("#fast-mode", root), { isOffer: true }).refresh();
  }

  async load() {
    await attempt(
      async () => {
        /** @type {JobWithItems} */
        const { items, machines, ...job } = await get(jobPath(this.id));
        this.#job = job;
        this.header.machines = machines;
        this.#draw(job);
        for (const { n, error } of items) this.failures.set(n, error);
        this.grid.fill(items);
        this.failures.draw(this.grid);
        if (!this.#hasEnded) this.#follow(job);
        this.#openFromAddress();
      },
      (error) => {
        this.offline.hidden = false;
        this.offline.textContent = error.message;
      },
    );
  }

  /** @param {HTMLElement} root */
  #listen(root) {
    for (const verb of ["pause", "resume", "retry", "restore-rest"]) {
      find(`#${verb}`, root).addEventListener("click", () => this.#change(verb));
    }
    const question = find("#cancel-ask", document, HTMLDialogElement);
    find("#cancel", root).addEventListener("click", async () => {
      if (await ask(question)) await this.#change("cancel");
    });
    find("#run-again", root).addEventListener("click", () => this.again.open());
    find("#notify", root).addEventListener("click", async () => {
      toast(say((await permit()) ? "notify.on" : "notify.denied"));
      if (this.#job) this.#draw(this.#job);
    });
    root.querySelector("#copy")?.addEventListener("click", () => copyText(find("#folder", root)));
    root.querySelector("#open-folder")?.addEventListener("click", () => {
      attempt(() => post(`${jobPath(this.id)}/open-folder`), toastError);
    });
    addEventListener("hashchange", () => this.#openFromAddress());
    document.addEventListener("visibilitychange", () => {
      // Another window may have asked for a retry meanwhile.
      if (document.visibilityState === "visible" && this.#hasEnded) this.#refreshFacts();
    });
  }

  get #hasEnded() {
    return this.#job !== null && ENDED_JOBS.includes(this.#job.state);
  }

  /** @param {Job} job */
  #draw(job) {
    this.header.draw(job);
    this.progress.draw(job);
    this.grid.drawFilters(job.counts);
  }

  /** @param {Job} job */
  #follow(job) {
    this.#events?.stop();
    this.#events = new JobEvents(
      this.id,
      job.seq,
      (events) => this.#take(events),
      (connected) => {
        this.offline.hidden = connected;
        if (!connected) get(jobPath(this.id)).catch((error) => this.#tellIfGone(error));
      },
    );
  }

  /** Another window may have deleted the job. @param {ApiError} error */
  #tellIfGone({ status, message }) {
    if (status !== 404) return;
    this.#events?.stop();
    this.offline.textContent = message;
  }

  /** @param {JobEvent[]} events */
  #take(events) {
    let job = this.#job;
    if (!job) return;
    let ended = false; // told by an event: the answer to "cancel" may come before the last photos'
    let photos = false;
    for (const event of events) {
      job = { ...job, seq: event.seq, counts: event.counts, eta_seconds: event.eta_seconds };
      if (event.item === null) {
        ended = ENDED_JOBS.includes(event.state);
        job = { ...job, state: event.state, reason: event.error?.message ?? null };
      } else {
        photos = true;
        this.#takeItem(event.item, event);
      }
    }
    this.#job = job;
    this.#draw(job);
    if (photos) this.failures.draw(this.grid);
    if (ended) this.#finish(job);
  }

  /** @param {number} n @param {JobEvent} event */
  #takeItem(n, event) {
    this.grid.set(n, event);
    this.failures.set(n, event.error);
    const isNews = event.type === "item" || !UNFINISHED_ITEMS.includes(event.state);
    if (n === this.lightbox.n && isNews) this.lightbox.refresh();
  }

  /** @param {Job} job */
  #finish(job) {
    this.#events?.stop();
    tell(say("notify.title", { name: job.name }), this.progress.words);
    this.#refreshFacts();
  }

  /** What only the job itself knows, once it has ended; and whether it goes on by now. */
  async #refreshFacts() {
    await attempt(
      async () => {
        /** @type {JobWithItems} */
        const { items, machines, ...now } = await get(jobPath(this.id));
        this.header.machines = machines;
        this.grid.setOwn(items);
        const job = { ...now, seq: this.#job?.seq ?? now.seq };
        this.#job = job;
        this.#draw(job);
        // It may have gone on and ended again by now: what has not been told yet is told then.
        if (!this.#hasEnded || now.seq > job.seq) this.#follow(job);
      },
      () => {}, // what the events have told is shown already
    );
  }

  /** Ask the server for a change of the job. @param {string} verb */
  async #change(verb) {
    await attempt(async () => {
      const hadEnded = this.#hasEnded;
      /** @type {Job} */
      const now = await post(`${jobPath(this.id)}/${verb}`);
      // An older picture than what the events have told already changes nothing.
      if (this.#job && now.seq >= this.#job.seq) {
        this.#job = { ...now, seq: this.#job.seq };
        this.#draw(this.#job);
      }
      if (hadEnded && this.#job && !this.#hasEnded) this.#follow(this.#job);
    }, toastError);
  }

  #openFromAddress() {
    const wanted = location.hash.slice(1);
    if (!wanted)
      this.lightbox.dialog.close(); // back to the album
    else if (wanted === "again") {
      this.again.open();
      history.replaceState(null, "", location.pathname);
    } else if (/^\d+$/.test(wanted)) {
      const photo = this.grid.photo(Number(wanted));
      if (photo) this.lightbox.open(photo.n);
    }
  }
}

const root = find("#job");
new AlbumPage(root, root.dataset.job ?? "").load();
