// A finger that swipes over an album's photo leads to the next or the one before.

/** @import { Viewer } from "../widgets/viewer.js" */

import { find } from "../shared/dom.js";
import { isOver } from "../widgets/viewer_pointers.js";

const LEAST = 50; // CSS pixels
const STEEPEST = 0.6; // of its way to the side that a swipe may go up or down

export class Swipes {
  /** Where a finger went down that may become a swipe. @type {PointerEvent | null} */
  #begun = null;

  /**
   * @param {HTMLElement} element
   * @param {Viewer} viewer in it; a zoomed photo is moved instead
   * @param {(which: "previous" | "next") => void} onSwipe
   */
  constructor(element, viewer, onSwipe) {
    this.viewer = viewer;
    this.onSwipe = onSwipe;
    if (!matchMedia("(pointer: coarse)").matches) return;
    // Else the divider would follow a finger wherever it is.
    viewer.root.addEventListener("draw", () => (viewer.slider.handle = true));
    element.addEventListener("pointerdown", (event) => this.#press(event));
    element.addEventListener("pointerup", (event) => this.#release(event));
    element.addEventListener("pointercancel", () => (this.#begun = null));
  }

  /** @param {PointerEvent} event */
  #press(event) {
    const over = /** @type {Element} */ (event.target);
    const isOverHandle = isOver(event, find(".handle", this.viewer.root)); // it lets pointers through
    const isFree =
      !isOverHandle && over.closest(".viewer, .photo-note") && !over.closest(".zooms, .drawing");
    const isAlone = event.isPrimary && event.pointerType === "touch";
    this.#begun = isAlone && isFree && !this.viewer.isZoomed ? event : null;
  }

  /** @param {PointerEvent} event */
  #release({ pointerId, clientX, clientY }) {
    const begun = this.#begun;
    this.#begun = null;
    if (begun?.pointerId !== pointerId) return;
    const [x, y] = [clientX - begun.clientX, clientY - begun.clientY];
    if (Math.abs(x) < LEAST || Math.abs(y) > STEEPEST * Math.abs(x)) return;
    this.onSwipe(x < 0 ? "next" : "previous");
  }
}
