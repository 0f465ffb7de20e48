// The pictures of a grid: one small element per photo, however many there are.
//
// A picture is asked for when its place has been in view for a moment, and given up when it
// leaves again before it has arrived: who scrolls past a thousand photos asks for the last few.

import { picture } from "../shared/api.js";
import { icon, make } from "../shared/dom.js";
import { say } from "../shared/words.js";
import { ItemState, RESTORED_ITEMS } from "../states.js";

const MOMENT_MS = 120;

/** @type {WeakMap<Element, PhotoCell>} */
const cellOf = new WeakMap();
const observer = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) cellOf.get(entry.target)?.see(entry.isIntersecting);
  },
  { rootMargin: "200px 0px" },
);

export class PhotoCell {
  state = "";
  #seen = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {string} job
   * @param {{n: number, name: string, state: string, stage: string | null}} item
   * @param {"a" | "span"} [tag] a link opens the photo
   */
  constructor(job, item, tag = "a") {
    this.job = job;
    this.n = item.n;
    this.name = item.name;
    this.image = make("img", { alt: "", decoding: "async", draggable: false });
    this.image.addEventListener("error", () => this.element.classList.add("no-picture"));
    this.badge = make("span", { className: "badge" });
    const label = make("span", { className: "name" }, item.name);
    const props = { className: "cell", title: item.name };
    this.element = make(tag, props, icon("broken"), this.image, label, this.badge);
    if (this.element instanceof HTMLAnchorElement) this.element.href = `#${item.n}`;
    this.set(item);
    cellOf.set(this.element, this);
    observer.observe(this.element);
  }

  /** Show another state. @param {{state: string, stage: string | null}} item */
  set({ state, stage }) {
    const isAtStage = state === ItemState.RUNNING && stage;
    this.badge.textContent = isAtStage ? say(`step.${stage}`) : say(`item.${state}`);
    if (state === this.state) return;
    this.state = state;
    this.element.dataset.state = state;
    if (this.#seen) this.#load();
  }

  /** The cell has come into view, or left it. @param {boolean} seen */
  see(seen) {
    this.#seen = seen;
    clearTimeout(this.#timer);
    if (seen) this.#timer = setTimeout(() => this.#load(), MOMENT_MS);
    else if (!this.image.complete) this.image.removeAttribute("src");
  }

  #load() {
    const wanted = RESTORED_ITEMS.includes(this.state) ? "?of=after" : "";
    const url = picture(this.job, this.n, "thumbnail", wanted);
    if (this.image.getAttribute("src") === url) return;
    this.element.classList.remove("no-picture");
    this.image.src = url;
  }
}

/**
 * Add many elements without freezing the page.
 * @param {Element} parent
 * @param {Element[]} elements
 */
export async function addSlowly(parent, elements, atOnce = 200) {
  for (let start = 0; start < elements.length; start += atOnce) {
    parent.append(...elements.slice(start, start + atOnce));
    await new Promise((resolve) => setTimeout(resolve));
  }
}
