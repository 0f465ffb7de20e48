// A box that the user draws around a face: with the mouse or a finger, or by keys.

/** @import { Face } from "../shared/types.d.ts" */
/** @import { Point, Size, Viewer } from "./viewer.js" */

import { make } from "../shared/dom.js";
import { ARROW_STEPS, limit } from "../shared/geometry.js";
import { say } from "../shared/words.js";

const FIRST = 0.2; // of the viewer's shorter side: the box that is there at first
const LEAST = 10; // CSS pixels; what is drawn smaller was a click
const STEP = 6; // CSS pixels by which a key moves or changes the box

export class BoxDrawing {
  /** In pixels of the photo as it is shown. @type {Face["box"]} */
  #box = [0, 0, 1, 1];
  /** Of the photo, when drawing began: a result that arrives meanwhile loads it anew. @type {Size} */
  #photo = { width: 1, height: 1 };
  #known = { x: 0, y: 0, width: 1 };
  /** Where the pointer went down. @type {Point | null} */
  #from = null;
  /** @type {((box: Face["box"] | null) => void) | null} */
  #answer = null;

  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.box = make("div", {
      className: "drawn-box",
      tabIndex: 0,
      role: "group",
      "aria-label": say("box.keys"),
    });
    this.layer = make("div", { className: "drawing" }, this.box);
    const add = make("button", { type: "button", className: "button primary" }, say("box.add"));
    const stop = make("button", { type: "button", className: "button" }, say("box.cancel"));
    const words = make("p", {}, say("box.words"));
    this.bar = make("div", { className: "drawing-bar", role: "status" }, words, stop, add);
    add.addEventListener("click", () => this.#end(this.#box));
    stop.addEventListener("click", () => this.cancel());
    this.#listen();
  }

  /**
   * Let the user draw.
   * @returns {Promise<Face["box"] | null>} in pixels of the photo as it is shown, within it; null:
   * given up
   */
  ask() {
    this.cancel();
    this.#photo = { ...this.viewer.photoSize };
    this.#box = this.#first();
    this.viewer.root.append(this.layer, this.bar);
    this.viewer.root.classList.add("drawing-box");
    /** @type {Promise<Face["box"] | null>} */
    const answered = new Promise((resolve) => (this.#answer = resolve));
    this.#draw();
    this.box.focus();
    return answered;
  }

  cancel() {
    this.#end(null);
  }

  /** @param {Face["box"] | null} box */
  #end(box) {
    this.layer.remove();
    this.bar.remove();
    this.viewer.root.classList.remove("drawing-box");
    this.#answer?.(box);
    this.#answer = null;
  }

  #listen() {
    this.viewer.root.addEventListener("draw", () => this.#draw());
    this.layer.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      event.preventDefault();
      this.layer.setPointerCapture(event.pointerId);
      this.#from = this.#point(event);
    });
    this.layer.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      this.layer.addEventListener(end, () => {
        this.#from = null;
        this.box.focus();
      });
    }
    this.layer.addEventListener("keydown", (event) => this.#key(event));
  }

  /** @param {PointerEvent} event */
  #move(event) {
    const [from, to, scale] = [this.#from, this.#point(event), this.#scale];
    if (!from || Math.min(Math.abs(to.x - from.x), Math.abs(to.y - from.y)) < LEAST / scale) return;
    const [left, right] = [Math.min(from.x, to.x), Math.max(from.x, to.x)];
    const [top, bottom] = [Math.min(from.y, to.y), Math.max(from.y, to.y)];
    this.#set([left, top, right, bottom]);
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    if (event.key === "Enter") this.#end(this.#box);
    else if (event.key === "Escape") this.cancel();
    else if (ARROW_STEPS[event.key]) {
      const step = STEP / this.#scale;
      const [x, y] = ARROW_STEPS[event.key].map((part) => part * step);
      const [left, top, right, bottom] = this.#box;
      const least = LEAST / this.#scale;
      if (event.shiftKey) {
        this.#set([
          left,
          top,
          Math.max(right + x, left + least),
          Math.max(bottom + y, top + least),
        ]);
      } else {
        const { width, height } = this.#photo; // at its edges the box keeps its size
        const byX = limit(x, -left, width - right);
        const byY = limit(y, -top, height - bottom);
        this.#set([left + byX, top + byY, right + byX, bottom + byY]);
      }
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** @param {Face["box"]} box */
  #set([left, top, right, bottom]) {
    const { width, height } = this.#photo;
    this.#box = [
      limit(left, 0, width - 1),
      limit(top, 0, height - 1),
      limit(right, 1, width),
      limit(bottom, 1, height),
    ];
    this.#draw();
  }

  /** In the middle of what is seen of the photo. @returns {Face["box"]} */
  #first() {
    const { clientWidth, clientHeight } = this.viewer.slider;
    const half = (FIRST / 2) * Math.min(clientWidth, clientHeight);
    const { x, y } = this.#inPhoto({ x: clientWidth / 2, y: clientHeight / 2 });
    const reach = half / this.#scale;
    return [x - reach, y - reach, x + reach, y + reach];
  }

  #draw() {
    if (!this.#answer) return;
    const place = this.#place;
    const [left, top, right, bottom] = this.#box.map((side) => side * this.#scale);
    this.box.style.left = `${place.x + left}px`;
    this.box.style.top = `${place.y + top}px`;
    this.box.style.width = `${right - left}px`;
    this.box.style.height = `${bottom - top}px`;
  }

  /** Where the photo lies; while a result loads, where it lay. */
  get #place() {
    return (this.#known = this.viewer.place ?? this.#known);
  }

  /** CSS pixels per pixel of the photo. */
  get #scale() {
    return this.#place.width / this.#photo.width;
  }

  /** @param {PointerEvent} event */
  #point(event) {
    const box = this.layer.getBoundingClientRect();
    return this.#inPhoto({ x: event.clientX - box.left, y: event.clientY - box.top });
  }

  /** @param {Point} point of the viewer @returns {Point} */
  #inPhoto(point) {
    const { x, y } = this.viewer.inPart(point);
    const place = this.#place;
    return { x: (x - place.x) / this.#scale, y: (y - place.y) / this.#scale };
  }
}
