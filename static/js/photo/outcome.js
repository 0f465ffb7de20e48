// What came of a photo, in words, and its download.

/** @import { Face, Item } from "../shared/types.d.ts" */

import { picture } from "../shared/api.js";
import { find, make } from "../shared/dom.js";
import { noFaceTitle, noFaceWords } from "../shared/no_face.js";
import { bytes, count, duration, say } from "../shared/words.js";
import { ItemState } from "../states.js";

export class Outcome {
  /** @param {HTMLElement} element */
  constructor(element) {
    this.element = element;
    this.facts = find("#facts", element);
    this.file = find("#file-facts", element);
    this.download = find("#download", element, HTMLAnchorElement);
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
    this.download.href = picture(job, 0, "after", "?download=1");
    this.file.textContent = "";
  }

  /**
   * Tell what the download is, as soon as that is known.
   * @param {Item} item @param {HTMLImageElement} image with all its pixels
   */
  async showFile({ result }, { naturalWidth: width, naturalHeight: height }) {
    const { href } = this.download;
    const answer = await fetch(href, { method: "HEAD" }).catch(() => null); // it is only told then
    if (!answer?.ok || href !== this.download.href) return;
    this.file.textContent = say("file.facts", {
      kind: (result?.split(".").pop() ?? "").toUpperCase().replace("JPG", "JPEG"),
      size: say("frame.size", { width, height }),
      bytes: bytes(Number(answer.headers.get("Content-Length"))),
    });
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
