// The models: what each is for, whether it is here, its download, and the one in use.

/** @import { Download, Model, ModelsAndEngine } from "../shared/types.d.ts" */

import { attempt, post, remove } from "../shared/api.js";
import { icon, line, make, toastError } from "../shared/dom.js";
import { downloaded, has, say } from "../shared/words.js";

export class ModelList {
  /** The model that is being activated. @type {string | null} */
  #switchingTo = null;
  #drawn = "";

  /**
   * @param {HTMLElement} element
   * @param {HTMLElement} licence says once what holds for several models
   * @param {() => Promise<void>} refresh draws the list anew
   */
  constructor(element, licence, refresh) {
    this.element = element;
    this.licence = licence;
    this.refresh = refresh;
  }

  /** @param {ModelsAndEngine} all */
  draw({ models, engine }) {
    if (engine.state !== "loading") this.#switchingTo = null;
    const now = JSON.stringify([models, this.#switchingTo]);
    if (now !== this.#drawn) {
      this.#drawn = now;
      const focused = document.activeElement?.getAttribute("aria-label");
      const common = commonLicence(models);
      this.element.replaceChildren(...models.map((model) => this.#card(model, common)));
      this.licence.textContent = common && `* ${common}`;
      if (focused) this.#focus(focused);
    }
    this.element.setAttribute("aria-busy", "false");
  }

  /** @param {string} label */
  #focus(label) {
    const control = this.element.querySelector(`[aria-label="${CSS.escape(label)}"]`);
    if (control instanceof HTMLElement) control.focus();
  }

  /** @param {Model} model @param {string} common a licence that is told below the list */
  #card(model, common) {
    const { name } = model;
    const state = stateOf(model);
    const download = isGoing(model.download) ? model.download : null;
    const failure = download ? null : model.download?.error;
    const purpose = has(`purpose.${name}`) ? say(`purpose.${name}`) : say("purpose.added");
    const facts = [whatItDoes(model), say("model.megabytes", { n: model.megabytes })];
    const chip = make("span", { className: "chip", data: { state } }, say(`model.${state}`));
    const words = make(
      "div",
      { className: "card-words" },
      make("h3", {}, name, " ", chip),
      make("p", {}, purpose),
      line("muted", facts.join(" · ")),
      model.installed && has(`model.${model.task}`)
        ? line("muted", say(`model.${model.task}`))
        : null,
      line("muted", licenceOf(model, common)),
      model.problem ? line("note bad", model.problem) : null,
      failure ? line("note bad", say("model.failed", { message: failure })) : null,
      this.#switchingTo === name ? line("muted", say("model.switching", { name })) : null,
      download ? this.#downloadRow(name, download) : null,
    );
    const buttons = make("div", { className: "card-buttons" }, ...this.#buttons(model));
    return make("li", { className: "card model", data: { state } }, words, buttons);
  }

  /** @param {Model} model */
  #buttons(model) {
    const { name, installed, active, problem, downloadable, download } = model;
    const buttons = [];
    if (installed && !active && !problem && restoresFaces(model)) {
      const use = button(say("model.use"), name, null, () => this.#activate(name));
      use.disabled = this.#switchingTo !== null;
      buttons.push(use);
    }
    if (!installed && downloadable && !isGoing(download)) {
      const work = () => post(`${path(name)}/download`);
      const image = icon("download");
      buttons.push(button(say("model.download"), name, image, () => this.#act(work)));
    }
    return buttons;
  }

  /** @param {string} name @param {Download} download */
  #downloadRow(name, download) {
    const { done, total } = download;
    const bar = make("progress", { "aria-label": say("model.download") });
    if (total) Object.assign(bar, { max: total, value: done });
    const props = { type: "button", className: "link" };
    const stop = make("button", props, icon("close"), say("model.stop"));
    stop.addEventListener("click", () => this.#act(() => remove(`${path(name)}/download`)));
    return make("div", { className: "download" }, bar, line("muted", downloaded(download)), stop);
  }

  /** @param {() => Promise<unknown>} work */
  async #act(work) {
    await attempt(work, toastError);
    await this.refresh();
  }

  /** @param {string} name */
  async #activate(name) {
    this.#switchingTo = name;
    await attempt(
      () => post(`${path(name)}/activate`),
      (error) => {
        this.#switchingTo = null;
        toastError(error);
      },
    );
    await this.refresh();
  }
}

/** @param {string} name */
const path = (name) => `/api/models/${encodeURIComponent(name)}`;

/** The licence that most models have; empty where each has its own. @param {Model[]} models */
function commonLicence(models) {
  const count = (/** @type {string} */ wanted) =>
    models.filter(({ licence }) => licence === wanted).length;
  const [common] = models.map(({ licence }) => licence).sort((a, b) => count(b) - count(a));
  return common && count(common) > 1 ? common : "";
}

/** @param {Model} model @param {string} common */
const licenceOf = ({ licence }, common) =>
  licence === common ? say("model.licence.none") : say("model.licence", { licence });

/** The tasks of models that are chosen by an option, not as the one in use. */
const BESIDE = ["enlarge", "parse"];

/** @param {Model} model */
const restoresFaces = ({ task }) => !BESIDE.includes(task);

/** @param {Model} model */
function whatItDoes({ task, scale, size }) {
  if (task === "parse") return say("model.parses");
  return scale ? say("model.scale", { n: scale }) : say("model.size", { n: size ?? "?" });
}

/** @param {Model} model */
function stateOf({ active, installed }) {
  if (active) return "active";
  return installed ? "installed" : "missing";
}

/** @param {Download | null} download */
const isGoing = (download) => download?.state === "running";

/**
 * @param {string} words
 * @param {string} name of the model, for screen readers
 * @param {Node | null} image
 * @param {() => void} onClick
 */
function button(words, name, image, onClick) {
  const props = { type: "button", className: "button", "aria-label": `${words}: ${name}` };
  const element = make("button", props, image, words);
  element.addEventListener("click", onClick);
  return element;
}
