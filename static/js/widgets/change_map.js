// Where the result differs from the photo, as colour over both: the stronger, the more.

/** @import { Drawn } from "./live_strength.js" */
/** @import { Viewer } from "./viewer.js" */

import { find } from "../shared/dom.js";
import { limit } from "../shared/geometry.js";

const COLOUR = [214, 0, 122];
const BLOCK = 4; // pixels of the screen, over which changes are averaged: a map, not their grain
const LEAST = 4; // levels: less is the rounding of another compression
const MOST = 20; // levels from which on the colour is strongest
const STRONGEST = 220; // of 255
const SEEN = 0.1; // of the strongest: less is not seen

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
    this.note.textContent = "";
    if (isOn) this.#drawSoon();
  }

  #drawSoon() {
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#draw());
  }

  #draw() {
    const { place, resultPlace, after, live } = this.viewer;
    const isComparison =
      after.hasAttribute("src") && !this.viewer.root.classList.contains("single");
    if (!place || !resultPlace || !isComparison) {
      this.canvas.width = this.canvas.height = 0;
      return;
    }
    const { was, result } = live.inView(resultPlace);
    if (!was || !result) return;
    const { map, differs } = mapOf(was, result);
    this.note.textContent = this.note.dataset[differs ? "some" : "none"] ?? "";
    this.canvas.width = map.width;
    this.canvas.height = map.height;
    this.canvas.style.width = `${(map.width * BLOCK) / devicePixelRatio}px`;
    this.canvas.style.height = `${(map.height * BLOCK) / devicePixelRatio}px`;
    this.canvas.getContext("2d")?.putImageData(map, 0, 0);
  }
}

/**
 * One pixel for each block: how far two pictures are apart there, on average; and whether they are.
 * @param {Drawn} was @param {Drawn} is
 */
function mapOf(was, is) {
  const wide = Math.ceil(is.width / BLOCK);
  const apart = new Float32Array(wide * Math.ceil(is.height / BLOCK));
  for (let y = 0; y < is.height; y += 1) {
    const row = wide * Math.floor(y / BLOCK);
    for (let x = 0; x < is.width; x += 1) {
      const i = 4 * (y * is.width + x);
      apart[row + Math.floor(x / BLOCK)] += Math.max(
        Math.abs(was.data[i] - is.data[i]),
        Math.abs(was.data[i + 1] - is.data[i + 1]),
        Math.abs(was.data[i + 2] - is.data[i + 2]),
      );
    }
  }
  const map = new ImageData(wide, apart.length / wide);
  let differs = false;
  apart.forEach((sum, i) => {
    const share = (sum / BLOCK ** 2 - LEAST) / (MOST - LEAST);
    differs ||= share > SEEN;
    map.data[4 * i] = COLOUR[0];
    map.data[4 * i + 1] = COLOUR[1];
    map.data[4 * i + 2] = COLOUR[2];
    map.data[4 * i + 3] = STRONGEST * limit(share, 0, 1);
  });
  return { map, differs };
}
