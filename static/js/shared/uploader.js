// Sends the photos of an album: three at a time, each with a key of its own.
//
// When the connection breaks, everything waits and is sent again once the server answers.
// What had arrived before is recognised by its key and not kept twice.

/** @import { ChosenFile, Item } from "./types.d.ts" */
/** @import { ApiError } from "./api.js" */

import { attempt, jobPath, upload } from "./api.js";

const AT_ONCE = 3;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const SPEED_AFTER_S = 2; // it is not known well before
const PASSING = [0, 408, 429, 500, 502, 503, 504]; // HTTP states that may be gone next time

/** @param {ChosenFile} photo */
const keyOf = ({ file, name }) => `${file.size}-${file.lastModified}-${name}`;

export class Uploader {
  /** @type {ChosenFile[]} */
  #queue = [];
  /** Keys that are in the job, on the way or refused. @type {Set<string>} */
  #known = new Set();
  #total = 0;
  #sent = 0;
  #refused = 0;
  #bytes = 0; // sent by this page
  #begun = performance.now();
  #atWork = 0;
  #wait = FIRST_WAIT_MS;

  /**
   * @param {string} job
   * @param {{
   *   sent: (item: Item) => void,
   *   refused: (photo: ChosenFile, message: string) => void,
   *   waiting: (isWaiting: boolean) => void,
   *   progress: () => void,
   * }} on
   */
  constructor(job, on) {
    this.job = job;
    this.on = on;
  }

  get finished() {
    return this.left === 0;
  }

  /** How many photos are still to be sent. */
  get left() {
    return this.#total - this.#sent - this.#refused;
  }

  /** Bytes a second; 0 where it is not known yet. */
  get speed() {
    const seconds = (performance.now() - this.#begun) / 1000;
    return seconds > SPEED_AFTER_S ? this.#bytes / seconds : 0;
  }

  /** These photos are in the job already. @param {string[]} keys */
  remember(keys) {
    for (const key of keys) this.#known.add(key);
  }

  /** A photo is no longer in the job: it may be sent again. @param {string} key */
  forget(key) {
    this.#known.delete(key);
  }

  /** Send photos, without those that are known. @param {ChosenFile[]} photos */
  add(photos) {
    const fresh = photos.filter((photo) => {
      const key = keyOf(photo);
      return !this.#known.has(key) && this.#known.add(key);
    });
    this.#total += fresh.length;
    this.#queue.push(...fresh);
    while (this.#atWork < AT_ONCE && this.#queue.length) this.#work();
  }

  async #work() {
    this.#atWork += 1;
    for (let photo = this.#queue.shift(); photo; photo = this.#queue.shift()) {
      while (!(await this.#isSettled(photo)));
      this.on.progress();
    }
    this.#atWork -= 1;
  }

  /** Send a photo; whether it is in the job or refused. @param {ChosenFile} photo */
  async #isSettled(photo) {
    return await attempt(
      async () => {
        const item = await upload(`${jobPath(this.job)}/items`, formOf(photo));
        this.#wait = FIRST_WAIT_MS;
        this.on.waiting(false);
        this.#sent += 1;
        this.#bytes += photo.file.size;
        this.on.sent(item);
        return true;
      },
      (error) => this.#isRefused(photo, error),
    );
  }

  /** Whether a photo is refused for good; else wait a while. @param {ChosenFile} photo @param {ApiError} error */
  async #isRefused(photo, { status, message }) {
    if (!PASSING.includes(status) || !(await isReadable(photo.file))) {
      this.#refused += 1;
      this.#known.delete(keyOf(photo)); // it may be tried again by adding it again
      this.on.refused(photo, message);
      return true;
    }
    this.on.waiting(true);
    await new Promise((resolve) => {
      setTimeout(resolve, this.#wait);
      addEventListener("online", resolve, { once: true });
    });
    this.#wait = Math.min(this.#wait * 1.6, LONGEST_WAIT_MS);
    return false;
  }
}

/** @param {ChosenFile} photo */
function formOf(photo) {
  const form = new FormData();
  // Fields before the file: the server then knows the name while the file streams in.
  form.append("name", photo.name);
  form.append("key", keyOf(photo));
  for (const sidecar of photo.sidecars ?? []) form.append("xmp", sidecar, sidecar.name);
  form.append("photo", photo.file, photo.file.name);
  return form;
}

/** A file that was moved or deleted meanwhile looks like a broken connection. @param {File} file */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
