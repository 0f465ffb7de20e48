// What an old print suffers from, and what helps: suggested with one click, or marked by hand.

/** @import { Job, Options } from "../shared/types.d.ts" */
/** @import { DamageDialog } from "./damage_dialog.js" */
/** @import { OptionsForm } from "../widgets/options_form.js" */

import { attempt, get, jobPath } from "../shared/api.js";
import { find, toastError } from "../shared/dom.js";

/** @typedef {{faded: boolean, damaged: number, width: number, height: number}} Condition */

const MUCH = 0.002; // of the photo that is damaged, from which it is worth a word

export class PrintCondition {
  /** @type {Condition | null} */
  #known = null;
  /** @type {Job | null} */
  #job = null;
  /** @type {DamageDialog | null} */
  #dialog = null;
  #turn = 0; // counts photos, so that what is learned of a former one is dropped

  /**
   * @param {HTMLElement} root
   * @param {OptionsForm} options
   * @param {(more: Record<string, string>) => void} onChange is told options that the form has not
   */
  constructor(root, options, onChange) {
    this.options = options;
    this.onChange = onChange;
    this.faded = find("#seems-faded", root);
    this.scratched = find("#seems-scratched", root);
    this.mark = find("#mark-damage", root);
    find("button", this.faded).addEventListener("click", () => this.#take({ fade: "auto" }));
    find("button", this.scratched).addEventListener("click", () => this.#take({ repair: "auto" }));
    this.mark.addEventListener("click", () => this.#markByHand());
  }

  /** Another photo comes. */
  forget() {
    this.#turn += 1;
    this.#known = this.#job = null;
    this.#show();
  }

  /** A version of the photo is shown. @param {Job} job */
  async show(job) {
    this.#job = job;
    this.#show();
    if (this.#known) return;
    const turn = this.#turn;
    await attempt(
      async () => {
        const known = await get(`${jobPath(job.id)}/items/0/condition`);
        if (turn === this.#turn) this.#known = known;
      },
      () => {}, // no suggestion then
    );
    this.#show();
  }

  #show() {
    /** @type {Record<string, unknown>} */
    const { fade, repair, mask } = this.#job?.options ?? {};
    const known = this.#known;
    this.faded.hidden = !known?.faded || fade !== "off";
    this.scratched.hidden = !known || known.damaged < MUCH || repair !== "off" || mask !== "";
    this.mark.hidden = !known;
  }

  /** @param {Partial<Options>} values */
  #take(values) {
    this.faded.hidden ||= "fade" in values;
    this.scratched.hidden ||= "repair" in values;
    this.options.choose(values);
  }

  async #markByHand() {
    const job = this.#job;
    const known = this.#known;
    if (!job || !known) return;
    await attempt(async () => {
      const { DamageDialog } = await import("./damage_dialog.js");
      this.#dialog ??= new DamageDialog();
      const mask = await this.#dialog.ask(job.id, known, String(job.options.mask ?? ""));
      if (mask === null) return;
      // What was painted is the whole of it: what was found by itself was in the proposal.
      this.options.set({ repair: "off" });
      this.onChange({ mask });
    }, toastError);
  }
}
