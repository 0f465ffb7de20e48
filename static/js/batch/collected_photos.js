// The photos that are in an album before it starts, by folder and name; each can be taken out
// again.

/** @import { Item } from "../shared/types.d.ts" */

import { icon, make } from "../shared/dom.js";
import { say } from "../shared/words.js";
import { byFolderAndName, GridPhoto, inFolders, PhotoTile } from "../widgets/photo_tile.js";
import { WindowedGrid } from "../widgets/windowed_grid.js";

export class CollectedPhotos {
  /** By number. @type {Map<number, {photo: GridPhoto, key: string | null}>} */
  #photos = new Map();
  #job = "";
  #isStale = false;

  /**
   * @param {HTMLElement} element
   * @param {(n: number) => void} takeOut is called when a photo is to be taken out
   */
  constructor(element, takeOut) {
    this.grid = new WindowedGrid(element, () => this.#makeTile());
    this.takeOut = takeOut;
  }

  /** @param {string} job @param {Item[]} items */
  add(job, items) {
    this.#job = job;
    for (const item of items) {
      this.#photos.set(item.n, { photo: new GridPhoto(item), key: item.key });
    }
    this.#showSoon();
  }

  /**
   * A photo was taken out; the focus goes to the next one.
   * @param {number} n
   * @returns {string | null} the key by which it was sent
   */
  remove(n) {
    const { previous, next } = this.grid.neighbours(n);
    const key = this.#photos.get(n)?.key ?? null;
    this.#photos.delete(n);
    this.#show();
    const neighbour = this.grid.tile(next ?? previous ?? -1);
    neighbour?.element.querySelector("button")?.focus();
    return key;
  }

  #makeTile() {
    const button = make(
      "button",
      { type: "button", className: "take-out", title: say("photo.out") },
      icon("close"),
    );
    const tile = new PhotoTile(this.#job, make("div", {}));
    button.addEventListener("click", () => tile.photo && this.takeOut(tile.photo.n));
    tile.element.append(button);
    tile.onShow = ({ name }) => button.setAttribute("aria-label", say("photo.out.name", { name }));
    return tile;
  }

  /** Many photos that come at once are shown at once. */
  #showSoon() {
    if (this.#isStale) return;
    this.#isStale = true;
    requestAnimationFrame(() => this.#show());
  }

  #show() {
    this.#isStale = false;
    const photos = [...this.#photos.values()].map(({ photo }) => photo);
    this.grid.show(inFolders(photos.sort(byFolderAndName))); // they come nearly so
  }
}
