// A photo before and after behind one divider, with zoom to the photo's own pixels.
//
// The divider is the img-comparison-slider component and covers the whole viewer; both
// pictures under it are moved and scaled alike. So the divider stays in reach at any zoom.

/** @import { Face } from "../shared/types.d.ts" */
/** @import { ImgComparisonSlider } from "../../vendor/img-comparison-slider/index.js" */
/** @typedef {{x: number, y: number}} Point */
/** @typedef {{width: number, height: number}} Size */
/** @typedef {{before: string, after: string | null, name: string, faces: Face[]}} ShownPhoto */

import "../../vendor/img-comparison-slider/index.js";
import { find, findAll } from "../shared/dom.js";
import { ARROW_STEPS, limit } from "../shared/geometry.js";
import { say } from "../shared/words.js";
import { ChangeMap } from "./change_map.js";
import { FaceOutlines } from "./face_outlines.js";
import { HoldButton } from "./hold_button.js";
import { LiveStrength } from "./live_strength.js";
import { ViewPreview } from "./view_preview.js";
import { ViewerPointers } from "./viewer_pointers.js";

const PREVIEW = 1600; // pixels of the long side that are shown first
const AT_ONCE = 5e6; // pixels of a further version that is shown with all of them right away
const LARGEST_FIT = 2.5; // CSS pixels per photo pixel, for small photos
const LARGEST_ZOOM = 8; // screen pixels per photo pixel
const LARGEST_LOOK = 3.9; // the same, when a face is looked at; from 4 on pixels become squares
const LOOK_AROUND = 2.2; // times the face's size that are shown then
const STEP = 1.25;
const KEY_PAN = 60;
const KEY_DIVIDER = 2; // percent, for each press of a key and not for the time that it is held
const MIDDLE = Object.freeze({ x: 0.5, y: 0.5 });

export class Viewer {
  /** Of the larger picture, in its own pixels. @type {Size | null} */
  #size = null;
  /** Of the photo as it was, in which faces are measured. @type {Size | null} */
  #photo = null;
  /** CSS pixels per photo pixel; null: fit. @type {number | null} */
  #scale = null;
  /** The photo's point in the middle, in parts of it. @type {Point} */
  #centre = { ...MIDDLE };
  #full = false; // whether the pictures have all their pixels
  #beside = false; // whether both pictures are shown side by side
  #turn = 0; // counts what is shown, so that late pictures of another photo are dropped

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.slider = /** @type {ImgComparisonSlider} */ (find("img-comparison-slider", root));
    this.before = find(".before", root, HTMLImageElement);
    this.after = find(".after", root, HTMLImageElement);
    this.layer = find(".faces", root);
    this.outlines = new FaceOutlines(root, this.layer);
    this.tags = findAll(".tag", root);
    this.live = new LiveStrength(this, find(".live", root, HTMLCanvasElement));
    this.changes = new ChangeMap(this);
    this.ahead = new ViewPreview(this, find(".ahead", root, HTMLCanvasElement));
    this.#listen();
  }

  /** Show a photo; keepView keeps zoom and place. @param {ShownPhoto} photo */
  async show({ before, after, name, faces }, keepView = false) {
    const turn = ++this.#turn;
    this.outlines.faces = faces;
    const ahead = this.ahead.wanted;
    this.#full = false;
    if (!keepView) this.#reset(after !== null);
    this.before.alt = say("photo.before", { name });
    this.after.alt = after ? say("photo.after", { name }) : "";
    this.#tag(null);
    this.root.classList.toggle("single", !after);
    this.#tellDivider();
    this.root.dataset.loading = "yes";
    try {
      const isSmall = this.#size && this.#size.width * this.#size.height <= AT_ONCE;
      const isAtOnce = keepView && Boolean(isSmall);
      const photo = isAtOnce || isLoaded(this.before, before) ? before : limited(before);
      const size = await this.#load(photo, after && (isAtOnce ? after : limited(after)));
      if (turn !== this.#turn) return;
      this.live.end();
      this.#full = isAtOnce || Math.max(size.width, size.height) < PREVIEW;
      if (this.#size && hasOtherShape(this.#size, size)) this.zoom("fit"); // it was turned
      if (!keepView || !this.#size || hasOtherShape(this.#size, size)) this.#size = size;
      this.root.dataset.loading = "no";
      this.#draw();
      if (!this.#full) await this.#showFull(before, after, turn);
      if (this.ahead.wanted === ahead) this.ahead.end(); // and not what was asked for meanwhile
    } catch (error) {
      if (turn === this.#turn) this.root.dataset.loading = "failed";
      throw error;
    }
  }

  /**
   * Show two other pictures of the same photo in the same view.
   * @param {{before: string, after: string, tags: string[] | null}} pictures tags: what each is;
   * null: the photo before and after
   */
  async compare({ before, after, tags }) {
    const turn = ++this.#turn;
    this.live.end();
    const photo = this.#photo;
    await this.#load(before, after);
    if (turn !== this.#turn) return;
    this.#photo = photo; // in which faces are measured
    this.#tag(tags);
    this.root.classList.remove("single");
    this.#draw();
  }

  /** @param {boolean} isBeside both pictures, each as large as fits; else a divider between them */
  setSideBySide(isBeside) {
    this.#beside = isBeside;
    this.root.classList.toggle("side-by-side", isBeside);
    if (isBeside) this.slider.value = 50;
    this.#draw();
  }

  /** @param {string[] | null} tags */
  #tag(tags) {
    this.tags.forEach((tag, i) => (tag.textContent = tags?.[i] ?? tag.dataset.words ?? ""));
  }

  /** Where the photo lies in the viewer, CSS pixels; null while there is none. */
  get place() {
    return this.#size && this.root.dataset.loading === "no" ? this.#place(this.#size) : null;
  }

  /** Of the photo as it was, in its pixels, once all of them are here. @returns {Size} */
  get photoSize() {
    return this.#photo ?? this.#size ?? { width: 1, height: 1 };
  }

  /** Where the result lies, which may be beside the photo. */
  get resultPlace() {
    const { place } = this;
    return place && { ...place, x: place.x + this.#besides };
  }

  /** By how much the result lies to the right of the photo, CSS pixels. */
  get #besides() {
    return this.#beside ? this.slider.clientWidth / 2 : 0;
  }

  /** A point of the viewer, in that part of it where the photo lies. @param {Point} point @returns {Point} */
  inPart({ x, y }) {
    return { x: this.#beside && x > this.#besides ? x - this.#besides : x, y };
  }

  get isZoomed() {
    return this.root.dataset.zoomed === "yes";
  }

  /**
   * @param {"fit" | number} scale screen pixels per photo pixel
   * @param {Point | null} [at] the point of the viewer that stays where it is
   */
  zoom(scale, at = null) {
    if (!this.#size) return;
    const place = this.#place(this.#size);
    this.#scale = scale === "fit" ? null : scale / devicePixelRatio;
    if (this.#scale === null) {
      this.#centre = { ...MIDDLE };
    } else if (at) {
      const box = this.#box();
      const { x, y } = this.inPart(at);
      const along = (x - place.x) / place.width;
      const down = (y - place.y) / place.height;
      this.#centre = {
        x: along + (box.width / 2 - x) / (this.#scale * this.#size.width),
        y: down + (box.height / 2 - y) / (this.#scale * this.#size.height),
      };
    }
    this.#draw();
  }

  /** @param {number} factor @param {Point | null} [at] */
  zoomBy(factor, at = null) {
    if (!this.#size) return;
    const fit = this.#fitScale(this.#size);
    const wanted = this.#place(this.#size).scale * factor;
    const next = limit(wanted, fit, LARGEST_ZOOM / devicePixelRatio);
    this.zoom(next <= fit * 1.001 ? "fit" : next * devicePixelRatio, at);
  }

  /** Zoom to a part of the photo. @param {Face["box"]} face in its pixels */
  lookAt(face) {
    if (!this.#size) return;
    const scale = this.#size.width / this.photoSize.width;
    const [left, top, right, bottom] = face.map((side) => side * scale);
    const box = this.#box();
    const fill = Math.min(box.width / (right - left), box.height / (bottom - top)) / LOOK_AROUND;
    this.#scale = limit(fill, this.#fitScale(this.#size), LARGEST_LOOK / devicePixelRatio);
    this.#centre = {
      x: (left + right) / 2 / this.#size.width,
      y: (top + bottom) / 2 / this.#size.height,
    };
    this.#draw();
  }

  /** Move a zoomed photo. @param {number} x CSS pixels @param {number} y */
  pan(x, y) {
    if (!this.#size || this.#scale === null) return;
    const place = this.#place(this.#size);
    this.#centre.x -= x / place.width;
    this.#centre.y -= y / place.height;
    this.#draw();
  }

  /** Zoom in where a point is, or back. @param {Point} at */
  toggleZoom(at) {
    this.zoom(this.#scale === null ? 1 : "fit", at);
  }

  /** @param {boolean} compares whether there is something to compare with */
  #reset(compares) {
    this.#scale = null;
    this.#centre = { ...MIDDLE };
    this.#size = null;
    this.live.end();
    this.ahead.end();
    this.slider.value = compares ? 50 : 100;
    this.before.removeAttribute("src");
    this.after.removeAttribute("src");
  }

  /** Show both pictures as soon as each is there; the larger size. @param {string} before @param {string | null} after */
  async #load(before, after) {
    const wanted = [load(this.before, before)];
    if (after) wanted.push(load(this.after, after));
    const [photo, result = photo] = await Promise.all(wanted);
    this.#photo = photo;
    return result.width > photo.width ? result : photo;
  }

  /** @param {string} before @param {string | null} after @param {number} turn */
  async #showFull(before, after, turn) {
    const size = await this.#load(before, after);
    if (turn !== this.#turn) return;
    this.#size = size;
    this.#full = true;
    this.#draw();
  }

  #box() {
    const { clientWidth, clientHeight } = this.slider;
    return { width: clientWidth / (this.#beside ? 2 : 1), height: clientHeight };
  }

  /** @param {Size} size */
  #fitScale({ width, height }) {
    const box = this.#box();
    return Math.min(box.width / width, box.height / height, LARGEST_FIT);
  }

  /** Where the photo lies in the viewer, CSS pixels. @param {Size} size */
  #place(size) {
    const box = this.#box();
    const scale = this.#scale ?? this.#fitScale(size);
    const width = size.width * scale;
    const height = size.height * scale;
    const x = placeAlong(box.width, width, this.#centre.x);
    const y = placeAlong(box.height, height, this.#centre.y);
    return { scale, width, height, x, y };
  }

  #draw() {
    if (!this.#size) return;
    const place = this.#place(this.#size);
    const box = this.#box();
    const zoomed = place.width > box.width + 1 || place.height > box.height + 1;
    this.root.dataset.zoomed = zoomed ? "yes" : "no";
    this.slider.handle = zoomed || this.#beside;
    if (this.#scale !== null) {
      this.#centre = {
        x: (box.width / 2 - place.x) / place.width,
        y: (box.height / 2 - place.y) / place.height,
      };
    }
    for (const element of [this.before, this.after, this.layer]) {
      element.style.width = `${place.width}px`;
      element.style.height = `${place.height}px`;
      const aside = element === this.after ? this.#besides : 0;
      element.style.transform = `translate(${place.x + aside}px, ${place.y}px)`;
    }
    const pixelated = place.scale * devicePixelRatio >= 4 && this.#full;
    this.root.classList.toggle("pixels", pixelated);
    const { style } = this.root;
    style.setProperty("--tall", `${box.height}px`); // the component gives its panes no height
    style.setProperty("--edge-left", `${Math.max(0, place.x)}px`);
    style.setProperty("--edge-top", `${Math.max(0, place.y)}px`);
    style.setProperty("--edge-right", `${Math.max(0, box.width - place.x - place.width)}px`);
    this.outlines.draw(this.photoSize, this.#full);
    this.#drawZoomButtons();
    this.live.redraw();
    this.root.dispatchEvent(new Event("draw"));
    this.ahead.redraw();
  }

  #drawZoomButtons() {
    const screen = this.#scale === null ? null : this.#scale * devicePixelRatio;
    for (const button of findAll("[data-zoom]", this.root)) {
      const wanted = button.dataset.zoom;
      const same = screen === null ? wanted === "fit" : Math.abs(Number(wanted) - screen) < 0.01;
      button.setAttribute("aria-pressed", String(same));
    }
  }

  #listen() {
    new ResizeObserver(() => this.#draw()).observe(this.slider);
    for (const button of findAll("[data-zoom]", this.root)) {
      const { zoom } = button.dataset;
      button.addEventListener("click", () => this.zoom(zoom === "fit" ? zoom : Number(zoom)));
    }
    new HoldButton(find("[data-hold]", this.root), this.slider);
    this.slider.addEventListener("slide", () => {
      if (this.#beside) this.slider.value = 50;
      this.#tellDivider();
    });
    this.slider.addEventListener("keydown", (event) => this.#key(event), true);
    new ViewerPointers(this);
  }

  #tellDivider() {
    const share = Math.round(this.slider.value);
    this.slider.setAttribute("aria-valuenow", String(share));
    this.slider.setAttribute("aria-valuetext", say("divider", { n: share }));
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const { key } = event;
    if (event.shiftKey && ARROW_STEPS[key]) {
      const [x, y] = ARROW_STEPS[key]; // of the view, so the photo moves the other way
      this.pan(-x * KEY_PAN, -y * KEY_PAN);
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (this.#beside && ARROW_STEPS[key]) {
      event.stopImmediatePropagation(); // there is no divider to be moved
    } else if (key === "ArrowLeft" || key === "ArrowRight") {
      const step = key === "ArrowLeft" ? -KEY_DIVIDER : KEY_DIVIDER;
      this.slider.value = limit(Math.round(this.slider.value) + step, 0, 100);
      this.#tellDivider();
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (!this.#beside && (key === "Home" || key === "End")) {
      this.slider.value = key === "Home" ? 0 : 100;
      this.#tellDivider();
      event.preventDefault();
    } else if (key === "0") this.zoom("fit");
    else if (key === "1" || key === "2") this.zoom(Number(key));
    else if (key === "+" || key === "=") this.zoomBy(STEP);
    else if (key === "-") this.zoomBy(1 / STEP);
  }
}

/**
 * Where a photo begins along one axis: centred where there is space, else so that none is left.
 * @param {number} space @param {number} length @param {number} centre in parts of the length
 */
function placeAlong(space, length, centre) {
  if (length <= space) return (space - length) / 2;
  return limit(space / 2 - centre * length, space - length, 0);
}

/** Whether a picture lies the other way. @param {Size} a @param {Size} b */
const hasOtherShape = (a, b) =>
  Math.abs(Math.log((a.width * b.height) / (a.height * b.width))) > 0.02;

/** The address of the picture that is shown first. @param {string} url */
const limited = (url) => `${url}${url.includes("?") ? "&" : "?"}max=${PREVIEW}`;

/** Whether a picture is there with all its pixels. @param {HTMLImageElement} image @param {string} url */
const isLoaded = (image, url) =>
  image.src === new URL(url, location.href).href && image.complete && image.naturalWidth > 0;

/**
 * Load a picture fully before it is shown; one that is shown stays.
 * @param {HTMLImageElement} image
 * @param {string} url
 * @returns {Promise<Size>}
 */
function load(image, url) {
  if (isLoaded(image, url)) {
    return Promise.resolve({ width: image.naturalWidth, height: image.naturalHeight });
  }
  return new Promise((resolve, reject) => {
    const loader = new Image();
    loader.onload = () => {
      const size = { width: loader.naturalWidth, height: loader.naturalHeight };
      image.src = url;
      const isShown = () => resolve(size);
      image.decode().then(isShown, isShown); // until then the picture before it is on the screen
    };
    loader.onerror = () => reject(new Error(url));
    loader.src = url;
  });
}
