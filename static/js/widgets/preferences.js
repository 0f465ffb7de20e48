// On every page: the switches for colours and language; dropped files do not leave it.

import { address } from "../shared/api.js";
import { find, findAll, toast } from "../shared/dom.js";
import { say } from "../shared/words.js";

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

/** A photo dropped on a page that takes none would take the page's place. */
function keepDropsOut() {
  /** @param {DragEvent} event */
  const isOurs = ({ dataTransfer }) =>
    [...(dataTransfer?.types ?? [])].includes("Files") && !takesPhotos();
  addEventListener("dragover", (event) => isOurs(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!isOurs(event)) return;
    event.preventDefault();
    toast(say("drop.elsewhere"));
  });
}

/** Whether photos can be dropped here: files.js says so. */
const takesPhotos = () => document.documentElement.classList.contains("takes-photos");

keepDropsOut();
new ColourSwitch();
new LanguageSwitch();
