// The pictures of a grid: one small element per photo, however many there are.

import { picture } from "./api.js";
import { icon, make } from "./dom.js";
import { say } from "./words.js";

const RESTORED = ["done", "no_face"];

export class Cell {
  /** A photo of a job: {n, name, state, stage}. */
  constructor(job, item, tag = "a") {
    this.job = job;
    this.n = item.n;
    this.name = item.name;
    this.image = make("img", { alt: "", loading: "lazy", decoding: "async", draggable: false });
    this.image.addEventListener("error", () => this.element.classList.add("no-picture"));
    this.badge = make("span", { className: "badge" });
    const label = make("span", { className: "name" }, item.name);
    this.element = make(tag, { className: "cell" }, icon("broken"), this.image, label, this.badge);
    if (tag === "a") this.element.href = `#${item.n}`;
    this.set(item);
  }

  /** Show another state. */
  set({ state, stage, faces }) {
    const words = state === "running" && stage ? say(`step.${stage}`) : say(`item.${state}`);
    this.element.title = this.name;
    this.badge.textContent = words;
    this.faces = faces;
    if (state === this.state) return;
    this.element.dataset.state = state;
    const wanted = RESTORED.includes(state) ? "?of=after" : "";
    const url = picture(this.job, this.n, "thumbnail", wanted);
    if (this.image.getAttribute("src") !== url) {
      this.element.classList.remove("no-picture");
      this.image.src = url;
    }
    this.state = state;
  }
}

/** Add many elements without freezing the page. */
export async function addSlowly(parent, elements, atOnce = 200) {
  for (let start = 0; start < elements.length; start += atOnce) {
    parent.append(...elements.slice(start, start + atOnce));
    await new Promise((resolve) => setTimeout(resolve));
  }
}
