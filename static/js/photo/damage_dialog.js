// Mark what is damaged: a proposal of the server's, a brush and an eraser over the photo.

import { attempt, picture } from "../shared/api.js";
import { find, findAll, toast, toastError } from "../shared/dom.js";
import { say } from "../shared/words.js";
import { DamageStrokes } from "./damage_strokes.js";

/** @typedef {{width: number, height: number}} Size of a photo, in its pixels */

const SHOWN = 2000; // pixels of the long side that are painted on

export class DamageDialog {
  /** @type {string} */
  #job = "";
  #isPainting = false;

  constructor() {
    this.element = find("#damage", document, HTMLDialogElement);
    this.photo = find("img", this.element, HTMLImageElement);
    this.sheet = find(".damage-sheet", this.element);
    this.strokes = new DamageStrokes(find("canvas", this.element, HTMLCanvasElement));
    this.width = find("#damage-width", this.element, HTMLInputElement);
    this.fillButton = find("button[value=yes]", this.element, HTMLButtonElement);
    this.undoButton = find("#damage-undo", this.element, HTMLButtonElement);
    this.#listen();
  }

  /**
   * Let the user mark the damage of a job's photo.
   * @param {string} job
   * @param {Size} size
   * @param {string} mask what is marked already, as the API has it
   * @returns {Promise<string | null>} the mask, empty where nothing is marked; null: given up
   */
  async ask(job, size, mask) {
    this.#job = job;
    this.element.returnValue = "";
    this.strokes.reset(1, 1);
    this.fillButton.disabled = true; // until what is marked already is there, else it would go lost
    this.element.showModal();
    const closed = new Promise((resolve) =>
      this.element.addEventListener("close", resolve, { once: true }),
    );
    await attempt(() => this.#begin(mask), toastError);
    await closed;
    if (this.element.returnValue !== "yes") return null;
    return this.strokes.hasMarks ? this.strokes.asText(size.width, size.height) : "";
  }

  /** @param {string} mask */
  async #begin(mask) {
    const query = `?turned=0&max=${SHOWN}`; // a mask is of the photo as it was
    const { naturalWidth, naturalHeight } = await load(picture(this.#job, 0, "before", query));
    this.photo.src = picture(this.#job, 0, "before", query);
    this.strokes.reset(naturalWidth, naturalHeight);
    this.#zoom(false);
    if (mask) this.strokes.addMask(await load(`data:image/png;base64,${mask}`));
    this.fillButton.disabled = false;
    if (!mask) await this.#propose();
    this.#show();
  }

  async #propose() {
    this.element.dataset.busy = "yes";
    try {
      this.strokes.addMask(await load(picture(this.#job, 0, "damage")));
    } catch {
      toast(say("damage.none"), "bad");
    }
    this.element.dataset.busy = "no";
    this.#show();
  }

  get #tool() {
    return find("input[name=damage-tool]:checked", this.element, HTMLInputElement).value;
  }

  #listen() {
    const { canvas } = this.strokes;
    canvas.addEventListener("pointerdown", (event) => this.#down(event));
    canvas.addEventListener("pointermove", (event) => this.#move(event));
    for (const end of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(end, () => this.#up());
    }
    for (const tool of findAll("input[name=damage-tool]", this.element)) {
      tool.addEventListener("change", () => this.#show());
    }
    find("#damage-propose", this.element).addEventListener("click", () => this.#propose());
    this.undoButton.addEventListener("click", () => this.#undo());
    const zoom = find("#damage-zoom", this.element);
    zoom.addEventListener("click", () => this.#zoom(zoom.ariaPressed !== "true"));
    this.element.addEventListener("keydown", (event) => {
      if (event.key !== "z" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      event.stopPropagation(); // else a setting would be undone, too
      this.#undo();
    });
  }

  #undo() {
    this.strokes.undo();
    this.#show();
  }

  /** @param {boolean} isZoomed to the pixels that are painted on, or so that all is seen */
  #zoom(isZoomed) {
    find("#damage-zoom", this.element).ariaPressed = String(isZoomed);
    const { width, height } = this.strokes.canvas;
    this.sheet.classList.toggle("zoomed", isZoomed);
    this.sheet.style.setProperty("--wide", `${width}px`);
    this.sheet.style.setProperty("--shape", String(width / height));
  }

  #show() {
    this.undoButton.disabled = !this.strokes.canUndo;
    this.element.dataset.tool = this.#tool;
  }

  /** @param {PointerEvent} event */
  #down(event) {
    if (this.#tool === "move" || event.button !== 0) return;
    event.preventDefault();
    this.strokes.canvas.setPointerCapture(event.pointerId);
    this.#isPainting = true;
    this.strokes.beginStroke(this.#tool === "eraser", this.#brush(), this.#at(event));
    this.#show();
  }

  /** @param {PointerEvent} event */
  #move(event) {
    if (!this.#isPainting) return;
    for (const each of event.getCoalescedEvents?.() ?? []) this.strokes.goOn(this.#at(each));
    this.strokes.goOn(this.#at(event));
  }

  #up() {
    this.#isPainting = false;
  }

  /** The brush's width in pixels of the canvas; the slider counts those of the screen. */
  #brush() {
    const { canvas } = this.strokes;
    return (this.width.valueAsNumber * canvas.width) / canvas.getBoundingClientRect().width;
  }

  /** @param {PointerEvent} event */
  #at(event) {
    const { canvas } = this.strokes;
    const box = canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * canvas.width) / box.width,
      y: ((event.clientY - box.top) * canvas.height) / box.height,
    };
  }
}

/** @param {string} url @returns {Promise<HTMLImageElement>} */
function load(url) {
  return new Promise((resolve, reject) => {
    const image = new Image();
    image.onload = () => resolve(image);
    image.onerror = () => reject(new Error(url));
    image.src = url;
  });
}
