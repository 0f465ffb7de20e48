// What came of a photo, in words, and its download.

/** @import { Face, Item } from "../shared/types.d.ts" */

import { picture } from "../shared/api.js";
import { find, make } from "../shared/dom.js";
import { noFaceTitle, noFaceWords } from "../shared/no_face.js";
import { count, duration, say } from "../shared/words.js";
import { ItemState } from "../states.js";

export class Outcome {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.facts = find("#facts", element);
  }

  /** The main fact, as it is shown. */
  get words() {
    return this.facts.textContent ?? "";
  }

  /** @param {string} job @param {Item} item */
  show(job, item) {
    const hasNoFace = item.state === ItemState.NO_FACE;
    find("#filename", this.element).textContent = item.name.split("/").pop() ?? "";
    this.facts.textContent = hasNoFace ? noFaceTitle(item) : facesAndTime(item);
    const warnings = [...(hasNoFace ? noFaceWords(item) : []), ...item.warnings];
    find("#warnings", this.element).replaceChildren(...linesOf(warnings));
    find("#notes", this.element).replaceChildren(...linesOf(item.report?.notes ?? []));
    const download = find("#download", this.element, HTMLAnchorElement);
    download.href = picture(job, 0, "after", "?download=1");
  }
}

/** @param {string[]} texts */
const linesOf = (texts) => texts.map((text) => make("li", {}, text));

/** @param {Item} item */
function facesAndTime(item) {
  const restored = (item.report?.faces ?? []).filter(isRestored).length;
  const faces = restored ? count("faces", restored) : say("faces.none");
  const facts = [say("faces.took", { faces, time: duration(item.seconds ?? 0) })];
  const n = item.report?.scale ?? 1;
  if (n > 1) facts.push(say("enlarged", { n }));
  return facts.join(" · ");
}

/** @param {Face} face */
const isRestored = (face) => face.restored;
