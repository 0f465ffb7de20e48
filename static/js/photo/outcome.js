// What came of a photo, in words, and its download.

/** @import { Face, Item } from "../shared/types.d.ts" */

import { picture } from "../shared/api.js";
import { find, make } from "../shared/dom.js";
import { hasFaces, isNewPicture } from "../shared/results.js";
import { count, duration, say } from "../shared/words.js";
import { ItemState } from "../states.js";

/** Options that change faces alone, with their defaults. @type {[string, unknown][]} */
const FOR_FACES = [
  ["strength", 70],
  ["mode", "natural"],
  ["protect_skin", true],
];

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
export const noFaceTitle = (item) => say(hasFaces(item) ? "faces.none" : "no_face.title");

/** What became of a photo without a restored face, and of settings for faces. @param {Item} item */
function noFaceWords(item) {
  const isForFaces = FOR_FACES.some(([name, usual]) => item.report?.options[name] !== usual);
  return [whyNoFace(item), ...(isForFaces ? [say("no_face.settings")] : [])];
}

/** @param {Item} item */
function whyNoFace(item) {
  if (isNewPicture(item)) return say("no_face.worked_on");
  const options = item.report?.options;
  const isChosen = options?.faces || options?.not_faces || options?.face_strength;
  if (hasFaces(item) && isChosen) return say("no_face.off");
  return hasFaces(item) ? say("no_face.left", { n: options?.min_face }) : say("no_face.words");
}

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
