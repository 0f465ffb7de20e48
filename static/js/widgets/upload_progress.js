// How far the photos of an album have been sent.

import { find } from "../shared/dom.js";
import { bytes, count, say } from "../shared/words.js";

export class UploadProgress {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.bar = find("#upload-bar", element, HTMLProgressElement);
    this.words = find("#upload-words", element);
    this.speed = find("#upload-speed", element);
    this.waiting = find("#upload-waiting", element);
  }

  /**
   * @param {number} here photos that are in the album
   * @param {number} total with those that are still to be sent
   * @param {number} speed bytes a second; 0 where it is not known
   * @param {boolean} done whether all have been sent
   */
  show(here, total, speed, done) {
    this.bar.value = total ? here / total : 0;
    this.say(done ? count("upload.all", here) : say("upload.going", { done: here, total }));
    this.speed.textContent = speed ? say("upload.speed", { speed: bytes(speed) }) : "";
  }

  /** @param {string} words */
  say(words) {
    this.words.textContent = words;
  }

  /** Whether it waits for the connection to come back. @param {boolean} isWaiting */
  setWaiting(isWaiting) {
    this.waiting.hidden = !isWaiting;
    this.waiting.textContent = say("upload.waiting");
  }
}
