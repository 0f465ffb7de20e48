// On every page: the switches for colours and language.

import { address } from "../shared/api.js";
import { find, findAll } from "../shared/dom.js";

/** Change the colours without loading the page anew; the server keeps the choice. */
class ColourSwitch {
  constructor() {
    for (const link of findAll(".to-dark, .to-light", document, HTMLAnchorElement)) {
      link.addEventListener("click", (event) => {
        event.preventDefault();
        this.#choose(new URL(link.href).searchParams.get("theme") ?? "");
        find(link.classList.contains("to-dark") ? ".to-light" : ".to-dark").focus();
      });
    }
  }

  /** @param {string} theme */
  #choose(theme) {
    document.documentElement.dataset.theme = theme;
    fetch(address(`/models?theme=${theme}`));
  }
}

/** The scripts change the address while they work; another language shows the same. */
class LanguageSwitch {
  constructor() {
    for (const link of findAll("a.choice[hreflang]", document, HTMLAnchorElement)) {
      link.addEventListener("click", () => {
        const address = new URL(location.href);
        address.searchParams.set("lang", new URL(link.href).searchParams.get("lang") ?? "");
        link.href = address.href;
      });
    }
  }
}

new ColourSwitch();
new LanguageSwitch();
