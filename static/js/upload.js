// Sends the photos of an album: three at a time, each with a key of its own.
//
// When the connection breaks, everything waits and is sent again once the server answers.
// What had arrived before is recognised by its key and not kept twice.

import { jobPath, upload } from "./api.js";

const AT_ONCE = 3;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
const PASSING = [0, 408, 429, 500, 502, 503, 504]; // HTTP states that may be gone next time

export const keyOf = ({ file, name }) => `${file.size}-${file.lastModified}-${name}`;

export class Uploader {
  /**
   * on.sent(photo, item), on.refused(photo, message), on.waiting(message or null), on.progress()
   * where a photo is {file, name}.
   */
  constructor(job, on) {
    this.job = job;
    this.on = on;
    this.queue = [];
    this.known = new Set(); // keys that are in the job, on the way or refused
    this.total = this.sent = this.refused = 0;
    this.bytes = 0; // sent by this page
    this.atWork = 0;
    this.wait = FIRST_WAIT_MS;
  }

  get finished() {
    return this.sent + this.refused === this.total;
  }

  /** These photos are in the job already. */
  remember(keys) {
    for (const key of keys) this.known.add(key);
  }

  /** Send photos, without those that are known; how many are new. */
  add(photos) {
    const fresh = photos.filter((photo) => {
      const key = keyOf(photo);
      return !this.known.has(key) && this.known.add(key);
    });
    this.total += fresh.length;
    this.queue.push(...fresh);
    while (this.atWork < AT_ONCE && this.queue.length) this.#work();
    return fresh.length;
  }

  async #work() {
    this.atWork += 1;
    for (let photo = this.queue.shift(); photo; photo = this.queue.shift()) {
      await this.#send(photo);
      this.on.progress();
    }
    this.atWork -= 1;
  }

  async #send(photo) {
    for (;;) {
      try {
        const item = await upload(`${jobPath(this.job)}/items`, this.#form(photo));
        this.wait = FIRST_WAIT_MS;
        this.on.waiting(null);
        this.sent += 1;
        this.bytes += photo.file.size;
        this.on.sent(photo, item);
        return;
      } catch (error) {
        if (!(await this.#mayTryAgain(photo, error))) return;
      }
    }
  }

  async #mayTryAgain(photo, error) {
    const readable = await isReadable(photo.file);
    if (!readable || !PASSING.includes(error.status)) {
      this.refused += 1;
      this.known.delete(keyOf(photo)); // it may be tried again by adding it again
      this.on.refused(photo, error.message);
      return false;
    }
    this.on.waiting(error.message);
    await new Promise((resolve) => {
      setTimeout(resolve, this.wait);
      addEventListener("online", resolve, { once: true });
    });
    this.wait = Math.min(this.wait * 1.6, LONGEST_WAIT_MS);
    return true;
  }

  #form(photo) {
    const form = new FormData();
    // Fields before the file: the server then knows the name while the file streams in.
    form.append("name", photo.name);
    form.append("key", keyOf(photo));
    form.append("photo", photo.file, photo.file.name);
    return form;
  }
}

/** A file that was moved or deleted meanwhile looks like a broken connection. */
async function isReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
