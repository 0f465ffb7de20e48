// What a grid shows of one photo. Tiles are used again for other photos as the grid is scrolled.
//
// A picture is asked for when its tile has stayed for a moment: who scrolls past a thousand photos
// asks for the last few.

/** @import { Options } from "../shared/types.d.ts" */

import { picture } from "../shared/api.js";
import { icon, make } from "../shared/dom.js";
import { say } from "../shared/words.js";
import { ItemState, RESTORED_ITEMS } from "../states.js";

const MOMENT_MS = 120;

/**
 * A photo of a grid. name: with its folders. version: counts pictures that replaced others. own: the
 * options that it has of its own. isOwn: whether they differ from the album's.
 */
export class GridPhoto {
  /**
   * @param {{n: number, name: string, state: string, stage: string | null,
   *   options: Partial<Options> | null}} item
   */
  constructor({ n, name, state, stage, options }) {
    const parts = name.split("/");
    this.n = n;
    this.name = name;
    this.base = parts.pop() || name;
    this.folder = parts.join(" / ");
    this.state = state;
    this.stage = stage;
    this.version = 0;
    this.own = options ?? {};
    this.isOwn = options !== null;
  }

  /** It has this state now. @param {{state: string, stage: string | null}} item */
  set({ state, stage }) {
    if (state !== this.state && RESTORED_ITEMS.includes(state)) this.version += 1;
    this.state = state;
    this.stage = stage;
  }

  /** Whether its picture was changed, so that there is something to compare. */
  get isCompared() {
    return this.state === ItemState.DONE;
  }
}

const byName = new Intl.Collator(document.documentElement.lang, { numeric: true });

/** The order in which an album is shown. @param {GridPhoto} a @param {GridPhoto} b */
export const byFolderAndName = (a, b) =>
  (a.folder === b.folder ? 0 : byName.compare(a.folder, b.folder)) ||
  byName.compare(a.base, b.base);

/** Photos under their folders, in the order of the first of each. @param {Iterable<GridPhoto>} photos */
export function inFolders(photos) {
  /** @type {Map<string, GridPhoto[]>} */
  const folders = new Map();
  for (const photo of photos) {
    const others = folders.get(photo.folder);
    if (others) others.push(photo);
    else folders.set(photo.folder, [photo]);
  }
  return [...folders].map(([title, photos]) => ({ title, photos }));
}

export class PhotoTile {
  /** @type {GridPhoto | null} */
  photo = null;
  /** Is told which photo is shown. @type {(photo: GridPhoto) => void} */
  onShow = () => {};
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #place = "";

  /**
   * @param {string} job
   * @param {HTMLElement} element a link opens the photo
   */
  constructor(job, element) {
    this.job = job;
    this.element = element;
    this.image = make("img", { className: "now", alt: "", decoding: "async", draggable: false });
    this.before = make("img", { className: "was", alt: "", decoding: "async", draggable: false });
    this.image.addEventListener("error", () => element.classList.add("no-picture"));
    this.label = make("span", { className: "name" });
    this.badge = make("span", { className: "badge" });
    this.mark = make("span", { className: "own-mark", hidden: true }, say("own.mark"));
    element.classList.add("cell");
    element.append(icon("broken"), this.image, this.before, this.mark, this.label, this.badge);
  }

  /** @param {GridPhoto} photo */
  show(photo) {
    this.clear();
    this.photo = photo;
    this.label.textContent = photo.base;
    this.element.title = photo.name;
    this.element.dataset.n = String(photo.n);
    if (this.element instanceof HTMLAnchorElement) this.element.href = `#${photo.n}`;
    this.onShow(photo);
    this.update();
    this.#timer = setTimeout(() => this.#load(), MOMENT_MS);
  }

  /** Where in its grid, in CSS pixels. @param {number} left @param {number} top @param {number} size */
  lie(left, top, size) {
    const place = `${left} ${top} ${size}`;
    if (place === this.#place) return;
    this.#place = place;
    const { style } = this.element;
    style.width = style.height = `${size}px`;
    style.transform = `translate(${left}px, ${top}px)`;
  }

  /** The photo has another state. */
  update() {
    const { photo, element } = this;
    if (!photo) return;
    const isAtStage = photo.state === ItemState.RUNNING && photo.stage;
    this.mark.hidden = !photo.isOwn;
    this.badge.textContent = isAtStage ? say(`step.${photo.stage}`) : say(`item.${photo.state}`);
    if (element.dataset.state === photo.state) return;
    element.dataset.state = photo.state;
    if (this.image.hasAttribute("src")) this.#load();
  }

  /** Show no photo; what has not arrived is given up. */
  clear() {
    clearTimeout(this.#timer);
    this.photo = null;
    this.image.removeAttribute("src");
    this.endComparing();
    delete this.element.dataset.state;
    this.element.classList.remove("no-picture");
  }

  /**
   * Show the photo as it was, up to a place.
   * @param {number} at in parts of the tile's width
   */
  compare(at) {
    const { photo } = this;
    if (!photo?.isCompared) return;
    const url = picture(this.job, photo.n, "thumbnail");
    if (this.before.getAttribute("src") !== url) this.before.src = url;
    this.element.style.setProperty("--at", `${Math.round(100 * at)}%`);
    this.element.classList.add("comparing");
  }

  endComparing() {
    this.element.classList.remove("comparing");
    this.before.removeAttribute("src");
  }

  #load() {
    const { photo } = this;
    if (!photo) return;
    const of = RESTORED_ITEMS.includes(photo.state) ? "after" : "before";
    const version = photo.version ? `&v=${photo.version}` : "";
    const query = of === "after" || version ? `?of=${of}${version}` : "";
    const url = picture(this.job, photo.n, "thumbnail", query);
    if (this.image.getAttribute("src") === url) return;
    this.element.classList.remove("no-picture");
    this.image.src = url;
  }
}
