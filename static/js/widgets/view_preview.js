// The part of a photo that is in view, as it will look with other settings, until the exact result
// is there. The server makes it in one piece or, where its networks take longer, piece by piece
// from the middle outwards.

/** @import { Job, Options } from "../shared/types.d.ts" */
/** @import { Viewer } from "./viewer.js" */
/** @typedef {{job: Job, options: Options}} Wanted */
/** @typedef {{x: number, y: number, width: number, height: number}} Area CSS pixels of the viewer */

import { address, jobPath } from "../shared/api.js";

const PIECE = 210; // pixels of the photo: about what a network takes at a time
const WIDEST = 4096; // that the server makes
const REST_MS = 150; // how long a moved view must rest before it is asked for

/** Options that change how the photo looks, but for strengths, which the page draws itself. */
const LOOKS = [
  ..."repair mask fade enlarge background denoise sharpen contrast brightness".split(" "),
  ..."enhance_detail mode protect_skin".split(" "),
];

export class ViewPreview {
  /** What is shown, or will be. @type {Wanted | null} */
  wanted = null;
  #turn = 0; // counts what is wanted, so that what was wanted before is dropped
  #isBusy = false;
  #seen = ""; // the view of which pieces are drawn
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Viewer} viewer @param {HTMLCanvasElement} canvas which covers its result */
  constructor(viewer, canvas) {
    this.viewer = viewer;
    this.canvas = canvas;
  }

  /**
   * Show what other settings will give, if they change the photo's look.
   * @param {Job} job the version that is shown @param {Options} options
   */
  show(job, options) {
    const isChanged = LOOKS.some((name) => String(options[name]) !== String(job.options[name]));
    if (!isChanged || this.viewer.root.classList.contains("single")) {
      this.end();
      return;
    }
    this.wanted = { job, options };
    this.#begin();
  }

  /** Show the result itself again. */
  end() {
    this.wanted = null;
    this.#turn += 1;
    clearTimeout(this.#timer);
    this.canvas.hidden = true;
  }

  /** The photo may have been moved. */
  redraw() {
    if (!this.wanted || this.#view() === this.#seen) return;
    this.#turn += 1;
    this.canvas.hidden = true;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.canvas.hidden || this.#view() !== this.#seen) this.#begin();
    }, REST_MS);
  }

  #view() {
    const { place, slider } = this.viewer;
    return JSON.stringify([place, slider.clientWidth, slider.clientHeight]);
  }

  /** One request at a time: what is wanted by then comes next. */
  async #begin() {
    this.#turn += 1;
    if (this.#isBusy) return;
    this.#isBusy = true;
    let turn;
    do {
      turn = this.#turn;
      if (this.wanted) await this.#draw(this.wanted, turn);
    } while (turn !== this.#turn);
    this.#isBusy = false;
  }

  /** @param {Wanted} wanted @param {number} turn */
  async #draw(wanted, turn) {
    const { place, slider } = this.viewer;
    if (!place) return;
    const size = { width: slider.clientWidth, height: slider.clientHeight };
    this.#seen = this.#view();
    for (const area of piecesOf(place, size, this.viewer.isZoomed, wanted)) {
      const made = await ask(wanted, area, place);
      if (!made || turn !== this.#turn) return;
      this.#put(made, area, size);
    }
  }

  /** @param {ImageBitmap} made @param {Area} area @param {{width: number, height: number}} size */
  #put(made, area, size) {
    const ratio = devicePixelRatio;
    if (this.canvas.hidden) {
      this.canvas.width = Math.round(size.width * ratio); // which clears it
      this.canvas.height = Math.round(size.height * ratio);
      this.canvas.style.width = `${size.width}px`;
      this.canvas.style.height = `${size.height}px`;
      this.canvas.hidden = false;
    }
    const pen = this.canvas.getContext("2d");
    if (!pen) return;
    pen.imageSmoothingEnabled = !this.viewer.root.classList.contains("pixels");
    pen.drawImage(made, area.x * ratio, area.y * ratio, area.width * ratio, area.height * ratio);
  }
}

/**
 * What is in view, in one piece or in several, those in the middle first.
 * @param {Area} place where the photo lies
 * @param {{width: number, height: number}} size of the viewer
 * @param {boolean} isZoomed
 * @param {Wanted} wanted
 * @returns {Area[]}
 */
function piecesOf(place, size, isZoomed, { job, options }) {
  const left = Math.max(0, place.x);
  const top = Math.max(0, place.y);
  const width = Math.min(size.width, place.x + place.width) - left;
  const height = Math.min(size.height, place.y + place.height) - top;
  if (width < 1 || height < 1) return [];
  const isNew = ["enlarge", "background"].some((name) => options[name] !== job.options[name]);
  const times = options.enlarge !== "1" && isZoomed ? 2 : 1; // pixels of the screen for one of it
  const side =
    options.background !== "off" && isNew ? (times * PIECE) / devicePixelRatio : Infinity;
  const columns = Math.ceil(width / side) || 1;
  const rows = Math.ceil(height / side) || 1;
  const pieces = [];
  for (let row = 0; row < rows; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      pieces.push({
        x: left + (column * width) / columns,
        y: top + (row * height) / rows,
        width: width / columns,
        height: height / rows,
      });
    }
  }
  const away = (/** @type {Area} */ { x, y, ...piece }) =>
    Math.hypot(x + piece.width / 2 - left - width / 2, y + piece.height / 2 - top - height / 2);
  return pieces.sort((a, b) => away(a) - away(b));
}

/**
 * A piece as the server makes it; null where it cannot.
 * @param {Wanted} wanted @param {Area} area @param {Area} place
 */
async function ask({ job, options }, area, place) {
  const share = (/** @type {number} */ value) => Math.min(1, Math.max(0, value));
  const left = share((area.x - place.x) / place.width);
  const top = share((area.y - place.y) / place.height);
  const box = [
    left,
    top,
    share((area.x + area.width - place.x) / place.width),
    share((area.y + area.height - place.y) / place.height),
  ];
  const width = Math.min(WIDEST, Math.max(1, Math.round(area.width * devicePixelRatio)));
  try {
    const answer = await fetch(address(`${jobPath(job.id)}/items/0/preview`), {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ options, box, width }),
    });
    return answer.status === 200 ? await createImageBitmap(await answer.blob()) : null;
  } catch {
    return null; // the exact result, or what keeps it from coming, is told anyway
  }
}
