// The frames and numbers of a photo's faces, over the photo.

/** @import { Face } from "../shared/types.d.ts" */
/** @import { Size } from "./viewer.js" */

import { find, findAll, make } from "../shared/dom.js";
import { shownBox } from "../shared/faces.js";
import { say } from "../shared/words.js";
import { isOver } from "./viewer_pointers.js";

/** @type {Face[]} */
const NONE = [];

export class FaceOutlines {
  /** @type {Face[]} */
  faces = [];
  /** Is told which face's number was clicked; null: nobody wants to know. @type {((n: number) => void) | null} */
  #onChoose = null;
  /** Of what the outlines are that are drawn. @type {{faces: Face[], size: Size} | null} */
  #drawn = null;

  /** @param {HTMLElement} root the viewer's element @param {HTMLElement} layer over the photo */
  constructor(root, layer) {
    this.root = root;
    this.layer = layer;
    this.button = find("[data-faces]", root);
    this.button.addEventListener("click", () => {
      const shown = root.classList.toggle("show-faces");
      this.button.setAttribute("aria-pressed", String(shown));
    });
    root.addEventListener("pointermove", (event) => this.#hover(event));
    layer.addEventListener("click", (event) => this.#choose(event));
  }

  /** Let the faces' numbers be clicked. @param {(n: number) => void} onChoose */
  letChoose(onChoose) {
    this.#onChoose = onChoose;
    this.root.classList.add("faces-lead");
  }

  /** @param {Size} size the photo's @param {boolean} isFull whether that is known exactly */
  draw(size, isFull) {
    this.button.hidden = this.faces.length === 0;
    const faces = isFull ? this.faces : NONE;
    const was = this.#drawn;
    const isSameSize = was?.size.width === size.width && was.size.height === size.height;
    if (was?.faces === faces && isSameSize) return;
    this.#drawn = { faces, size };
    this.layer.replaceChildren(...faces.map((face) => outlineOf(face, size)));
  }

  /** Numbers that lie close take each other's clicks: the nearest is meant. @param {MouseEvent} event */
  #choose({ clientX, clientY }) {
    const away = (/** @type {HTMLElement} */ number) => {
      const { left, top, width, height } = number.getBoundingClientRect();
      return Math.hypot(left + width / 2 - clientX, top + height / 2 - clientY);
    };
    const [nearest] = findAll(".face-number", this.layer).sort((a, b) => away(a) - away(b));
    if (nearest) this.#onChoose?.(Number(nearest.textContent));
  }

  /** @param {PointerEvent} event */
  #hover(event) {
    for (const outline of this.layer.children) {
      outline.classList.toggle("over", isOver(event, outline));
    }
  }
}

/** @param {Face} face @param {Size} size */
function outlineOf(face, { width, height }) {
  const { number, restored, reason } = face;
  const [left, top, right, bottom] = shownBox(face);
  const words = restored ? say("face.restored") : say("face.left", { reason: reason ?? "" });
  const outline = make(
    "span",
    { className: `face${restored ? "" : " left"}` },
    make("b", { className: "face-number" }, String(number)),
    make("span", { className: "face-words" }, words),
  );
  outline.style.left = `${(100 * left) / width}%`;
  outline.style.top = `${(100 * top) / height}%`;
  outline.style.width = `${(100 * (right - left)) / width}%`;
  outline.style.height = `${(100 * (bottom - top)) / height}%`;
  return outline;
}
