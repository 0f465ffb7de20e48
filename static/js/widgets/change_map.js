// Where the result differs from the photo, as colour over both: the stronger, the more.

/** @import { Viewer } from "./viewer.js" */

import { find } from "../shared/dom.js";
import { drawn } from "./live_strength.js";

const COLOUR = [214, 0, 122];
const LEAST = 5; // levels: less is the rounding of another compression
const MOST = 40; // levels from which on the colour is strongest
const STRONGEST = 220; // of 255

export class ChangeMap {
  #frame = 0;

  /** @param {Viewer} viewer */
  constructor(viewer) {
    this.viewer = viewer;
    this.button = find("[data-changes]", viewer.root);
    this.canvas = find(".changes", viewer.root, HTMLCanvasElement);
    this.note = find(".changes-note", viewer.root);
    this.button.addEventListener("click", () => this.#toggle(!this.isOn));
    viewer.root.addEventListener("draw", () => this.isOn && this.#drawSoon());
  }

  get isOn() {
    return this.button.ariaPressed === "true";
  }

  /** @param {boolean} isOn */
  #toggle(isOn) {
    this.button.ariaPressed = String(isOn);
    this.canvas.hidden = this.note.hidden = !isOn;
    if (isOn) this.#drawSoon();
  }

  #drawSoon() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const { place, resultPlace, before, after, slider } = this.viewer;
    const isComparison =
      after.hasAttribute("src") && !this.viewer.root.classList.contains("single");
    if (!place || !resultPlace || !isComparison) {
      this.canvas.width = this.canvas.height = 0;
      return;
    }
    const size = { width: slider.clientWidth, height: slider.clientHeight };
    const [was, is] = [drawn(before, resultPlace, size), drawn(after, resultPlace, size)];
    if (!was || !is) return;
    const { data } = is.mixed;
    for (let i = 0; i < data.length; i += 4) {
      const apart = Math.max(
        Math.abs(was.data[i] - is.data[i]),
        Math.abs(was.data[i + 1] - is.data[i + 1]),
        Math.abs(was.data[i + 2] - is.data[i + 2]),
      );
      const share = Math.min(1, Math.max(0, apart - LEAST) / (MOST - LEAST));
      [data[i], data[i + 1], data[i + 2]] = COLOUR;
      data[i + 3] = STRONGEST * Math.sqrt(share);
    }
    this.canvas.width = is.width;
    this.canvas.height = is.height;
    this.canvas.style.width = `${size.width}px`;
    this.canvas.style.height = `${size.height}px`;
    this.canvas.getContext("2d")?.putImageData(is.mixed, 0, 0);
  }
}
