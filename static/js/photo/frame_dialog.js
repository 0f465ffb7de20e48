// Which part of a photo is restored, and which way round: turned by quarters, then cropped.

/** @typedef {{rotate: string, crop: string}} Frame as the API has it */
/** @typedef {{width: number, height: number}} Size of a photo, in its pixels */

import { picture } from "../shared/api.js";
import { ask, find, toast } from "../shared/dom.js";
import { say } from "../shared/words.js";
import { CropBox } from "./crop_box.js";

const SHOWN = 1600; // pixels of the long side

export class FrameDialog {
  #quarters = 0; // clockwise
  /** @type {Size} */
  #whole = { width: 1, height: 1 };
  /** As in its file. @type {HTMLImageElement} */
  #image = new Image();

  constructor() {
    this.element = find("#frame", document, HTMLDialogElement);
    this.canvas = find("canvas", this.element, HTMLCanvasElement);
    this.sheet = find(".frame-sheet", this.element);
    this.size = find("#frame-size", this.element);
    this.box = new CropBox(this.sheet, () => this.#tell());
    find("#frame-left", this.element).addEventListener("click", () => this.#turn(-1));
    find("#frame-right", this.element).addEventListener("click", () => this.#turn(1));
    find("#frame-whole", this.element).addEventListener("click", () => this.box.reset());
  }

  /**
   * Let the user choose.
   * @param {string} job
   * @param {Size} whole the photo's size in its file
   * @param {string} rotate as it is now
   * @param {string} crop
   * @returns {Promise<Frame | null>} null: given up, or nothing has changed
   */
  async ask(job, whole, rotate, crop) {
    this.#whole = whole;
    this.#quarters = Number(rotate) / 90;
    this.#image = new Image();
    this.#image.src = picture(job, 0, "before", `?whole=1&max=${SHOWN}`);
    try {
      await this.#image.decode();
    } catch {
      toast(say("trouble.gone"), "bad");
      return null;
    }
    this.#draw();
    if (crop) this.box.part = this.#partOf(crop);
    else this.box.reset();
    if (!(await ask(this.element))) return null;
    const chosen = { rotate: String(90 * this.#quarters), crop: this.#crop() };
    return chosen.rotate === rotate && chosen.crop === crop ? null : chosen;
  }

  /** The photo's size as it is turned now. @returns {Size} */
  get #turned() {
    const { width, height } = this.#whole;
    return this.#quarters % 2 ? { width: height, height: width } : { width, height };
  }

  /** @param {1 | -1} quarter */
  #turn(quarter) {
    this.#quarters = (this.#quarters + quarter + 4) % 4;
    this.#draw();
    this.box.turn(quarter);
  }

  #draw() {
    const { naturalWidth, naturalHeight } = this.#image;
    const isSideways = this.#quarters % 2 === 1;
    this.canvas.width = isSideways ? naturalHeight : naturalWidth;
    this.canvas.height = isSideways ? naturalWidth : naturalHeight;
    this.sheet.style.setProperty("--shape", String(this.canvas.width / this.canvas.height));
    const pen = this.canvas.getContext("2d");
    pen?.translate(this.canvas.width / 2, this.canvas.height / 2);
    pen?.rotate((this.#quarters * Math.PI) / 2);
    pen?.drawImage(this.#image, -naturalWidth / 2, -naturalHeight / 2);
  }

  #tell() {
    const [, , width, height] = this.#pixels();
    this.size.textContent = say("frame.size", { width, height });
  }

  /** Left, top, width and height of what is kept. */
  #pixels() {
    const { width, height } = this.#turned;
    const { left, top, right, bottom } = this.box.part;
    const [x, y] = [Math.round(left * width), Math.round(top * height)];
    const across = Math.max(1, Math.round(right * width) - x);
    return [x, y, across, Math.max(1, Math.round(bottom * height) - y)];
  }

  #crop() {
    const { width, height } = this.#turned;
    const [x, y, across, down] = this.#pixels();
    return across === width && down === height ? "" : [x, y, across, down].join(",");
  }

  /** @param {string} crop */
  #partOf(crop) {
    const { width, height } = this.#turned;
    const [x, y, across, down] = crop.split(",").map(Number);
    return {
      left: x / width,
      top: y / height,
      right: (x + across) / width,
      bottom: (y + down) / height,
    };
  }
}
