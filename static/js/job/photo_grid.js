// All photos of an album, by folder and name, and the filters that show some of them.

/** @import { Counts, Item } from "../shared/types.d.ts" */

import { find, findAll, make } from "../shared/dom.js";
import { ItemState } from "../states.js";
import { byFolderAndName, GridPhoto, inFolders, PhotoTile } from "../widgets/photo_tile.js";
import { TileComparison } from "../widgets/tile_comparison.js";
import { WindowedGrid } from "../widgets/windowed_grid.js";

const ALL = "all";

export class PhotoGrid {
  /** By number. @type {Map<number, GridPhoto>} */
  #photos = new Map();
  /** By folder and name. @type {GridPhoto[]} */
  #ordered = [];
  #filter = ALL;
  #isStale = false; // a photo has come or gone by its state

  /** @param {HTMLElement} root @param {string} job */
  constructor(root, job) {
    this.element = find("#grid", root);
    this.grid = new WindowedGrid(this.element, () => new PhotoTile(job, make("a")));
    new TileComparison(this.grid);
    this.filters = findAll("button[data-show]", root);
    for (const button of this.filters) {
      button.addEventListener("click", () => this.#choose(button.dataset.show ?? ALL));
    }
  }

  /** @param {Item[]} items */
  fill(items) {
    const photos = items.map((item) => new GridPhoto(item));
    this.#photos = new Map(photos.map((photo) => [photo.n, photo]));
    this.#ordered = photos.sort(byFolderAndName);
    this.#show();
    this.element.setAttribute("aria-busy", "false");
  }

  /** @param {number} n */
  photo(n) {
    return this.#photos.get(n);
  }

  /** A photo has another state. @param {number} n @param {{state: string, stage: string | null}} item */
  set(n, item) {
    const photo = this.#photos.get(n);
    if (!photo) return;
    const was = this.#isShown(photo);
    photo.set(item);
    this.grid.tile(n)?.update();
    if (was !== this.#isShown(photo)) this.#showSoon();
  }

  /** How many photos have settings of their own. */
  get own() {
    return this.#ordered.filter(({ isOwn }) => isOwn).length;
  }

  /** Which photos have settings of their own by now. @param {Item[]} items */
  setOwn(items) {
    for (const { n, options } of items) {
      const photo = this.#photos.get(n);
      if (!photo || photo.isOwn === (options !== null)) continue;
      photo.isOwn = options !== null;
      this.grid.tile(n)?.update();
    }
  }

  /** The numbers of the photos that are shown to the left and right of one. @param {number} n */
  neighbours(n) {
    return this.grid.neighbours(n);
  }

  /** Bring a photo into view and give it the focus. @param {number} n */
  focus(n) {
    this.grid.focus(n);
  }

  /** How many photos each filter shows. @param {Counts} counts */
  drawFilters(counts) {
    const numbers = { ...counts, [ALL]: counts.total, waiting: counts.waiting + counts.running };
    for (const button of this.filters) {
      const key = /** @type {keyof typeof numbers} */ (button.dataset.show);
      find("b", button).textContent = String(numbers[key]);
      button.hidden = key !== ALL && !numbers[key] && this.#filter !== key;
    }
  }

  /** @param {GridPhoto} photo */
  #isShown({ state }) {
    if (this.#filter === ALL || this.#filter === state) return true;
    return this.#filter === ItemState.WAITING && state === ItemState.RUNNING; // both are to do
  }

  /** @param {string} filter */
  #choose(filter) {
    this.#filter = filter;
    for (const button of this.filters) {
      button.setAttribute("aria-pressed", String(button.dataset.show === filter));
    }
    this.#show();
  }

  #showSoon() {
    if (this.#isStale) return;
    this.#isStale = true;
    requestAnimationFrame(() => this.#show());
  }

  #show() {
    this.#isStale = false;
    this.grid.show(inFolders(this.#ordered.filter((photo) => this.#isShown(photo))));
  }
}
