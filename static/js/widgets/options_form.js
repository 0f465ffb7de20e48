// The form of options: what it says, and what a preset makes of it.

/** @import { Options } from "../shared/types.d.ts" */

import { find, findAll } from "../shared/dom.js";

/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

export class OptionsForm {
  #last;

  /**
   * @param {HTMLFormElement} form
   * @param {() => void} [onChange] is called when a value has another value than before
   */
  constructor(form, onChange = () => {}) {
    this.form = form;
    this.onChange = onChange;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => this.#input(event.target));
    form.addEventListener("change", (event) => this.#change(event.target));
    form.addEventListener("dblclick", (event) => this.#reset(event.target));
    this.#show();
    this.#last = JSON.stringify(this.read());
  }

  /**
   * Keep what is chosen over a reload of the page, in this window.
   * @param {string} key
   */
  remember(key) {
    const kept = sessionStorage.getItem(key);
    if (kept) this.set(JSON.parse(kept));
    this.form.addEventListener("change", () => {
      const chosen = Object.entries(this.read()).filter(([name]) => !this.#isOfOnePhoto(name));
      sessionStorage.setItem(key, JSON.stringify(Object.fromEntries(chosen)));
    });
  }

  /** @param {string} name */
  #isOfOnePhoto(name) {
    const field = this.form.elements.namedItem(name);
    return field instanceof HTMLInputElement && field.type === "hidden";
  }

  /** All options by name, as the API takes them. @returns {Options} */
  read() {
    /** @type {Record<string, unknown>} */
    const values = {};
    for (const field of this.form.elements) {
      if (field instanceof HTMLSelectElement) values[field.name] = field.value;
      else if (field instanceof HTMLInputElement && isOption(field))
        values[field.name] = valueOf(field);
    }
    return /** @type {Options} */ (values);
  }

  /** Set some options; the others stay. Nobody is told. @param {Partial<Options>} values */
  set(values) {
    this.#put(values);
    this.#last = JSON.stringify(this.read()); // what the user changes from here on is a change
  }

  /** @param {Partial<Options>} values */
  #put(values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.form.elements.namedItem(name);
      if (field instanceof HTMLInputElement && field.type === "checkbox")
        field.checked = Boolean(value);
      else if (field) /** @type {Field | RadioNodeList} */ (field).value = String(value);
    }
    this.#show();
  }

  /** Set some options as if the user had. @param {Partial<Options>} values */
  choose(values) {
    this.#put(values);
    this.#settle();
  }

  /** @param {EventTarget | null} target */
  #input(target) {
    const isPreset = target instanceof HTMLInputElement && target.name === "preset";
    if (isPreset) this.#put(optionsOf(target));
    else this.#show();
  }

  /** What is no possible value is refused where it was typed. @param {EventTarget | null} target */
  #change(target) {
    if (!(target instanceof HTMLInputElement) || target.reportValidity()) this.#settle();
  }

  #settle() {
    const now = JSON.stringify(this.read());
    if (now === this.#last) return;
    this.#last = now;
    this.onChange();
  }

  /** A double click on a slider takes its change back. @param {EventTarget | null} target */
  #reset(target) {
    if (!(target instanceof HTMLInputElement) || target.type !== "range") return;
    if (target.dataset.default === undefined || target.name === "strength") return;
    target.value = target.dataset.default;
    this.#show();
    this.#settle();
  }

  #show() {
    findAll("input[type=range]", this.form, HTMLInputElement).forEach(showSlider);
    this.#showPreset();
    findAll("details", this.form).forEach(showWhetherChanged);
  }

  #showPreset() {
    /** @type {Record<string, unknown>} */
    const values = this.read();
    for (const radio of findAll("input[name=preset]", this.form, HTMLInputElement)) {
      radio.checked = Object.entries(optionsOf(radio)).every(
        ([name, value]) => values[name] === undefined || values[name] === value,
      );
    }
  }
}

/** Whether a field is an option's, or of its radio buttons the chosen one. @param {HTMLInputElement} field */
const isOption = (field) => field.name !== "preset" && (field.type !== "radio" || field.checked);

/** What a field says; where that is no possible value, what it said at first. @param {HTMLInputElement} field */
function valueOf(field) {
  if (field.type === "checkbox") return field.checked;
  if (field.type === "hidden") return field.value;
  if (field.type === "radio") return field.value;
  return field.validity.valid ? field.valueAsNumber : Number(field.defaultValue);
}

/** What a preset sets. @param {HTMLInputElement} radio @returns {Partial<Options>} */
const optionsOf = (radio) => JSON.parse(radio.dataset.options ?? "{}");

/** The track is filled from the neutral end, which may be in the middle. @param {HTMLInputElement} slider */
export function showSlider(slider) {
  const [low, high, value] = [Number(slider.min), Number(slider.max), slider.valueAsNumber];
  const share = (value - low) / (high - low);
  const neutral = low < 0 ? 0.5 : 0;
  slider.style.setProperty("--from", `${100 * Math.min(share, neutral)}%`);
  slider.style.setProperty("--to", `${100 * Math.max(share, neutral)}%`);
  const output = find("output", slider.parentElement ?? document, HTMLOutputElement);
  output.value = low < 0 && value > 0 ? `+${value}` : slider.value.replace("-", "−");
}

/** @param {HTMLElement} section */
function showWhetherChanged(section) {
  /** @type {Field[]} */
  const fields = [
    ...findAll("input", section, HTMLInputElement),
    ...findAll("select", section, HTMLSelectElement),
  ];
  const changed = fields.some((field) =>
    field.type === "checkbox"
      ? /** @type {HTMLInputElement} */ (field).checked !== (field.dataset.default === "true")
      : field.value !== field.dataset.default,
  );
  find(".changed", section).hidden = !changed;
}
