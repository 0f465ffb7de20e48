// What came of a photo, in words, and its download.

/** @import { Item } from "../shared/types.d.ts" */

import { picture } from "../shared/api.js";
import { find, make } from "../shared/dom.js";
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
    const warnings = [...(hasNoFace ? [noFaceWords(item)] : []), ...item.warnings];
    const lines = warnings.map((text) => make("li", {}, text));
    find("#warnings", this.element).replaceChildren(...lines);
    const download = find("#download", this.element, HTMLAnchorElement);
    download.href = picture(job, 0, "after", "?download=1");
    find("#turn-upright", this.element).hidden = !liesTurned(item);
  }
}

/** Whether the photo could be turned upright, and was not. @param {Item} item */
const liesTurned = (item) => Boolean(item.report?.turn) && !item.report?.options?.upright;

/** Whether faces were found, and all left alone. @param {Item} item */
const hasFaces = (item) => (item.report?.faces ?? []).length > 0;

/** @param {Item} item */
export const noFaceTitle = (item) => say(hasFaces(item) ? "faces.none" : "no_face.title");

/** @param {Item} item */
function noFaceWords(item) {
  const smallest = item.report?.options?.min_face;
  return hasFaces(item) ? say("no_face.left", { n: smallest }) : say("no_face.words");
}

/** @param {Item} item */
function facesAndTime(item) {
  const restored = (item.report?.faces ?? []).filter((face) => face.restored).length;
  const faces = restored ? count("faces", restored) : say("faces.none");
  return say("faces.took", { faces, time: duration(item.seconds ?? 0) });
}
