// The form of options: what it says, and what a preset makes of it.

/** @import { Options } from "../shared/types.d.ts" */

import { find, findAll } from "../shared/dom.js";

/** @typedef {HTMLInputElement | HTMLSelectElement} Field */

export class OptionsForm {
  /** Whether settings are chosen for each photo by what it shows; then fields only show them. */
  #isAutomatic;
  /** Those of them that somebody has chosen all the same, by name. @type {Set<string>} */
  #own = new Set();
  #last;

  /**
   * @param {HTMLFormElement} form
   * @param {() => void} [onChange] is called when a value has another value than before
   */
  constructor(form, onChange = () => {}) {
    this.form = form;
    this.onChange = onChange;
    form.addEventListener("submit", (event) => event.preventDefault());
    // Before whoever listens to a field itself, so that they read what it means by now.
    form.addEventListener("input", (event) => this.#input(event.target), { capture: true });
    form.addEventListener("change", (event) => this.#change(event.target));
    form.addEventListener("dblclick", (event) => this.#reset(event.target));
    form.querySelector("[data-own-presets]")?.addEventListener("click", () => this.#openPresets());
    this.#isAutomatic = this.#automatic?.checked ?? false;
    this.#show();
    this.#last = JSON.stringify(this.read());
  }

  /** The choice that leaves the settings to each photo. */
  get #automatic() {
    const radio = this.form.querySelector("input[name=condition][value=auto]");
    return radio instanceof HTMLInputElement ? radio : null;
  }

  /** Options that are then chosen, as they are sent. @returns {Partial<Options>} */
  get #left() {
    return this.#automatic ? optionsOf(this.#automatic) : {};
  }

  /**
   * Keep what is chosen over a reload of the page, in this window.
   * @param {string} key
   */
  remember(key) {
    const kept = sessionStorage.getItem(key);
    if (kept) this.set(JSON.parse(kept));
    this.form.addEventListener("change", () => {
      sessionStorage.setItem(key, JSON.stringify(this.readForPreset()));
    });
  }

  /** @param {string} name */
  #isOfOnePhoto(name) {
    const field = this.form.elements.namedItem(name);
    return field instanceof HTMLInputElement && field.type === "hidden";
  }

  /** Whether all values are possible; if not, the first that is not is shown. */
  check() {
    const wrong = this.form.querySelector(":invalid");
    wrong?.closest("details")?.setAttribute("open", "");
    return this.form.reportValidity();
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
    values.preset = this.#isAutomatic ? "auto" : "off";
    if (this.#isAutomatic) Object.assign(values, this.#open(this.#left));
    return /** @type {Options} */ (values);
  }

  /** Show what was chosen for a photo; the next one's is chosen anew. @param {Options} chosen */
  showChosen(chosen) {
    if (!this.#isAutomatic) return;
    const { preset: _preset, ...fields } = chosen;
    const left = Object.entries(fields).filter(([name]) => name in this.#left);
    this.#put(this.#open(Object.fromEntries(left)));
  }

  /** Those of some options that nobody has chosen. @param {Partial<Options>} options */
  #open(options) {
    return Object.fromEntries(Object.entries(options).filter(([name]) => !this.#own.has(name)));
  }

  /**
   * Somebody has chosen an option beside Automatic. Its default would mean that it is left open, so
   * from there on all stay as they are shown.
   * @param {string} name @param {unknown} value
   */
  #take(name, value) {
    if (!this.#isAutomatic || !(name in this.#left)) return;
    if (String(value) === String(this.#left[name])) this.#isAutomatic = false;
    else this.#own.add(name);
  }

  /** The same without what belongs to one photo alone. @returns {Partial<Options>} */
  readForPreset() {
    const chosen = Object.entries(this.read()).filter(([name]) => !this.#isOfOnePhoto(name));
    return Object.fromEntries(chosen);
  }

  /** What an option is unless somebody chooses otherwise. @param {string} name */
  defaultOf(name) {
    if (name in this.#left) return this.#left[name];
    const field = this.form.elements.namedItem(name);
    if (!(field instanceof HTMLInputElement)) return undefined;
    return field.type === "checkbox" ? field.dataset.default === "true" : field.dataset.default;
  }

  /** Set some options; the others stay. Nobody is told. @param {Partial<Options>} values */
  set(values) {
    this.#put(values);
    this.#last = JSON.stringify(this.read()); // what the user changes from here on is a change
  }

  /** @param {Partial<Options>} values */
  #put(values) {
    if (values.preset !== undefined) {
      this.#isAutomatic = values.preset === "auto";
      const own = Object.entries(this.#left).filter(
        ([name, value]) => String(values[name] ?? value) !== String(value),
      );
      this.#own = new Set(this.#isAutomatic ? own.map(([name]) => name) : []);
    }
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
    for (const [name, value] of Object.entries(values)) this.#take(name, value);
    this.#put(values);
    this.#settle();
  }

  /** @param {EventTarget | null} target */
  #input(target) {
    if (!(target instanceof HTMLInputElement || target instanceof HTMLSelectElement)) return;
    if (target instanceof HTMLInputElement && target.name === "condition") {
      // What Automatic has chosen goes with it.
      this.#put({ ...(this.#isAutomatic ? this.#left : {}), ...optionsOf(target) });
      return;
    }
    this.#take(target.name, target.type === "checkbox" ? target.checked : target.value);
    this.#show();
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
    this.#input(target);
    this.#settle();
  }

  #show() {
    findAll("input[type=range]", this.form, HTMLInputElement).forEach(showSlider);
    findAll("input[type=number]", this.form, HTMLInputElement).forEach(showWhetherPossible);
    this.showPreset();
    findAll("details", this.form).forEach(showWhetherChanged);
  }

  async #openPresets() {
    const { OwnPresets } = await import("./own_presets.js");
    new OwnPresets(this).open();
  }

  /** Mark the choice that means just these settings. */
  showPreset() {
    /** @type {Record<string, unknown>} */
    const values = this.read();
    let isFound = false; // a preset of one's own may mean the same as another
    for (const radio of findAll("input[name=condition]", this.form, HTMLInputElement)) {
      // Beside Automatic, what somebody has chosen may be anything.
      const meant = radio === this.#automatic ? this.#open(optionsOf(radio)) : optionsOf(radio);
      radio.checked =
        !isFound &&
        Object.entries(meant).every(
          ([name, value]) => values[name] === undefined || values[name] === value,
        );
      isFound ||= radio.checked;
    }
  }
}

/** Whether a field is an option's, or of its radio buttons the chosen one. @param {HTMLInputElement} field */
const isOption = (field) => field.name !== "condition" && (field.type !== "radio" || field.checked);

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

/** What is no possible value is refused where it stands. @param {HTMLInputElement} field */
function showWhetherPossible(field) {
  const isPossible = field.validity.valid;
  field.ariaInvalid = String(!isPossible);
  find(`#${field.getAttribute("aria-describedby")}`, field.form ?? document).hidden = isPossible;
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
