// Settings that this photo asks for, each with its reason: one click takes one of them or all.

/** @import { Condition, Item, Job, Options, Suggestion } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "../widgets/options_form.js" */

import { attempt, get, jobPath } from "../shared/api.js";
import { find, make } from "../shared/dom.js";
import { say } from "../shared/words.js";
import { inWords } from "../widgets/option_words.js";

export class Suggestions {
  /** Of which photo, and which part of it, something is known. */
  #key = "";
  /** Those that are offered now. @type {Suggestion[]} */
  #open = [];
  #known = new Awaited();

  /** @param {HTMLElement} element @param {OptionsForm} form */
  constructor(element, form) {
    this.element = element;
    this.form = form;
    this.title = find("h3", element);
    this.list = find("ul", element);
    this.all = find("#suggestions-all", element);
    this.all.addEventListener("click", () => this.#take(this.#open.filter(isAutomatic)));
  }

  /** What the photo shows of itself, once that is known; null where it cannot be had. */
  get known() {
    return this.#known.promise;
  }

  /** Another photo comes. */
  forget() {
    this.#key = "";
    this.#known.resolve(null);
    this.#known = new Awaited();
    this.element.hidden = true;
  }

  /**
   * A version of the photo will be shown soon: what is known of another part does not hold for it.
   * @param {Job} job
   * @param {Item} item
   */
  expect(job, item) {
    const key = keyOf(job, item);
    if (key === this.#key) return;
    this.forget();
    this.#key = key;
  }

  /**
   * A version of the photo is shown.
   * @param {Job} job
   * @param {Item} item
   */
  async show(job, item) {
    this.expect(job, item);
    const key = this.#key;
    const known = this.#known;
    if (!known.isAsked) {
      known.isAsked = true;
      const nothing = () => null; // no suggestion then
      known.resolve(await attempt(() => conditionOf(job), nothing));
    }
    const condition = await known.promise;
    if (key === this.#key) this.#draw(item, condition?.suggestions ?? []);
  }

  /** @param {Item} item @param {Suggestion[]} suggestions */
  #draw({ report }, suggestions) {
    const chosen = report?.suggestions ?? [];
    this.#open = suggestions.filter(
      ({ options, is_automatic }) => this.#isLeft(options) && !(chosen.length && is_automatic),
    );
    const open = this.#open;
    this.element.hidden = !chosen.length && !open.length;
    this.title.textContent = say(chosen.length ? "suggestions.chosen" : "suggestions.title");
    this.list.replaceChildren(
      ...chosen.map(({ reason, options }) =>
        make("li", {}, reason, " ", make("b", {}, inWords(this.form.form, options))),
      ),
      ...open.map((suggestion) => this.#row(suggestion)),
    );
    this.all.hidden = chosen.length > 0 || open.filter(isAutomatic).length < 2;
  }

  /** Whether nobody has chosen these options otherwise yet. @param {Partial<Options>} options */
  #isLeft(options) {
    const now = this.form.read();
    return Object.keys(options).every((name) => now[name] === this.form.defaultOf(name));
  }

  /** @param {Suggestion} suggestion */
  #row(suggestion) {
    const words = inWords(this.form.form, suggestion.options);
    const button = make("button", { type: "button", className: "link" }, words);
    button.addEventListener("click", () => this.#take([suggestion]));
    return make("li", {}, suggestion.reason, " ", button);
  }

  /** @param {Suggestion[]} suggestions */
  #take(suggestions) {
    this.form.choose(Object.assign({}, ...suggestions.map(({ options }) => options)));
  }
}

/** What a job's photo shows of itself. @param {Job} job @returns {Promise<Condition>} */
export const conditionOf = (job) => get(`${jobPath(job.id)}/items/0/condition`);

/** What a photo shows of itself, which can be waited for before it is asked for. */
class Awaited {
  isAsked = false;
  /** @type {(condition: Condition | null) => void} */
  resolve = () => {};

  constructor() {
    /** @type {Promise<Condition | null>} */
    this.promise = new Promise((resolve) => (this.resolve = resolve));
  }
}

/** The same for all versions that show the same part of a photo. @param {Job} job @param {Item} item */
function keyOf({ options: { rotate = "0", crop = "" } }, { sha256 }) {
  return `${sha256} ${rotate} ${crop}`;
}

/** @param {Suggestion} suggestion */
const isAutomatic = ({ is_automatic }) => is_automatic;
