// The photos of an album that failed, and why.

/** @import { ItemError } from "../shared/types.d.ts" */
/** @import { PhotoGrid } from "./photo_grid.js" */

import { find, make } from "../shared/dom.js";
import { count } from "../shared/words.js";

const SHOWN = 200;
const FEW = 3; // are shown without being asked for

export class FailureList {
  /** Sentences by the photo's number. @type {Map<number, string>} */
  #messages = new Map();
  #drawn = "";

  /** @param {HTMLDetailsElement} element */
  constructor(element) {
    this.element = element;
  }

  /** A photo has failed, or no longer has. @param {number} n @param {ItemError | null} error */
  set(n, error) {
    if (error) this.#messages.set(n, error.message);
    else this.#messages.delete(n);
  }

  /** @param {PhotoGrid} grid knows the photos' names */
  draw(grid) {
    const failures = [...this.#messages].sort(([a], [b]) => a - b);
    const now = JSON.stringify(failures);
    if (now === this.#drawn) return;
    this.#drawn = now;
    if (this.element.hidden) this.element.open = failures.length <= FEW;
    this.element.hidden = failures.length === 0;
    find("#failures-title", this.element).textContent = count("failures", failures.length);
    const lines = failures.slice(0, SHOWN).map(([n, message]) => {
      const name = grid.photo(n)?.name ?? "";
      const text = message.includes(name) ? message : `${name}: ${message}`;
      return make("li", {}, make("a", { href: `#${n}` }, text));
    });
    if (failures.length > SHOWN) lines.push(make("li", {}, "…"));
    find("#failures-list", this.element).replaceChildren(...lines);
  }
}
