// The faces of a photo, before and after, and what the user chooses for each of them.

/** @import { Face, Item, Options } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "./options_form.js" */
/** @import { Shares } from "./live_strength.js" */
/** @import { Choice } from "./face_choices.js" */
/** @import { Viewer } from "./viewer.js" */

import { find, findAll } from "../shared/dom.js";
import { boxTurnedBack, shownBox } from "../shared/faces.js";
import { frameOf } from "../shared/results.js";
import { isTouched, say } from "../shared/words.js";
import { BoxDrawing } from "./box_drawing.js";
import { showSlider } from "./options_form.js";
import { faceWords } from "./face_words.js";
import { choiceOf, choicesAsOptions, drawnBoxes, NONE, withoutFace } from "./face_choices.js";

const AROUND = 1.5; // times the face's size that a thumbnail shows
/** Options that say what is chosen, without where the faces are. */
const CHOICES = Object.keys(NONE).filter((name) => name !== "face_boxes");

export class FaceStrip {
  /** @type {Face[]} */
  #faces = [];
  /** By number. @type {Map<number, Choice>} */
  #choices = new Map();

  /** @type {Options | null} */
  #options = null;
  /** By how many degrees the photo is turned clockwise to be shown. */
  #turn = 0;
  /** @type {Viewer | null} */
  #viewer = null;
  /** @type {BoxDrawing | null} */
  #drawing = null;

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
    this.again.addEventListener("click", () => {
      this.#choices.clear();
      form.choose(NONE);
    });
    find("#face-add", element).addEventListener("click", () => this.#add());
  }

  /** Another photo comes: forget what was chosen. */
  reset() {
    this.#drawing?.cancel();
    this.#options = null;
    this.#choices.clear();
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
    const turn = options?.upright ? (item.report?.turn ?? 0) : 0;
    const isSameView = this.#options && frameOf(this.#options) === (options && frameOf(options));
    const isDrawn = isSameView && this.#turn === turn && !options?.aligned;
    if (!isDrawn) this.#drawing?.cancel(); // else a box in the making lies where it did
    this.#options = options;
    this.#turn = turn;
    this.#viewer = viewer;
    this.element.hidden = !options || Boolean(options.aligned);
    if (!options) return;
    if (!this.#choices.size || this.#isApplied(options)) {
      this.#choices = new Map(this.#faces.map((face) => [face.number, choiceOf(face, options)]));
    }
    this.again.hidden = !Object.keys(NONE).some((name) => options[name]);
    const top = this.list.scrollTop;
    const cards = this.#faces.map((face) => this.#card(face, options, viewer));
    this.list.replaceChildren(...cards);
    this.list.scrollTop = top;
    viewer.outlines.letChoose((n) => this.#reveal(n));
  }

  /** Whether a photo was restored with what is chosen for its faces by now. @param {Options} options */
  #isApplied(options) {
    const chosen = this.form.read();
    return CHOICES.every((name) => String(chosen[name] ?? "") === String(options[name] ?? ""));
  }

  /** Lead to the card of a face. @param {number} n */
  #reveal(n) {
    const at = this.#faces.findIndex(({ number }) => number === n);
    const card = this.list.children[at];
    if (!card) return;
    for (const other of this.list.children) other.classList.toggle("led-to", other === card);
    this.element.scrollIntoView({ block: "nearest" });
    card.scrollIntoView({ block: "nearest" });
    find("input[type=checkbox]", card).focus({ preventScroll: true });
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
    const choice = this.#choices.get(n) ?? { isOn: true, strength: null, mode: "" };
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
      this.#choices.set(n, { ...choice, strength: strength.valueAsNumber });
      this.onInput();
    });
    strength.addEventListener("change", () =>
      this.#choose(n, { ...choice, strength: strength.valueAsNumber }),
    );
    const mode = find("select", card, HTMLSelectElement);
    mode.setAttribute("aria-label", say("face.mode", { n }));
    mode.value = choice.mode;
    mode.hidden = !choice.isOn;
    mode.addEventListener("change", () => this.#choose(n, { ...choice, mode: mode.value }));
    const remove = find(".face-remove", card, HTMLButtonElement);
    remove.hidden = !face.added;
    remove.setAttribute("aria-label", say("face.remove", { n }));
    remove.addEventListener("click", () => this.#remove(face));
    const facts = [face.restored ? faceWords(face) : face.reason];
    if (face.found_by === "box") facts.push(say("face.guess"));
    const words = find("small", card);
    words.textContent = facts.filter(Boolean).join(" ");
    words.hidden = !words.textContent || !choice.isOn;
    return card;
  }

  /** @param {number} n @param {Choice} choice */
  #choose(n, choice) {
    this.#choices.set(n, choice);
    this.form.choose(choicesAsOptions(this.#faces, this.#choices));
  }

  /** Let the user draw a box around a face that was missed. */
  async #add() {
    const viewer = this.#viewer;
    if (!viewer || !this.#options) return;
    this.#drawing ??= new BoxDrawing(viewer);
    const shown = await this.#drawing.ask();
    find("#face-add", this.element).focus();
    if (!shown) return;
    const box = boxTurnedBack(shown, this.#turn, viewer.photoSize).map(Math.round);
    const [left, top, right, bottom] = box;
    const boxes = drawnBoxes(this.form.read());
    this.form.choose({
      ...choicesAsOptions(this.#faces, this.#choices),
      add_face: [...boxes, [left, top, right - left, bottom - top].join(",")].join(";"),
    });
  }

  /** Take a face out again that was added. @param {Face} face */
  #remove(face) {
    const drawn = face.added?.join(",");
    const boxes = drawnBoxes(this.form.read());
    const left = withoutFace(face, this.#faces, this.#choices);
    this.form.choose({
      ...choicesAsOptions(left.faces, left.choices),
      add_face: boxes.filter((box) => box !== drawn).join(";"),
    });
  }
}

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
