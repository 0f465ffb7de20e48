// The fast mode: what it costs and brings on this machine, and the switch.

/** @import { FastMode, ModelsAnswer } from "../shared/types.d.ts" */

import { attempt, get, post } from "../shared/api.js";
import { find, toastError } from "../shared/dom.js";
import { say } from "../shared/words.js";

export class FastModeSwitch {
  /**
   * @param {HTMLElement} element as ui.fast_mode draws it
   * @param {{isOffer?: boolean}} [how] isOffer: it is shown until somebody has chosen
   */
  constructor(element, { isOffer = false } = {}) {
    this.element = element;
    this.isOffer = isOffer;
    this.words = find("p", element);
    this.turnOn = find(".turn-on", element);
    this.turnOff = find(".turn-off", element);
    this.turnOn.addEventListener("click", () => this.#choose(true));
    this.turnOff.addEventListener("click", () => this.#choose(false));
  }

  /** Ask the server, and show it. */
  async refresh() {
    await attempt(
      async () => {
        /** @type {ModelsAnswer} */
        const { fast_mode: mode } = await get("/api/models");
        this.show(mode);
      },
      () => {}, // no offer then
    );
  }

  /** @param {FastMode | null} mode */
  show(mode) {
    this.element.hidden = !mode || (this.isOffer && mode.is_chosen);
    if (!mode) return;
    const { is_on: isOn, gain, decibels } = mode;
    const key = isOn ? "fast.on" : "fast.offer";
    this.words.textContent = gain
      ? say(key, { gain, decibels: decibels ?? 0 })
      : say("fast.on.only");
    this.turnOn.hidden = isOn;
    this.turnOff.hidden = !isOn && !this.isOffer;
  }

  /** @param {boolean} isOn */
  async #choose(isOn) {
    await attempt(async () => {
      const { fast_mode: mode } = await post("/api/models/fast-mode", { is_on: isOn });
      this.show(mode);
    }, toastError);
  }
}
