// A photo of a grid before and after: under the mouse, where the keyboard is, or while it is held.

/** @import { PhotoTile } from "./photo_tile.js" */
/** @import { WindowedGrid } from "./windowed_grid.js" */

const REST_MS = 80; // that the mouse stays on a tile before its other picture is asked for
const HOLD_MS = 350; // that a finger stays

export class TileComparison {
  /** @type {PhotoTile | null} */
  #tile = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #isHeld = false;

  /** @param {WindowedGrid} grid */
  constructor(grid) {
    this.grid = grid;
    const { element } = grid;
    element.addEventListener("pointermove", (event) => this.#move(event));
    element.addEventListener("pointerleave", () => this.#end());
    element.addEventListener("focusin", ({ target }) => this.#focus(target));
    element.addEventListener("focusout", () => this.#end());
    element.addEventListener("pointerdown", (event) => this.#press(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
      element.addEventListener(end, (event) => this.#release(event));
    }
    element.addEventListener("contextmenu", (event) => this.#isHeld && event.preventDefault());
    element.addEventListener("click", (event) => this.#click(event), true);
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (event.pointerType === "touch") return;
    const tile = this.grid.tileOf(event.target) ?? null;
    const at = tile && placeIn(tile.element, event.clientX);
    if (tile === this.#tile && tile?.element.classList.contains("comparing")) {
      tile.compare(at ?? 0);
    } else if (tile !== this.#tile) {
      this.#end();
      this.#tile = tile;
      if (tile) this.#timer = setTimeout(() => tile.compare(at ?? 0), REST_MS);
    }
  }

  /** @param {EventTarget | null} target */
  #focus(target) {
    const tile = this.grid.tileOf(target);
    if (!tile?.element.matches(":focus-visible")) return;
    this.#end();
    this.#tile = tile;
    tile.compare(0.5);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    this.#isHeld = false;
    if (event.pointerType !== "touch") return;
    this.#end();
    const tile = this.grid.tileOf(event.target) ?? null;
    this.#tile = tile;
    if (!tile?.photo?.isCompared) return;
    this.#timer = setTimeout(() => {
      this.#isHeld = true;
      tile.compare(1);
    }, HOLD_MS);
  }

  /** @param {PointerEvent} event */
  #release(event) {
    if (event.pointerType === "touch") this.#end();
  }

  /** Who has looked at a photo by holding it does not open it. @param {Event} event */
  #click(event) {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    event.preventDefault();
    event.stopPropagation();
  }

  #end() {
    clearTimeout(this.#timer);
    this.#tile?.endComparing();
    this.#tile = null;
  }
}

/** @param {HTMLElement} element @param {number} x */
function placeIn(element, x) {
  const { left, width } = element.getBoundingClientRect();
  return Math.min(1, Math.max(0, (x - left) / width));
}
