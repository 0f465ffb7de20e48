// A grid of photos, under headings, of which only what is in view exists, however many there are.
//
// The grid is as high as all of its rows; tiles are laid where they belong as the page is scrolled,
// and used again for others.

/** @import { GridPhoto, PhotoTile } from "./photo_tile.js" */

import { make } from "../shared/dom.js";

/** @typedef {{title: string, photos: GridPhoto[]}} Group title: empty for none */
/** @typedef {{top: number, height: number, title: string, from: number, to: number}} Row */

const BEYOND = 400; // CSS pixels above and below the window that exist too
const HEADING = 52; // CSS pixels

export class WindowedGrid {
  /** @type {Group[]} */
  #groups = [];
  /** All photos in their order. @type {GridPhoto[]} */
  #photos = [];
  /** By number: where in #photos. @type {Map<number, number>} */
  #places = new Map();
  /** @type {Row[]} */
  #rows = [];
  /** Those that exist, by the photo's number. @type {Map<number, PhotoTile>} */
  #tiles = new Map();
  /** @type {PhotoTile[]} */
  #spare = [];
  /** By their rows' tops. @type {Map<number, HTMLElement>} */
  #headings = new Map();
  #layout = { width: 0, columns: 1, size: 150, gap: 12 };
  /** The photo that the Tab key reaches. @type {number | null} */
  #current = null;
  #isAsked = false;
  #isStale = true; // other photos, or laid otherwise: what is drawn is not what belongs there
  #drawn = { from: 0, to: 0 }; // rows

  /**
   * @param {HTMLElement} element
   * @param {() => PhotoTile} makeTile
   */
  constructor(element, makeTile) {
    this.element = element;
    this.makeTile = makeTile;
    addEventListener("scroll", () => this.#ask(), { passive: true });
    addEventListener("resize", () => this.#ask());
    new ResizeObserver(() => this.#ask()).observe(element);
    element.addEventListener("keydown", (event) => this.#key(event));
    element.addEventListener("focusin", ({ target }) => this.#takeFocus(target));
  }

  /** @param {Group[]} groups */
  show(groups) {
    this.element.classList.add("windowed");
    this.#groups = groups;
    this.#photos = groups.flatMap(({ photos }) => photos);
    this.#places = new Map(this.#photos.map(({ n }, place) => [n, place]));
    if (!this.#tiles.size) this.element.replaceChildren();
    this.#lay();
    this.#draw();
  }

  /** The tile of a photo, where it exists. @param {number} n */
  tile(n) {
    return this.#tiles.get(n);
  }

  /** The tile that an element belongs to. @param {EventTarget | null} target */
  tileOf(target) {
    const element = target instanceof Element ? target.closest(".cell") : null;
    return element instanceof HTMLElement ? this.#tiles.get(Number(element.dataset.n)) : undefined;
  }

  /** The photos to the left and right of one. @param {number} n */
  neighbours(n) {
    const place = this.#places.get(n);
    if (place === undefined) return { previous: null, next: null };
    return {
      previous: this.#photos[place - 1]?.n ?? null,
      next: this.#photos[place + 1]?.n ?? null,
    };
  }

  /** Bring a photo into view and give it the focus. @param {number} n */
  focus(n) {
    const place = this.#places.get(n);
    if (place === undefined) return;
    this.#current = n;
    this.#bringIntoView(this.#rowOf(place));
    this.#draw();
    this.#tiles.get(n)?.element.focus({ preventScroll: true });
  }

  #ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      this.#isAsked = false;
      if (this.element.clientWidth !== this.#layout.width) this.#lay();
      this.#draw();
    });
  }

  /** Where each row lies. */
  #lay() {
    const width = this.element.clientWidth;
    const style = getComputedStyle(this.element);
    const least = parseFloat(style.getPropertyValue("--tile"));
    const gap = parseFloat(style.getPropertyValue("--gap"));
    const columns = Math.max(1, Math.floor((width + gap) / (least + gap)));
    const size = (width - gap * (columns - 1)) / columns;
    this.#layout = { width, columns, size, gap };
    /** @type {Row[]} */
    const rows = [];
    let top = 0;
    let from = 0;
    for (const { title, photos } of this.#groups) {
      if (title) {
        rows.push({ top, height: HEADING, title, from, to: from });
        top += HEADING;
      }
      const end = from + photos.length;
      for (; from < end; from += columns) {
        rows.push({ top, height: size, title: "", from, to: Math.min(end, from + columns) });
        top += size + gap;
      }
      from = end;
    }
    this.#rows = rows;
    this.element.style.height = `${Math.max(0, top - gap)}px`;
    for (const heading of this.#headings.values()) heading.remove();
    this.#headings.clear();
    this.#isStale = true;
  }

  /** Most frames of a scroll move no row in or out, and cost nothing here. */
  #draw() {
    const { from, to } = this.#rowsInView();
    if (!this.#isStale && from === this.#drawn.from && to === this.#drawn.to) return;
    this.#isStale = false;
    this.#drawn = { from, to };
    const rows = this.#rows.slice(from, to);
    const wanted = this.#wanted(rows);
    for (const [n, tile] of this.#tiles) {
      if (!wanted.has(n)) this.#spareTile(n, tile);
    }
    this.#dropHeadings(rows);
    let next = this.element.firstChild; // they stand in their order, as they are read
    const put = (/** @type {HTMLElement} */ element) => {
      if (element === next) next = element.nextSibling;
      else this.element.insertBefore(element, next);
    };
    for (const row of rows) {
      if (row.title) put(this.#heading(row));
      for (let place = row.from; place < row.to; place += 1) {
        put(this.#placed(this.#photos[place], row, place - row.from));
      }
    }
    this.#offerToTab();
  }

  #rowsInView() {
    const above = -this.element.getBoundingClientRect().top;
    const [top, bottom] = [above - BEYOND, above + innerHeight + BEYOND];
    let low = 0;
    let high = this.#rows.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const row = this.#rows[middle];
      if (row.top + row.height < top) low = middle + 1;
      else high = middle;
    }
    let end = low;
    while (end < this.#rows.length && this.#rows[end].top < bottom) end += 1;
    return { from: low, to: end };
  }

  /** The numbers of the photos in these rows, and of the one that has the focus. @param {Row[]} rows */
  #wanted(rows) {
    const wanted = new Set();
    for (const { from, to } of rows) {
      for (let place = from; place < to; place += 1) wanted.add(this.#photos[place].n);
    }
    const focused = this.tileOf(document.activeElement)?.photo;
    if (focused && this.#places.has(focused.n)) wanted.add(focused.n);
    return wanted;
  }

  /** @param {number} n @param {PhotoTile} tile */
  #spareTile(n, tile) {
    this.#tiles.delete(n);
    tile.clear();
    tile.element.remove();
    this.#spare.push(tile);
  }

  /** @param {GridPhoto} photo @param {Row} row @param {number} column */
  #placed(photo, row, column) {
    let tile = this.#tiles.get(photo.n);
    if (!tile) {
      tile = this.#spare.pop() ?? this.makeTile();
      tile.show(photo);
      this.#tiles.set(photo.n, tile);
    }
    const { size, gap } = this.#layout;
    tile.lie(column * (size + gap), row.top, size);
    return tile.element;
  }

  /** @param {Row} row */
  #heading(row) {
    let heading = this.#headings.get(row.top);
    if (!heading) {
      heading = make("h2", { className: "folder-title", title: row.title }, row.title);
      heading.style.transform = `translate(0, ${row.top}px)`;
      this.#headings.set(row.top, heading);
    }
    return heading;
  }

  /** @param {Row[]} rows */
  #dropHeadings(rows) {
    const tops = new Set(rows.filter(({ title }) => title).map(({ top }) => top));
    for (const [top, heading] of this.#headings) {
      if (tops.has(top)) continue;
      heading.remove();
      this.#headings.delete(top);
    }
  }

  /** The Tab key reaches one photo; arrow keys go on from there. */
  #offerToTab() {
    const tiles = [...this.#tiles.values()];
    const current = tiles.find(({ photo }) => photo?.n === this.#current) ?? tiles[0];
    for (const tile of tiles) {
      const { element } = tile;
      const index = tile === current ? 0 : -1;
      if (element instanceof HTMLAnchorElement && element.tabIndex !== index) {
        element.tabIndex = index;
      }
    }
  }

  /** @param {EventTarget | null} target */
  #takeFocus(target) {
    const photo = this.tileOf(target)?.photo;
    if (!photo) return;
    this.#current = photo.n;
    this.#offerToTab();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const tile = this.tileOf(event.target);
    const photo = tile?.element === event.target ? tile?.photo : null;
    const place = photo ? this.#places.get(photo.n) : undefined;
    if (place === undefined || event.ctrlKey || event.altKey || event.metaKey) return;
    const wanted = this.#placeBy(event.key, place);
    if (wanted === null) return;
    event.preventDefault();
    const next = this.#photos[wanted];
    if (next) this.focus(next.n);
  }

  /** Where a key leads from a place; null where it is none of ours. @param {string} key @param {number} place */
  #placeBy(key, place) {
    if (key === "ArrowLeft") return Math.max(0, place - 1);
    if (key === "ArrowRight") return Math.min(this.#photos.length - 1, place + 1);
    if (key === "Home") return 0;
    if (key === "End") return this.#photos.length - 1;
    if (key === "ArrowUp" || key === "ArrowDown") {
      const rows = this.#rows.filter(({ title }) => !title);
      const at = rows.findIndex(has(place));
      const row = rows[at + (key === "ArrowUp" ? -1 : 1)];
      return row ? Math.min(row.from + place - rows[at].from, row.to - 1) : place;
    }
    return null;
  }

  /** @param {number} place */
  #rowOf(place) {
    return this.#rows.find(has(place));
  }

  /** @param {Row | undefined} row */
  #bringIntoView(row) {
    if (!row) return;
    const { scrollPaddingTop, scrollPaddingBottom } = getComputedStyle(document.documentElement);
    const top = this.element.getBoundingClientRect().top + row.top;
    const least = (parseFloat(scrollPaddingTop) || 0) + this.#layout.gap;
    const most = innerHeight - (parseFloat(scrollPaddingBottom) || 0) - this.#layout.gap;
    if (top < least) scrollBy({ top: top - least, behavior: "instant" });
    else if (top + row.height > most) {
      scrollBy({ top: top + row.height - most, behavior: "instant" });
    }
  }
}

/** Whether a row has the photo of this place; a heading has none. @param {number} place */
const has =
  (place) =>
  (/** @type {Row} */ { from, to }) =>
    from <= place && place < to;
