// The mouse and fingers in a viewer: one pans a zoomed photo, two zoom, and so does the wheel.

/** @import { Point, Viewer } from "./viewer.js" */

import { find } from "../shared/dom.js";

export class ViewerPointers {
  /** Where each pointer is that is down. @type {Map<number, Point>} */
  #down = new Map();
  #apart = 0; // CSS pixels between two fingers
  #divider = 50; // where it was when the first finger went down

  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.slider = viewer.slider;
    this.slider.addEventListener("dblclick", (event) => viewer.toggleZoom(this.#point(event)));
    this.slider.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.slider.addEventListener("pointerdown", (event) => this.#press(event));
    this.slider.addEventListener("touchmove", (event) => this.#touch(event), { capture: true });
    addEventListener("pointermove", (event) => this.#move(event));
    for (const end of /** @type {const} */ (["pointerup", "pointercancel"])) {
      addEventListener(end, (event) => this.#down.delete(event.pointerId));
    }
  }

  /** @param {MouseEvent} event */
  #point(event) {
    const box = this.slider.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  /** @param {WheelEvent} event */
  #wheel(event) {
    const zooms = event.ctrlKey || event.metaKey;
    if (!zooms && !this.viewer.isZoomed) return;
    event.preventDefault();
    if (zooms) this.viewer.zoomBy(Math.exp(-event.deltaY / 200), this.#point(event));
    else this.viewer.pan(-event.deltaX, -event.deltaY);
  }

  /** @param {PointerEvent} event */
  #press(event) {
    if (isOver(event, find(".handle", this.slider))) return;
    if (!this.#down.size) this.#divider = this.slider.value;
    this.#down.set(event.pointerId, this.#point(event));
    if (this.#down.size === 2) {
      this.#apart = this.#fingers().apart;
      this.slider.value = this.#divider;
    }
  }

  /** Two fingers zoom; the component would move the divider. @param {TouchEvent} event */
  #touch(event) {
    if (this.#down.size > 1) event.stopImmediatePropagation();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const from = this.#down.get(event.pointerId);
    if (!from) return;
    const to = this.#point(event);
    this.#down.set(event.pointerId, to);
    if (this.#down.size === 2) {
      const { apart, middle } = this.#fingers();
      this.viewer.zoomBy(apart / this.#apart, middle);
      this.#apart = apart;
    } else if (this.viewer.isZoomed) {
      this.viewer.pan(to.x - from.x, to.y - from.y);
    }
  }

  /** How far two fingers are apart, and the point between them. */
  #fingers() {
    const [a, b] = [...this.#down.values()];
    const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
    return { apart: Math.hypot(a.x - b.x, a.y - b.y), middle };
  }
}

/**
 * Whether a pointer is over an element that may let pointers through.
 * @param {MouseEvent} event
 * @param {Element} element
 */
export function isOver(event, element) {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const { clientX: x, clientY: y } = event;
  return left <= x && x <= right && top <= y && y <= bottom;
}
