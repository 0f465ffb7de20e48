// The versions of a photo: its results with other settings and models, any two of them compared.
//
// Results that are still on the server are named by their jobs; those that were only tried while
// settings changed are gone from there, and made again where their pictures are not here any more.

/** @import { Item, Options, Version } from "../shared/types.d.ts" */
/** @import { Viewer } from "../widgets/viewer.js" */

import { attempt, get, jobPath, picture } from "../shared/api.js";
import { find, make, toast } from "../shared/dom.js";
import { frameOf, isNewPicture } from "../shared/results.js";
import { say } from "../shared/words.js";
import { NONE } from "../widgets/face_choices.js";
import { inWords } from "../widgets/option_words.js";
import { TriedVersions } from "./tried_versions.js";

const ORIGINAL = "original";

export class Versions {
  /** Oldest first. @type {Version[]} */
  #known = [];
  #tried = new TriedVersions();
  #turn = 0; // counts what is compared, so that a late picture of another choice is dropped
  /** The job that the page is about. */
  #current = "";
  /** @type {Viewer | null} */
  #viewer = null;
  /**
   * @param {HTMLElement} element
   * @param {HTMLFormElement} form of the settings
   * @param {HTMLElement} note is shown while a picture is made again
   * @param {(options: Options) => void} onUse takes the settings of a version
   */
  constructor(element, form, note, onUse) {
    this.element = element;
    this.form = form;
    this.note = note;
    this.left = find("#version-left", element, HTMLSelectElement);
    this.right = find("#version-right", element, HTMLSelectElement);
    this.beside = find("#side-by-side", element, HTMLInputElement);
    this.use = find("#version-use", element, HTMLButtonElement);
    for (const select of [this.left, this.right]) {
      select.addEventListener("change", () => this.#compare());
    }
    this.beside.addEventListener("change", () => this.#viewer?.setSideBySide(this.beside.checked));
    this.use.addEventListener("click", () => {
      const version = this.#version(this.right.value);
      if (version) onUse(version.options);
    });
  }

  /** Another photo comes. */
  reset() {
    this.#turn += 1;
    this.#tried.close();
    this.#known = [];
    this.element.hidden = true;
    this.beside.checked = false;
    this.#viewer?.setSideBySide(false);
  }

  /** The job that is shown, against the photo as it was. @param {string} job @param {Item} item @param {Viewer} viewer */
  async show(job, item, viewer) {
    this.#current = job;
    this.#viewer = viewer;
    this.#turn += 1;
    this.#tried.open(item.sha256);
    await attempt(
      async () => {
        /** @type {{versions: Version[]}} */
        const { versions } = await get(`${jobPath(job)}/versions`);
        if (this.#current === job) this.#take(versions, isNewPicture(item));
      },
      () => this.#take([], false), // the photo itself is there all the same
    );
  }

  /**
   * A result is about to be removed from the server: keep what it was.
   * @param {string} job
   */
  async keep(job) {
    const version = this.#version(job);
    if (version) await this.#tried.keep(version);
  }

  /** Compare two versions. @param {string} left a job @param {string} right another */
  async compare(left, right, isBeside = true) {
    if (!this.#version(left) || !this.#version(right)) return;
    this.left.value = left;
    this.right.value = right;
    this.beside.checked = isBeside;
    this.#viewer?.setSideBySide(isBeside);
    await this.#compare();
  }

  /** Whether what is shown is the current result against the photo as it was. */
  get isUsual() {
    return (
      this.element.hidden || (this.left.value === ORIGINAL && this.right.value === this.#current)
    );
  }

  /** @param {Version[]} versions newest first @param {boolean} isNew whether there is a result */
  #take(versions, isNew) {
    const tried = this.#tried.all;
    const there = versions.filter(({ job }) => !tried.some((each) => each.job === job));
    const current = versions.find(({ job }) => job === this.#current);
    this.#known = [...tried, ...there]
      .filter((each) => !current || viewOf(each) === viewOf(current))
      .sort((a, b) => a.created - b.created);
    this.element.hidden = !isNew || this.#known.length < 2; // else it is what is shown anyway
    const models = new Set(this.#known.map(({ model }) => model));
    const named = this.#known.map((version, i) => {
      const words = [this.#settings(version.options), ...(models.size > 1 ? [version.model] : [])];
      const text = say("version.name", { n: i + 1, settings: words.join(" · ") });
      return /** @type {[string, string]} */ ([version.job, text]);
    });
    const choices = [
      /** @type {[string, string]} */ ([ORIGINAL, say("version.original")]),
      ...named,
    ];
    this.left.replaceChildren(...choices.map(option));
    this.right.replaceChildren(...choices.map(option));
    this.left.value = ORIGINAL;
    this.right.value = this.#current;
    this.use.hidden = true;
  }

  /** What was chosen, in words. @param {Options} options */
  #settings(options) {
    const { strength, mode } = options;
    const others = Object.entries(options).filter(([name, value]) => {
      const field = this.form.elements.namedItem(name);
      const isOption = field instanceof HTMLInputElement || field instanceof HTMLSelectElement;
      return isOption && (field.dataset.default ?? String(value)) !== String(value);
    });
    const usual = Object.fromEntries(
      Object.entries({ strength, mode }).filter(
        ([name]) => !others.some(([each]) => each === name),
      ),
    );
    const isShared = (/** @type {string} */ name) =>
      this.#known.every((each) => String(each.options[name]) === String(options[name]));
    const all = [...others, ...Object.entries(usual)];
    all.sort(([a], [b]) => Number(isShared(a)) - Number(isShared(b))); // what differs comes first
    const words = all.map(([name, value]) => inWords(this.form, { [name]: value })).join(", ");
    const hasFaces = Object.keys(NONE).some((name) => options[name]);
    return hasFaces ? `${say("version.faces")} · ${words}` : words;
  }

  async #compare() {
    const [left, right] = [this.left.value, this.right.value];
    const isCurrent = right === this.#current || right === ORIGINAL;
    this.use.hidden =
      isCurrent || this.#version(right)?.model !== this.#version(this.#current)?.model;
    const tags = this.isUsual ? null : [this.left, this.right].map(chosenText);
    const turn = ++this.#turn;
    await attempt(
      async () => {
        const [before, after] = [await this.#url(left), await this.#url(right)];
        if (turn === this.#turn) await this.#viewer?.compare({ before, after, tags });
      },
      ({ message }) => {
        if (turn === this.#turn) toast(say("version.gone", { message }), "bad");
      },
    );
  }

  /** @param {string} job */
  #version(job) {
    return this.#known.find((version) => version.job === job);
  }

  /** @param {string} job or the original */
  async #url(job) {
    if (job === ORIGINAL) return picture(this.#current, 0, "before");
    if (!this.#tried.all.some((each) => each.job === job)) return picture(job, 0, "after");
    if (!this.#tried.kept(job)) {
      this.note.hidden = false;
      await this.#tried.makeAgain(job, this.#current).finally(() => (this.note.hidden = true));
    }
    return this.#tried.kept(job) ?? "";
  }
}

/** Versions with other frames do not lie over each other. @param {Version} version */
const viewOf = ({ turn, options }) => `${turn} ${frameOf(options)}`;

/** @param {[value: string, text: string]} choice */
const option = ([value, text]) => make("option", { value }, text);

/** @param {HTMLSelectElement} select */
const chosenText = (select) => select.selectedOptions[0]?.textContent ?? "";
