// The photos that are in an album before it starts, by folder and name; each can be taken out
// again, or get settings of its own.

/** @import { Item, Options } from "../shared/types.d.ts" */

import { find, icon, make } from "../shared/dom.js";
import { differing } from "../shared/own_options.js";
import { say } from "../shared/words.js";
import { byFolderAndName, GridPhoto, inFolders, PhotoTile } from "../widgets/photo_tile.js";
import { WindowedGrid } from "../widgets/windowed_grid.js";

export class CollectedPhotos {
  /** By number. @type {Map<number, {photo: GridPhoto, key: string | null}>} */
  #photos = new Map();
  #job = "";
  #isStale = false;
  /** The settings that the photos follow. @type {Partial<Options>} */
  #album = {};

  /**
   * @param {HTMLElement} element
   * @param {{
   *   takeOut: (n: number) => void,
   *   openSettings: (photo: GridPhoto) => void,
   *   inWords: (own: Partial<Options>) => string,
   * }} on what is called when that is asked for a photo; inWords: options in words
   */
  constructor(element, on) {
    this.grid = new WindowedGrid(element, () => this.#makeTile());
    this.on = on;
  }

  /** @param {string} job @param {Item[]} items */
  add(job, items) {
    this.#job = job;
    for (const item of items) {
      const photo = new GridPhoto(item);
      this.#mark(photo);
      this.#photos.set(item.n, { photo, key: item.key });
    }
    this.#showSoon();
  }

  /** How many photos have settings of their own. */
  get own() {
    return [...this.#photos.values()].filter(({ photo }) => photo.isOwn).length;
  }

  /** The album has these settings now. @param {Partial<Options>} album */
  follow(album) {
    this.#album = album;
    for (const { photo } of this.#photos.values()) this.#mark(photo);
  }

  /** A photo has other settings of its own. @param {Item} item */
  setOwn({ n, options }) {
    const photo = this.#photos.get(n)?.photo;
    if (!photo) return;
    photo.own = options ?? {};
    photo.version += 1; // it may lie another way now
    this.#mark(photo);
    this.grid.tile(n)?.show(photo);
  }

  /** What the album has come to have too is no longer the photo's own. @param {GridPhoto} photo */
  #mark(photo) {
    photo.isOwn = Object.keys(differing(photo.own, this.#album)).length > 0;
    const tile = this.grid.tile(photo.n);
    tile?.update();
    tile?.onShow(photo);
  }

  /**
   * A photo was taken out; the focus goes to the next one.
   * @param {number} n
   * @returns {string | null} the key by which it was sent
   */
  remove(n) {
    const { previous, next } = this.grid.neighbours(n);
    const key = this.#photos.get(n)?.key ?? null;
    this.#photos.delete(n);
    this.#show();
    const neighbour = this.grid.tile(next ?? previous ?? -1);
    if (neighbour) find(".take-out", neighbour.element).focus();
    return key;
  }

  #makeTile() {
    const out = cornerButton("take-out", "close", say("photo.out"));
    const settings = cornerButton("own-settings", "brush", say("own.open"));
    const tile = new PhotoTile(this.#job, make("div", {}));
    out.addEventListener("click", () => tile.photo && this.on.takeOut(tile.photo.n));
    tile.element.append(settings, out);
    tile.element.addEventListener("click", ({ target }) => {
      const isOther = target instanceof Element && target.closest(".take-out");
      if (tile.photo && !isOther) this.on.openSettings(tile.photo);
    });
    tile.onShow = (photo) => {
      const { name } = photo;
      out.setAttribute("aria-label", say("photo.out.name", { name }));
      const words = photo.isOwn ? this.on.inWords(differing(photo.own, this.#album)) : "";
      const label = say("own.open.name", { name });
      settings.setAttribute("aria-label", words ? `${label}: ${words}` : label);
      tile.element.title = words ? `${name}\n${words}` : name;
    };
    return tile;
  }

  /** Many photos that come at once are shown at once. */
  #showSoon() {
    if (this.#isStale) return;
    this.#isStale = true;
    requestAnimationFrame(() => this.#show());
  }

  #show() {
    this.#isStale = false;
    const photos = [...this.#photos.values()].map(({ photo }) => photo);
    this.grid.show(inFolders(photos.sort(byFolderAndName))); // they come nearly so
  }
}

/** A button in the corner of a tile. @param {string} className @param {string} symbol @param {string} title */
const cornerButton = (className, symbol, title) =>
  make("button", { type: "button", className: `corner ${className}`, title }, icon(symbol));
