// The result with another strength, drawn by the page itself while a slider moves.
//
// A face's change grows in proportion to its strength, so from the photo as it was and its result
// at one strength, every other strength follows, up to rounding. Only the part in view is drawn.

/** @import { Face } from "../shared/types.d.ts" */
/** @import { Viewer } from "./viewer.js" */

import { limit } from "../shared/geometry.js";

const REACH = 0.6; // of a face's size, by which the change reaches beyond its box

/**
 * How much of the result's change is shown, where 1 is the result as it is.
 * @typedef {{all: number, faces: {box: Face["box"], share: number}[]}} Shares
 */

export class LiveStrength {
  /** @type {Shares | null} */
  #shares = null;
  /** What is in view of both pictures, and of which view. */
  #view = {
    key: "",
    was: /** @type {Drawn | null} */ (null),
    result: /** @type {Drawn | null} */ (null),
  };

  /** @param {Viewer} viewer @param {HTMLCanvasElement} canvas which covers its result */
  constructor(viewer, canvas) {
    this.viewer = viewer;
    this.canvas = canvas;
  }

  /** A strength may be chosen soon: look at both pictures now, which takes longest. */
  prepare() {
    const { resultPlace: place } = this.viewer;
    if (place) this.inView(place);
  }

  /** @param {Shares} shares */
  show(shares) {
    this.#shares = shares;
    this.redraw();
  }

  /** Show the result itself again. */
  end() {
    this.#shares = null;
    this.canvas.hidden = true;
  }

  /** The photo was moved, or its strength has changed. */
  redraw() {
    const { resultPlace: place, before, slider } = this.viewer;
    if (!this.#shares || !place) return;
    const { was, result } = this.inView(place);
    if (!was || !result) return;
    const scale = place.width / before.naturalWidth;
    mix(was, result, this.#shares.all, [0, 0, result.width, result.height]);
    for (const { box, share } of this.#shares.faces) {
      mix(was, result, share, areaOf(box, scale, place, result));
    }
    this.canvas.width = result.width;
    this.canvas.height = result.height;
    this.canvas.style.width = `${slider.clientWidth}px`;
    this.canvas.style.height = `${slider.clientHeight}px`;
    this.canvas.getContext("2d")?.putImageData(result.mixed, 0, 0);
    this.canvas.hidden = false;
  }

  /**
   * What is in view of both pictures; the same for as long as the view is the same.
   * @param {Place} place of the result
   */
  inView(place) {
    const { before, after, slider } = this.viewer;
    const size = { width: slider.clientWidth, height: slider.clientHeight };
    const key = JSON.stringify([before.src, after.src, place, size, devicePixelRatio]);
    if (key !== this.#view.key) {
      const isThere = before.complete && after.complete; // else it is looked at again
      this.#view = {
        key: isThere ? key : "",
        was: drawn(before, place, size),
        result: drawn(after, place, size),
      };
    }
    return this.#view;
  }
}

/** @typedef {{x: number, y: number, width: number, height: number}} Place CSS pixels */
/** @typedef {{width: number, height: number}} Size CSS pixels */
/** @typedef {{width: number, height: number, data: Uint8ClampedArray, mixed: ImageData}} Drawn */

/**
 * What is in view of a picture, in pixels of the screen.
 * @param {HTMLImageElement} picture
 * @param {Place} place
 * @param {Size} size of the view
 * @returns {Drawn | null}
 */
function drawn(picture, { x, y, width, height }, size) {
  const ratio = devicePixelRatio;
  const canvas = new OffscreenCanvas(size.width * ratio, size.height * ratio);
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen || !canvas.width || !canvas.height) return null;
  pen.imageSmoothingEnabled = width < 4 * picture.naturalWidth;
  pen.drawImage(picture, x * ratio, y * ratio, width * ratio, height * ratio);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  const mixed = new ImageData(new Uint8ClampedArray(data), canvas.width, canvas.height);
  return { width: canvas.width, height: canvas.height, data, mixed };
}

/**
 * Put `share` of the change into a part of `result.mixed`.
 * @param {Drawn} was @param {Drawn} result @param {number} share
 * @param {number[]} area left, top, right, bottom
 */
function mix(was, result, share, [left, top, right, bottom]) {
  const [from, to, out] = [was.data, result.data, result.mixed.data];
  for (let y = top; y < bottom; y += 1) {
    const end = 4 * (y * result.width + right);
    for (let i = 4 * (y * result.width + left); i < end; i += 1) {
      out[i] = from[i] + share * (to[i] - from[i]); // the array rounds and limits
    }
  }
}

/**
 * Where a face and what was changed around it lie on the canvas.
 * @param {Face["box"]} box
 * @param {number} scale CSS pixels per pixel of the photo
 * @param {Place} place
 * @param {Size} size of the canvas, in its pixels
 */
function areaOf([left, top, right, bottom], scale, place, { width, height }) {
  const reach = REACH * Math.max(right - left, bottom - top);
  const along = [left - reach, right + reach].map((x) => (place.x + x * scale) * devicePixelRatio);
  const down = [top - reach, bottom + reach].map((y) => (place.y + y * scale) * devicePixelRatio);
  const within = (/** @type {number} */ value, /** @type {number} */ most) =>
    limit(Math.round(value), 0, most);
  return [
    within(along[0], width),
    within(down[0], height),
    within(along[1], width),
    within(down[1], height),
  ];
}
