// The files that did not get into an album, and why.

import { find, make } from "../shared/dom.js";
import { count } from "../shared/words.js";

export class RefusedList {
  #n = 0;

  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.title = find("#refused-title", element);
    this.list = find("#refused-list", element);
  }

  /** @param {string} name @param {string} message why, with or without the name */
  add(name, message) {
    this.#n += 1;
    this.element.hidden = false;
    this.title.textContent = count("refused", this.#n);
    const namesFile = message.includes(name.split("/").pop() ?? name);
    this.list.append(make("li", {}, namesFile ? message : `${name}: ${message}`));
  }
}
