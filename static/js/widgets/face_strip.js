// The faces of a photo, before and after, and what the user chooses for each of them.

/** @import { Face, Item, Options } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "./options_form.js" */
/** @import { Shares } from "./live_strength.js" */
/** @import { Viewer } from "./viewer.js" */

import { find, findAll } from "../shared/dom.js";
import { shownBox } from "../shared/faces.js";
import { isTouched, say } from "../shared/words.js";
import { showSlider } from "./options_form.js";

const AROUND = 1.5; // times the face's size that a thumbnail shows
const NONE = { faces: "", not_faces: "", face_strength: "", face_mode: "", face_boxes: "" };

/** @typedef {{isOn: boolean, strength: number | null}} Choice strength: null as for the photo */

export class FaceStrip {
  /** @type {Face[]} */
  #faces = [];
  /** By number. @type {Map<number, Choice>} */
  #choices = new Map();

  /** @type {Options | null} */
  #options = null;

  /**
   * @param {HTMLElement} element
   * @param {OptionsForm} form which keeps the choices
   * @param {() => void} onInput is called while a face's strength is being chosen
   */
  constructor(element, form, onInput) {
    this.element = element;
    this.form = form;
    this.onInput = onInput;
    this.list = find("ul", element);
    this.card = find("template", element, HTMLTemplateElement);
    this.again = find("#faces-reset", element);
    this.again.addEventListener("click", () => form.choose(NONE));
  }

  /** Another photo comes: forget what was chosen. */
  reset() {
    this.element.hidden = true;
    this.form.set(NONE);
  }

  /**
   * Show the faces of a restored photo.
   * @param {Item} item
   * @param {Viewer} viewer which shows it with all its pixels
   */
  show(item, viewer) {
    this.#faces = item.report?.faces ?? [];
    const options = item.report?.options ?? null;
    this.#options = options;
    this.element.hidden = this.#faces.length === 0;
    if (!options) return;
    this.#choices = new Map(this.#faces.map((face) => [face.number, choiceOf(face, options)]));
    this.again.hidden = !Object.keys(NONE).some((name) => options[name]);
    const top = this.list.scrollTop;
    const cards = this.#faces.map((face) => this.#card(face, options, viewer));
    this.list.replaceChildren(...cards);
    this.list.scrollTop = top;
  }

  /**
   * How much of each face's change is seen with the strengths that are chosen by now.
   * @param {number} strength the photo's
   * @returns {Shares | null} null where the change does not grow with the strength
   */
  shares(strength) {
    const options = this.#options;
    const restored = this.#faces.filter((face) => face.restored);
    const isSimple = options && !isTouched(options) && (options.background ?? "off") === "off";
    if (!isSimple || restored.some((face) => !face.strength)) return null;
    const all = strength / (options.strength || 1);
    const faces = restored.map((face) => {
      const { number, strength: now } = face;
      const wanted = this.#choices.get(number)?.strength ?? strength;
      return { box: shownBox(face), share: wanted / (now ?? 1) };
    });
    return { all, faces: faces.filter(({ share }) => share !== all) };
  }

  /** @param {Face} face @param {Options} options @param {Viewer} viewer */
  #card(face, options, viewer) {
    const card = /** @type {HTMLElement} */ (this.card.content.cloneNode(true));
    const n = face.number;
    const choice = this.#choices.get(n) ?? { isOn: true, strength: null };
    const look = find(".face-look", card, HTMLButtonElement);
    look.setAttribute("aria-label", say("face.look", { n }));
    look.addEventListener("click", () => viewer.lookAt(shownBox(face)));
    const [before, after] = findAll("canvas", look, HTMLCanvasElement);
    drawFace(before, viewer.before, shownBox(face), viewer.before.naturalWidth);
    const result = face.restored ? viewer.after : viewer.before;
    drawFace(after, result, shownBox(face), viewer.before.naturalWidth);
    find(".face-name", card).textContent = say("face.number", { n });
    const isOn = find("input[type=checkbox]", card, HTMLInputElement);
    isOn.checked = choice.isOn;
    isOn.addEventListener("change", () => this.#choose(n, { ...choice, isOn: isOn.checked }));
    const strength = find("input[type=range]", card, HTMLInputElement);
    strength.setAttribute("aria-label", say("face.strength", { n }));
    strength.value = String(choice.strength ?? options.strength);
    showSlider(strength);
    find(".face-strength", card).hidden = !choice.isOn;
    strength.addEventListener("input", () => {
      showSlider(strength);
      this.#choices.set(n, { isOn: true, strength: strength.valueAsNumber });
      this.onInput();
    });
    strength.addEventListener("change", () =>
      this.#choose(n, { isOn: true, strength: strength.valueAsNumber }),
    );
    const why = find("small", card);
    why.textContent = face.reason;
    why.hidden = !face.reason || !choice.isOn;
    return card;
  }

  /** @param {number} n @param {Choice} choice */
  #choose(n, choice) {
    this.#choices.set(n, choice);
    const all = [...this.#choices];
    const off = all.filter(([, { isOn }]) => !isOn);
    const own = all.filter(([, { isOn, strength }]) => isOn && strength !== null);
    const named = new Set([...off, ...own].map(([number]) => number));
    const boxes = this.#faces.filter(({ number }) => named.has(number));
    this.form.choose({
      faces: "",
      not_faces: off.map(([number]) => number).join(","),
      face_strength: own.map(([number, { strength }]) => `${number}=${strength}`).join(","),
      face_boxes: boxes.map(({ number, box }) => `${number}=${box.join(",")}`).join(";"),
    });
  }
}

/** What was chosen for a face. @param {Face} face @param {Options} options @returns {Choice} */
function choiceOf({ number, strength, restored, reason }, options) {
  const own = new Map(
    String(options.face_strength ?? "")
      .split(",")
      .map((part) => /** @type {[string, string]} */ (part.split("="))),
  ).get(String(number));
  const isOff = numbersOf(options.not_faces).includes(number) || own === "0";
  const isLeftOut = options.faces !== "" && !numbersOf(options.faces).includes(number);
  return {
    isOn: restored || (reason !== null && !isOff && !isLeftOut),
    strength: own === undefined || own === "0" ? null : (strength ?? Number(own)),
  };
}

/** @param {unknown} text */
const numbersOf = (text) =>
  String(text ?? "")
    .split(",")
    .map(Number);

/**
 * Draw a face and a little around it.
 * @param {HTMLCanvasElement} canvas
 * @param {HTMLImageElement} picture of the photo, or of its result, which may be enlarged
 * @param {Face["box"]} box in pixels of the photo
 * @param {number} width of the photo
 */
async function drawFace(canvas, picture, [left, top, right, bottom], width) {
  await picture.decode().catch(() => {}); // what cannot be drawn stays empty
  const scale = picture.naturalWidth / width;
  const side = Math.max(right - left, bottom - top) * AROUND;
  const [x, y] = [(left + right - side) / 2, (top + bottom - side) / 2];
  const pen = canvas.getContext("2d");
  pen?.drawImage(
    picture,
    x * scale,
    y * scale,
    side * scale,
    side * scale,
    0,
    0,
    canvas.width,
    canvas.height,
  );
}
