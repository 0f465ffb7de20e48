// Where the small model meets faces that are too small or too blurred for it: the authors' model,
// fetched and tried on the same photo with one click.

/** @import { Item, Model, ModelsAnswer } from "../shared/types.d.ts" */

import { attempt, get, post, remove } from "../shared/api.js";
import { ask, find } from "../shared/dom.js";
import { count, downloaded, say } from "../shared/words.js";
import { isTooMuch } from "../widgets/face_words.js";

const SMALL_MODEL = "gpen-mini-256";
const AUTHORS_MODEL = "gpen-bfr-512";
const PATH = `/api/models/${AUTHORS_MODEL}`;
const POLL_MS = 700;

export class ModelOffer {
  #isAtWork = false;

  /**
   * @param {HTMLElement} root
   * @param {() => void} onReady the other model is in use: the photo can be restored with it
   */
  constructor(root, onReady) {
    this.element = find("#model-offer", root);
    this.words = find("p", this.element);
    this.button = find("#model-try", this.element, HTMLButtonElement);
    this.download = find(".download", this.element);
    this.bar = find("progress", this.download, HTMLProgressElement);
    this.far = find("p", this.download);
    this.question = find("#model-ask", document, HTMLDialogElement);
    this.onReady = onReady;
    this.button.addEventListener("click", () => this.#try());
    find("button", this.download).addEventListener("click", () =>
      attempt(() => remove(`${PATH}/download`), this.#fail),
    );
  }

  /** @param {Item} item */
  show({ report }) {
    if (this.#isAtWork) return; // the model comes, whatever is shown meanwhile
    const n = (report?.faces ?? []).filter(isTooMuch).length;
    this.element.hidden = report?.model !== SMALL_MODEL || n === 0;
    this.words.textContent = count("offer.words", n);
    this.button.hidden = false;
    this.download.hidden = true;
  }

  async #try() {
    await attempt(async () => {
      const model = await authorsModel();
      find("#model-licence", this.question).textContent = model.licence;
      find("#model-megabytes", this.question).textContent = model.installed
        ? say("offer.installed", { name: model.name })
        : say("offer.size", { name: model.name, n: model.megabytes });
      if (!(await ask(this.question))) return;
      this.#isAtWork = true;
      try {
        if (model.installed || (await this.#fetch())) {
          await post(`${PATH}/activate`);
          this.element.hidden = true;
          this.onReady();
        }
      } finally {
        this.#isAtWork = false;
      }
    }, this.#fail);
  }

  /** @returns {Promise<boolean>} whether it is here */
  async #fetch() {
    await post(`${PATH}/download`);
    this.button.hidden = true;
    this.download.hidden = false;
    for (;;) {
      const { installed, download } = await authorsModel();
      if (download?.state !== "running") {
        this.button.hidden = false;
        this.download.hidden = true;
        if (download?.error)
          this.words.textContent = say("model.failed", { message: download.error });
        return installed;
      }
      const { done, total } = download;
      if (total) Object.assign(this.bar, { max: total, value: done });
      this.far.textContent = downloaded(download);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }

  /** @param {Error} error */
  #fail = (error) => {
    this.words.textContent = error.message;
    this.button.hidden = false;
    this.download.hidden = true;
  };
}

/** @returns {Promise<Model>} */
async function authorsModel() {
  /** @type {ModelsAnswer} */
  const { models } = await get("/api/models");
  const model = models.find(({ name }) => name === AUTHORS_MODEL);
  if (!model) throw new Error(`there is no ${AUTHORS_MODEL}`);
  return model;
}
