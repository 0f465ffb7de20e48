// The comparison in the whole window, until its button, Escape or Back ends it.

import { find, findAll } from "../shared/dom.js";

export class WholeWindow {
  /**
   * @param {HTMLElement} root
   * @param {() => string} address the page's: Back must not lead to that of an earlier version
   */
  constructor(root, address) {
    this.result = find("#result", root);
    this.button = find("[data-whole]", root);
    this.others = [...findAll(".skip, .top, .banner"), find(".panel", root)];
    this.button.addEventListener("click", () => {
      if (this.isOn) history.back();
      else this.#enter();
    });
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.isOn && !event.defaultPrevented) history.back();
    });
    addEventListener("popstate", () => {
      if (!this.isOn) return;
      this.leave();
      history.replaceState(null, "", address());
    });
  }

  get isOn() {
    return this.result.classList.contains("whole");
  }

  #enter() {
    history.pushState(null, "", location.href);
    this.#fill(true);
  }

  leave() {
    this.#fill(false);
  }

  /** @param {boolean} isOn what else the page has then cannot be reached */
  #fill(isOn) {
    this.result.classList.toggle("whole", isOn);
    this.button.ariaPressed = String(isOn);
    for (const other of this.others) other.inert = isOn;
  }
}
