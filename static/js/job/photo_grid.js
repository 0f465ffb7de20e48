// All photos of an album, by name as in a folder, and the filters that show some of them.

/** @import { Counts, Item } from "../shared/types.d.ts" */

import { find, findAll } from "../shared/dom.js";
import { ItemState } from "../states.js";
import { addSlowly, PhotoCell } from "../widgets/photo_cell.js";

const ALL = "all";
const byName = new Intl.Collator(document.documentElement.lang, { numeric: true });

export class PhotoGrid {
  /** By number: photos are numbered as they arrive. @type {PhotoCell[]} */
  #cells = [];
  /** By name. @type {PhotoCell[]} */
  #ordered = [];
  #filter = ALL;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.element = find("#grid", root);
    this.filters = findAll("button[data-show]", root);
    for (const button of this.filters) {
      button.addEventListener("click", () => this.#show(button.dataset.show ?? ALL));
    }
  }

  /**
   * Draw all photos; resolves when the last one is there, but knows them at once.
   * @param {string} job
   * @param {Item[]} items
   */
  async fill(job, items) {
    this.#cells = items.map((item) => new PhotoCell(job, item));
    this.#ordered = this.#cells.toSorted((a, b) => byName.compare(a.name, b.name));
    this.element.replaceChildren();
    await addSlowly(
      this.element,
      this.#ordered.map((cell) => cell.element),
    );
    this.element.setAttribute("aria-busy", "false");
  }

  /** @param {number} n @returns {PhotoCell | undefined} */
  cell(n) {
    return this.#cells[n];
  }

  /** A photo has another state. @param {number} n @param {{state: string, stage: string | null}} item */
  set(n, item) {
    this.cell(n)?.set(item);
  }

  /** The numbers of the photos that are shown to the left and right of one. @param {number} n */
  neighbours(n) {
    const at = this.#ordered.findIndex((cell) => cell.n === n);
    const shown = (/** @type {PhotoCell} */ cell) => this.#isShown(cell);
    const previous = this.#ordered.slice(0, at).findLast(shown);
    const next = this.#ordered.slice(at + 1).find(shown);
    return { previous: previous?.n ?? null, next: next?.n ?? null };
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

  /** @param {PhotoCell} cell */
  #isShown({ state }) {
    if (this.#filter === ALL || this.#filter === state) return true;
    return this.#filter === ItemState.WAITING && state === ItemState.RUNNING; // both are to do
  }

  /** @param {string} filter */
  #show(filter) {
    this.#filter = filter;
    this.element.dataset.show = filter;
    for (const button of this.filters) {
      button.setAttribute("aria-pressed", String(button.dataset.show === filter));
    }
  }
}
