// A photo before and after behind one divider, with zoom to the photo's own pixels.
//
// The divider is the img-comparison-slider component and covers the whole viewer; both
// pictures under it are moved and scaled alike. So the divider stays in reach at any zoom.

import "/static/vendor/img-comparison-slider/index.js";
import { find, findAll, make } from "./dom.js";
import { say } from "./words.js";

const PREVIEW = 1600; // pixels of the long side that are shown first
const MOST = 8; // screen pixels per photo pixel
const STEP = 1.25;
const KEY_PAN = 60;

const limit = (value, low, high) => Math.min(Math.max(value, low), high);

/** Whether a pointer is over an element that may let pointers through. */
function isOver(event, element) {
  const { left, right, top, bottom } = element.getBoundingClientRect();
  const { clientX: x, clientY: y } = event;
  return left <= x && x <= right && top <= y && y <= bottom;
}

/** Load a picture fully before it is shown; resolves to its size. */
function load(image, url) {
  return new Promise((resolve, reject) => {
    const loader = new Image();
    loader.onload = () => {
      image.src = url;
      resolve({ width: loader.naturalWidth, height: loader.naturalHeight });
    };
    loader.onerror = () => reject(new Error(url));
    loader.src = url;
  });
}

export class Viewer {
  constructor(root) {
    this.root = root;
    this.slider = find("img-comparison-slider", root);
    this.before = find(".before", root);
    this.after = find(".after", root);
    this.layer = find(".faces", root);
    this.size = null; // of the photo, in its own pixels
    this.scale = null; // CSS pixels per photo pixel; null: fit
    this.centre = { x: 0.5, y: 0.5 }; // the photo's point in the middle, in parts of it
    this.faces = [];
    this.turn = 0; // counts what is shown, so that late pictures of another photo are dropped
    this.#listen();
  }

  /** Show a photo: {before, after, name, faces}. Keeps zoom and place if keepView. */
  async show({ before, after, name, faces = [] }, keepView = false) {
    const turn = ++this.turn;
    this.urls = { before, after };
    this.faces = faces;
    this.full = false;
    if (!keepView) {
      this.scale = null;
      this.centre = { x: 0.5, y: 0.5 };
      this.slider.value = after ? 50 : 100;
      this.size = null;
      this.before.removeAttribute("src");
      this.after.removeAttribute("src");
    }
    this.before.alt = say("photo.before", { name });
    this.after.alt = after ? say("photo.after", { name }) : "";
    this.root.classList.toggle("single", !after);
    this.#tellDivider();
    const limited = `max=${PREVIEW}`;
    const join = (url) => url + (url.includes("?") ? "&" : "?") + limited;
    const wanted = [load(this.before, join(before))];
    if (after) wanted.push(load(this.after, join(after)));
    this.root.dataset.loading = "yes";
    try {
      const [size] = await Promise.all(wanted);
      if (turn !== this.turn) return;
      this.full = Math.max(size.width, size.height) < PREVIEW;
      if (!keepView || !this.size) this.size = size;
      this.root.dataset.loading = "no";
      this.#draw();
      if (!this.full) await this.#loadFull(turn);
    } catch (error) {
      if (turn === this.turn) this.root.dataset.loading = "failed";
      throw error;
    }
  }

  /** scale: "fit", or screen pixels per photo pixel. */
  zoom(scale, at = null) {
    if (!this.size) return;
    const before = this.#place();
    this.scale = scale === "fit" ? null : scale / devicePixelRatio;
    if (this.scale === null) {
      this.centre = { x: 0.5, y: 0.5 };
    } else if (at) {
      // The point under the pointer stays under it.
      const now = this.scale * this.size.width;
      const tall = this.scale * this.size.height;
      const u = (at.x - before.x) / before.width;
      const v = (at.y - before.y) / before.height;
      const box = this.#box();
      this.centre = {
        x: u + (box.width / 2 - at.x) / now,
        y: v + (box.height / 2 - at.y) / tall,
      };
    }
    this.#draw();
  }

  async #loadFull(turn) {
    const { before, after } = this.urls;
    const wanted = [load(this.before, before)];
    if (after) wanted.push(load(this.after, after));
    const [size] = await Promise.all(wanted);
    if (turn !== this.turn) return;
    this.size = size;
    this.full = true;
    this.#draw();
  }

  #box() {
    return { width: this.slider.clientWidth, height: this.slider.clientHeight };
  }

  #fitScale() {
    const box = this.#box();
    const fit = Math.min(box.width / this.size.width, box.height / this.size.height);
    return Math.min(fit, 2.5);
  }

  /** Where the photo lies in the viewer, CSS pixels. */
  #place() {
    const box = this.#box();
    const scale = this.scale ?? this.#fitScale();
    const width = this.size.width * scale;
    const height = this.size.height * scale;
    const along = (room, length, centre) =>
      length <= room ? (room - length) / 2 : limit(room / 2 - centre * length, room - length, 0);
    return {
      scale,
      width,
      height,
      x: along(box.width, width, this.centre.x),
      y: along(box.height, height, this.centre.y),
    };
  }

  #draw() {
    if (!this.size) return;
    const place = this.#place();
    const box = this.#box();
    const zoomed = place.width > box.width + 1 || place.height > box.height + 1;
    this.root.dataset.zoomed = zoomed ? "yes" : "no";
    this.slider.handle = zoomed;
    if (this.scale !== null) {
      this.centre = {
        x: (box.width / 2 - place.x) / place.width,
        y: (box.height / 2 - place.y) / place.height,
      };
    }
    for (const element of [this.before, this.after, this.layer]) {
      element.style.width = `${place.width}px`;
      element.style.height = `${place.height}px`;
      element.style.transform = `translate(${place.x}px, ${place.y}px)`;
    }
    const pixelated = place.scale * devicePixelRatio >= 4 && this.full;
    this.root.classList.toggle("pixels", pixelated);
    this.root.style.setProperty("--tall", `${box.height}px`); // the component gives its panes no height
    this.root.style.setProperty("--edge-left", `${Math.max(0, place.x)}px`);
    this.root.style.setProperty("--edge-top", `${Math.max(0, place.y)}px`);
    this.root.style.setProperty("--edge-right", `${Math.max(0, box.width - place.x - place.width)}px`);
    this.#drawFaces();
    const screen = this.scale === null ? "fit" : String(this.scale * devicePixelRatio);
    for (const button of findAll("[data-zoom]", this.root)) {
      const wanted = button.dataset.zoom;
      const same =
        wanted === screen || (screen !== "fit" && Math.abs(Number(wanted) - screen) < 0.01);
      button.setAttribute("aria-pressed", same ? "true" : "false");
    }
  }

  #drawFaces() {
    const { width, height } = this.size;
    const known = this.full ? this.faces : [];
    this.layer.replaceChildren(
      ...known.map(({ box: [left, top, right, bottom], restored, reason }) => {
        const words = restored ? say("face.restored") : say("face.left", { reason: reason ?? "" });
        const outline = make(
          "span",
          { className: `face${restored ? "" : " left"}` },
          make("span", { className: "face-words" }, words),
        );
        outline.style.left = `${(100 * left) / width}%`;
        outline.style.top = `${(100 * top) / height}%`;
        outline.style.width = `${(100 * (right - left)) / width}%`;
        outline.style.height = `${(100 * (bottom - top)) / height}%`;
        return outline;
      }),
    );
    find("[data-faces]", this.root).hidden = this.faces.length === 0;
  }

  #listen() {
    new ResizeObserver(() => this.#draw()).observe(this.slider);
    for (const button of findAll("[data-zoom]", this.root)) {
      button.addEventListener("click", () => {
        const wanted = button.dataset.zoom;
        this.zoom(wanted === "fit" ? wanted : Number(wanted));
      });
    }
    const faces = find("[data-faces]", this.root);
    faces.addEventListener("click", () => {
      const shown = this.root.classList.toggle("show-faces");
      faces.setAttribute("aria-pressed", String(shown));
    });
    this.slider.addEventListener("slide", () => this.#tellDivider());
    this.slider.addEventListener("keydown", (event) => this.#key(event), true);
    this.slider.addEventListener("dblclick", (event) => {
      this.zoom(this.scale === null ? 1 : "fit", this.#point(event));
    });
    this.slider.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    this.root.addEventListener("pointermove", (event) => this.#hover(event));
    this.#listenToFingers();
  }

  #tellDivider() {
    const share = Math.round(this.slider.value);
    this.slider.setAttribute("aria-valuenow", String(share));
    this.slider.setAttribute("aria-valuetext", say("divider", { n: share }));
  }

  #key(event) {
    const pan = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
    if (event.shiftKey && pan[event.key]) {
      const [x, y] = pan[event.key];
      this.#pan(x * KEY_PAN, y * KEY_PAN);
      event.preventDefault();
      event.stopImmediatePropagation();
    } else if (event.key === "Home" || event.key === "End") {
      this.slider.value = event.key === "Home" ? 0 : 100;
      this.#tellDivider();
      event.preventDefault();
    } else if (event.key === "0") this.zoom("fit");
    else if (event.key === "1") this.zoom(1);
    else if (event.key === "2") this.zoom(2);
    else if (event.key === "+" || event.key === "=") this.#zoomBy(STEP);
    else if (event.key === "-") this.#zoomBy(1 / STEP);
  }

  #zoomBy(factor, at = null) {
    if (!this.size) return;
    const now = this.#place().scale;
    const next = limit(now * factor, this.#fitScale(), MOST / devicePixelRatio);
    this.zoom(next <= this.#fitScale() * 1.001 ? "fit" : next * devicePixelRatio, at);
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey && this.root.dataset.zoomed === "no") return;
    event.preventDefault();
    if (event.ctrlKey || event.metaKey) {
      this.#zoomBy(Math.exp(-event.deltaY / 200), this.#point(event));
    } else {
      this.#pan(-event.deltaX, -event.deltaY);
    }
  }

  #pan(x, y) {
    if (!this.size || this.scale === null) return;
    const place = this.#place();
    this.centre.x -= x / place.width;
    this.centre.y -= y / place.height;
    this.#draw();
  }

  #point(event) {
    const box = this.slider.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  #hover(event) {
    if (!this.size) return;
    for (const outline of this.layer.children) {
      outline.classList.toggle("over", isOver(event, outline));
    }
  }

  /** One finger or the mouse pans a zoomed photo; two fingers zoom. */
  #listenToFingers() {
    const down = new Map();
    let apart = 0;
    let divider = 50;
    const spread = () => {
      const [a, b] = [...down.values()];
      return Math.hypot(a.x - b.x, a.y - b.y);
    };
    const onHandle = (event) => isOver(event, find(".handle", this.root));
    this.slider.addEventListener("pointerdown", (event) => {
      if (onHandle(event)) return;
      if (!down.size) divider = this.slider.value;
      down.set(event.pointerId, this.#point(event));
      if (down.size === 2) {
        apart = spread();
        this.slider.value = divider;
      }
    });
    this.slider.addEventListener(
      "touchmove",
      (event) => {
        if (down.size > 1) event.stopImmediatePropagation(); // the component would move the divider
      },
      { capture: true },
    );
    addEventListener("pointermove", (event) => {
      const from = down.get(event.pointerId);
      if (!from) return;
      const to = this.#point(event);
      down.set(event.pointerId, to);
      if (down.size === 2) {
        const now = spread();
        const [a, b] = [...down.values()];
        this.#zoomBy(now / apart, { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 });
        apart = now;
      } else if (this.root.dataset.zoomed === "yes") {
        this.#pan(to.x - from.x, to.y - from.y);
      }
    });
    for (const end of ["pointerup", "pointercancel"]) {
      addEventListener(end, (event) => down.delete(event.pointerId));
    }
  }
}
