// The part of a picture that is kept: a box over it, whose corners move with pointers and keys.

/** @typedef {{left: number, top: number, right: number, bottom: number}} Part 0 to 1 each */

import { findAll } from "../shared/dom.js";
import { ARROW_STEPS, limit } from "../shared/geometry.js";

const STEP = 0.01;
const LARGE_STEP = 0.05; // with Shift
const SMALLEST = 0.02;
/** @type {Readonly<Part>} */
const WHOLE = Object.freeze({ left: 0, top: 0, right: 1, bottom: 1 });

export class CropBox {
  /** @type {Part} */
  #part = { ...WHOLE };
  /** What the pointer drags, and where it was last. @type {{corner: string, x: number, y: number} | null} */
  #dragged = null;

  /**
   * @param {HTMLElement} sheet has the picture's size; the box lies in it
   * @param {() => void} onChange
   */
  constructor(sheet, onChange) {
    this.sheet = sheet;
    this.onChange = onChange;
    for (const handle of findAll("[data-corner]", sheet)) {
      const corner = handle.dataset.corner ?? "";
      handle.addEventListener("keydown", (event) => this.#key(corner, event));
      handle.addEventListener("pointerdown", (event) => {
        event.preventDefault();
        handle.focus();
        handle.setPointerCapture(event.pointerId);
        this.#dragged = { corner, x: event.clientX, y: event.clientY };
      });
      handle.addEventListener("pointermove", (event) => this.#drag(event));
      for (const end of ["pointerup", "pointercancel"]) {
        handle.addEventListener(end, () => (this.#dragged = null));
      }
    }
  }

  get part() {
    return this.#part;
  }

  set part(part) {
    this.#part = part;
    this.sheet.style.setProperty("--left", `${100 * part.left}%`);
    this.sheet.style.setProperty("--top-edge", `${100 * part.top}%`);
    this.sheet.style.setProperty("--right", `${100 * part.right}%`);
    this.sheet.style.setProperty("--bottom", `${100 * part.bottom}%`);
    this.onChange();
  }

  /** All of the picture. */
  reset() {
    this.part = { ...WHOLE };
  }

  /** The picture has been turned by a quarter. @param {1 | -1} quarter 1: clockwise */
  turn(quarter) {
    const { left, top, right, bottom } = this.#part;
    this.part =
      quarter === 1
        ? { left: 1 - bottom, top: left, right: 1 - top, bottom: right }
        : { left: top, top: 1 - right, right: bottom, bottom: 1 - left };
  }

  /** @param {string} corner @param {KeyboardEvent} event */
  #key(corner, event) {
    const step = ARROW_STEPS[event.key];
    if (!step) return;
    event.preventDefault();
    const by = event.shiftKey ? LARGE_STEP : STEP;
    this.#move(corner, step[0] * by, step[1] * by);
  }

  /** @param {PointerEvent} event */
  #drag(event) {
    const from = this.#dragged;
    if (!from) return;
    const sheet = this.sheet.getBoundingClientRect();
    const [x, y] = [event.clientX - from.x, event.clientY - from.y];
    this.#dragged = { ...from, x: event.clientX, y: event.clientY };
    this.#move(from.corner, x / sheet.width, y / sheet.height);
  }

  /** @param {string} corner "all", or the sides that move @param {number} x parts @param {number} y */
  #move(corner, x, y) {
    const part = { ...this.#part };
    if (corner === "all") {
      const across = limit(x, -part.left, 1 - part.right);
      const down = limit(y, -part.top, 1 - part.bottom);
      part.left += across;
      part.right += across;
      part.top += down;
      part.bottom += down;
    }
    if (corner.includes("left")) part.left = limit(part.left + x, 0, part.right - SMALLEST);
    if (corner.includes("right")) part.right = limit(part.right + x, part.left + SMALLEST, 1);
    if (corner.includes("top")) part.top = limit(part.top + y, 0, part.bottom - SMALLEST);
    if (corner.includes("bottom")) part.bottom = limit(part.bottom + y, part.top + SMALLEST, 1);
    this.part = part;
  }
}
