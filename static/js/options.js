// The form of options: what it says, and what a preset makes of it.

import { find, findAll } from "./dom.js";

const SWITCHES = ["protect_skin", "enhance_detail"];
const NUMBERS = ["strength", "denoise", "sharpen", "contrast", "brightness", "min_face", "quality"];

export class Options {
  /** onChange(values) is called when a value has another value than before. */
  constructor(form, onChange = () => {}) {
    this.form = form;
    this.onChange = onChange;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", (event) => this.#input(event));
    form.addEventListener("change", () => this.#settle());
    form.addEventListener("dblclick", (event) => this.#reset(event));
    this.#show();
    this.last = JSON.stringify(this.read());
  }

  /** All options by name, as the API takes them. */
  read() {
    const values = {};
    for (const name of NUMBERS) {
      const field = this.form.elements[name];
      values[name] = field.validity.valid ? field.valueAsNumber : Number(field.defaultValue);
    }
    for (const name of SWITCHES) values[name] = this.form.elements[name].checked;
    values.mode = this.form.elements.mode.value;
    values.format = this.form.elements.format.value;
    return values;
  }

  /** Set some options; the others stay. */
  set(values) {
    for (const [name, value] of Object.entries(values)) {
      const field = this.form.elements[name];
      if (!field) continue;
      if (SWITCHES.includes(name)) field.checked = value;
      else field.value = value;
    }
    this.#show();
  }

  #input(event) {
    if (event.target.name === "preset") this.set(JSON.parse(event.target.dataset.options));
    else this.#show();
  }

  #settle() {
    const now = this.read();
    const text = JSON.stringify(now);
    if (text === this.last) return;
    this.last = text;
    this.onChange(now);
  }

  /** A double click on a slider takes its change back. */
  #reset(event) {
    const { type, dataset } = event.target;
    if (type !== "range" || dataset.default === undefined || event.target.name === "strength") return;
    event.target.value = dataset.default;
    this.#show();
    this.#settle();
  }

  #show() {
    const values = this.read();
    for (const slider of findAll("input[type=range]", this.form)) {
      const share = (slider.value - slider.min) / (slider.max - slider.min);
      // The track is filled from the neutral end, which may be in the middle.
      const neutral = slider.min < 0 ? 0.5 : 0;
      slider.style.setProperty("--from", `${100 * Math.min(share, neutral)}%`);
      slider.style.setProperty("--to", `${100 * Math.max(share, neutral)}%`);
      const output = find("output", slider.parentElement);
      output.value =
        slider.min < 0 && slider.value > 0 ? `+${slider.value}` : slider.value.replace("-", "−");
    }
    for (const radio of findAll("input[name=preset]", this.form)) {
      const wanted = Object.entries(JSON.parse(radio.dataset.options));
      radio.checked = wanted.every(([name, value]) => values[name] === undefined || values[name] === value);
    }
    for (const section of findAll("details", this.form)) {
      const changed = findAll("input, select", section).some((field) =>
        field.type === "checkbox"
          ? field.checked !== (field.dataset.default === "true")
          : field.value !== field.dataset.default,
      );
      find(".changed", section).hidden = !changed;
    }
  }
}
