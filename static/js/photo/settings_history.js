// The settings that were tried for a photo, in order: undo and redo.

/** @import { Options } from "../shared/types.d.ts" */

export class SettingsHistory {
  /** @type {Options[]} */
  #tried = [];
  #at = -1; // which of them is chosen
  /** What the picture shows. @type {Options | null} */
  #shown = null;

  /**
   * @param {HTMLButtonElement} undo
   * @param {HTMLButtonElement} redo
   * @param {(options: Options) => void} apply tries settings again; they are not added anew
   */
  constructor(undo, redo, apply) {
    this.undo = undo;
    this.redo = redo;
    this.apply = apply;
    undo.addEventListener("click", () => this.#go(-1));
    redo.addEventListener("click", () => this.#go(1));
    addEventListener("keydown", (event) => this.#key(event));
  }

  /** Another photo: only its own settings are known. @param {Options | null} options */
  begin(options) {
    this.#tried = options ? [options] : [];
    this.#at = this.#tried.length - 1;
    this.#shown = options;
    this.#draw();
  }

  /** What is chosen is shown by now. */
  arrive() {
    this.#shown = this.#tried[this.#at];
  }

  /** Choose again what is shown; what was chosen instead can be redone. @returns {Options | null} */
  goBack() {
    if (this.#shown === null) return null;
    if (!this.#tried.includes(this.#shown)) this.#tried.splice(this.#at, 0, this.#shown);
    this.#at = this.#tried.lastIndexOf(this.#shown);
    this.#draw();
    return this.#shown;
  }

  /** Settings are tried; what was undone before is forgotten. @param {Options} options */
  add(options) {
    if (JSON.stringify(options) === JSON.stringify(this.#tried[this.#at])) return;
    this.#tried = [...this.#tried.slice(0, this.#at + 1), options];
    this.#at += 1;
    this.#draw();
  }

  /** @param {number} step */
  #go(step) {
    const options = this.#tried[this.#at + step];
    if (!options) return;
    this.#at += step;
    this.#draw();
    this.apply(options);
  }

  #draw() {
    this.undo.disabled = this.#at <= 0;
    this.redo.disabled = this.#at >= this.#tried.length - 1;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const writes = event.target instanceof HTMLInputElement && event.target.type === "number";
    if (!(event.ctrlKey || event.metaKey) || event.key.toLowerCase() !== "z" || writes) return;
    event.preventDefault();
    this.#go(event.shiftKey ? 1 : -1);
  }
}
