// A button by which the photo is seen as it was, for as long as it is held.

/** @import { ImgComparisonSlider } from "../../vendor/img-comparison-slider/index.js" */

export class HoldButton {
  #divider = 50; // where it was

  /** @param {HTMLElement} button @param {ImgComparisonSlider} slider */
  constructor(button, slider) {
    this.button = button;
    this.slider = slider;
    const isKey = (/** @type {KeyboardEvent} */ { key }) => key === " " || key === "Enter";
    button.addEventListener("pointerdown", () => this.#hold(true));
    button.addEventListener("keydown", (event) => isKey(event) && this.#hold(true));
    button.addEventListener("keyup", (event) => isKey(event) && this.#hold(false));
    for (const end of ["pointerup", "pointercancel", "pointerleave", "blur", "contextmenu"]) {
      button.addEventListener(end, () => this.#hold(false));
    }
  }

  /** @param {boolean} held */
  #hold(held) {
    if (held === (this.button.ariaPressed === "true")) return;
    if (held) this.#divider = this.slider.value;
    this.button.ariaPressed = String(held);
    this.slider.value = held ? 100 : this.#divider;
  }
}
