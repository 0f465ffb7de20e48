// Presets of the user's own: the current settings under a name; renamed, deleted.

/** @import { Preset } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "./options_form.js" */

import { attempt, get, post, remove } from "../shared/api.js";
import { find, findAll, icon, make } from "../shared/dom.js";
import { say } from "../shared/words.js";

const PATH = "/api/presets";

export class OwnPresets {
  #closing = new AbortController(); // what is listened to until the dialog is closed
  #turn = 0; // counts what is asked for, so that a late answer of before is dropped

  /** @param {OptionsForm} form */
  constructor(form) {
    this.form = form;
    this.dialog = find("#own-presets", document, HTMLDialogElement);
    this.name = find("input[name=name]", this.dialog, HTMLInputElement);
    this.list = find("ul", this.dialog);
    this.trouble = find("[role=alert]", this.dialog);
  }

  open() {
    const { signal } = this.#closing;
    find("form", this.dialog).addEventListener("submit", (event) => this.#save(event), { signal });
    find("[data-close]", this.dialog).addEventListener("click", () => this.dialog.close(), {
      signal,
    });
    this.dialog.addEventListener("close", () => this.#closing.abort(), { signal });
    this.name.value = this.trouble.textContent = "";
    this.dialog.showModal();
    this.#refresh();
  }

  /** @param {SubmitEvent} event */
  async #save(event) {
    event.preventDefault();
    const options = this.form.readForPreset();
    if (await this.#act(() => post(PATH, { name: this.name.value, options }))) this.dialog.close();
  }

  /** Do something, then show what is there now; whether it was done. @param {() => Promise<unknown>} work */
  async #act(work) {
    this.trouble.textContent = "";
    const isDone = await attempt(
      async () => {
        await work();
        return true;
      },
      ({ message }) => {
        this.trouble.textContent = message;
        return false;
      },
    );
    await this.#refresh();
    return isDone;
  }

  async #refresh() {
    const turn = ++this.#turn;
    await attempt(
      async () => {
        /** @type {{presets: Preset[]}} */
        const { presets } = await get(PATH);
        if (turn !== this.#turn) return;
        const rows = presets.map((preset) => this.#row(preset));
        const none = make("li", { className: "muted" }, say("preset.none"));
        this.list.replaceChildren(...(rows.length ? rows : [none]));
        this.#offer(presets);
      },
      ({ message }) => (this.trouble.textContent = message),
    );
  }

  /** Show them beside the presets that everybody has. @param {Preset[]} presets */
  #offer(presets) {
    const { form } = this.form;
    for (const pill of findAll(".own", form)) pill.remove();
    const pills = presets.map(({ id, name, options }) => {
      const radio = make("input", { type: "radio", name: "condition", value: id });
      radio.dataset.options = JSON.stringify(options);
      return make("label", { className: "pill own" }, radio, make("span", {}, name));
    });
    find("[data-own-presets]", form).before(...pills);
    this.form.showPreset();
  }

  /** @param {Preset} preset */
  #row({ id, name }) {
    const field = make("input", {
      type: "text",
      value: name,
      required: true,
      maxLength: 60,
      "aria-label": say("preset.name", { name }),
    });
    field.addEventListener("change", () =>
      this.#act(() => post(`${PATH}/${id}`, { name: field.value })),
    );
    const label = say("preset.delete", { name });
    const props = { type: "button", className: "button square", "aria-label": label, title: label };
    const button = make("button", props, icon("trash"));
    button.addEventListener("click", async () => {
      await this.#act(() => remove(`${PATH}/${id}`));
      (findAll("button", this.list)[0] ?? this.name).focus();
    });
    return make("li", {}, field, button);
  }
}
