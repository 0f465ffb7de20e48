// On every page: whether the model is ready, in a banner.

/** @import { Engine } from "../shared/types.d.ts" */

import { address, get } from "../shared/api.js";
import { find, make } from "../shared/dom.js";
import { say } from "../shared/words.js";

const POLL_MS = 1000;

/** Draws the banner, marks the document with the engine's state, and tells it by an event. */
class EngineBanner {
  #shown = "";

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
  }

  /** Look until the model is ready; the models page looks by itself. */
  async watch() {
    try {
      /** @type {{engine: Engine}} */
      const { engine } = await get("/api/models");
      this.#tell(engine);
      if (engine.state === "loading" || engine.state === "idle") this.#watchAfter(POLL_MS);
    } catch {
      this.#watchAfter(4 * POLL_MS);
    }
  }

  /** @param {number} milliseconds */
  #watchAfter(milliseconds) {
    setTimeout(() => this.watch(), milliseconds);
  }

  /** @param {Engine} engine */
  #tell(engine) {
    document.documentElement.dataset.engine = engine.state;
    document.dispatchEvent(new CustomEvent("engine", { detail: engine }));
    if (this.#shown === engine.state) return;
    this.#shown = engine.state;
    this.#draw(engine);
  }

  /** @param {Engine} engine */
  #draw({ state, message }) {
    this.element.hidden = state !== "loading" && state !== "failed";
    this.element.className = `banner ${state}`;
    /** @type {(string | Node)[]} */
    const parts = [state === "failed" ? say("engine.failed", { message }) : say(`engine.${state}`)];
    if (state === "failed" && location.pathname !== address("/models")) {
      parts.push(" ", make("a", { href: address("/models") }, say("engine.choose")));
    }
    this.element.replaceChildren(...(this.element.hidden ? [] : parts));
  }
}

new EngineBanner(find("#engine")).watch();
