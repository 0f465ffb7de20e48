// The first sight of a result: its largest face, where that is small in the photo, and a way back.
// The divider swings a little, so that one sees that it can be moved.

/** @import { Face } from "../shared/types.d.ts" */
/** @import { Viewer } from "../widgets/viewer.js" */

import { find } from "../shared/dom.js";
import { shownBox } from "../shared/faces.js";

const SMALL = 1 / 8; // of the viewer's shorter side
const SWING = 14; // CSS pixels to each side
const SWINGS = 3;
const SWING_MS = 700;

export class FirstSight {
  /** Brings the divider to rest, while it swings. @type {(() => void) | null} */
  #rest = null;
  #isTaken = false; // somebody looks already where they want to

  /** @param {HTMLElement} root the viewer's element */
  constructor(root) {
    this.root = root;
    this.note = find(".first-sight", root.parentElement ?? root);
    root.addEventListener("draw", () => {
      if (root.dataset.zoomed === "no") this.end();
    });
    // Whoever takes hold of the divider finds it where it was.
    for (const taken of ["pointerdown", "keydown"]) {
      root.addEventListener(taken, () => this.#take(), { capture: true });
    }
  }

  #take() {
    this.#isTaken = true;
    this.#rest?.();
  }

  /** A new result is about to be shown. */
  expect() {
    this.#isTaken = false;
  }

  /**
   * A new result is shown, and what came with it. Whoever uses it already is left alone.
   * @param {Viewer} viewer @param {Face[]} faces
   */
  show(viewer, faces) {
    if (this.#isTaken || viewer.isZoomed) return;
    const largest = faces
      .filter(({ restored }) => restored)
      .sort((a, b) => sideOf(b) - sideOf(a))[0];
    this.end();
    const { place, slider } = viewer;
    if (!this.root.classList.contains("single")) this.#swing(slider);
    if (!largest || !place) return;
    const side = (sideOf(largest) * place.width) / viewer.photoSize.width;
    if (side > SMALL * Math.min(slider.clientWidth, slider.clientHeight)) return;
    viewer.lookAt(shownBox(largest));
    this.note.hidden = this.root.dataset.zoomed === "no";
    find("button", this.note).onclick = () => viewer.zoom("fit");
  }

  end() {
    this.note.hidden = true;
    this.#rest?.();
  }

  /** The divider with what is under it, so that its line and its knob stay together. @param {Viewer["slider"]} slider */
  #swing(slider) {
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return;
    const middle = slider.value;
    let begun = 0; // with the first frame, however late that comes
    let at = middle;
    const rest = () => {
      if (this.#rest !== rest) return;
      this.#rest = null;
      if (slider.value === at) slider.value = middle; // else somebody has moved it
    };
    const step = (/** @type {number} */ now) => {
      begun ||= now;
      const swings = (now - begun) / SWING_MS;
      if (this.#rest !== rest || swings >= SWINGS || slider.value !== at) return rest();
      slider.value = middle - (100 * SWING * Math.sin(2 * Math.PI * swings)) / slider.clientWidth;
      at = slider.value;
      requestAnimationFrame(step);
    };
    this.#rest = rest;
    requestAnimationFrame(step);
  }
}

/** How long its longer side is, in pixels of the photo. @param {Face} face */
function sideOf(face) {
  const [left, top, right, bottom] = shownBox(face);
  return Math.max(right - left, bottom - top);
}
