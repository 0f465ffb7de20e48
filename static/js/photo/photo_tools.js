// What can be done with one photo beside its settings: turn and crop it, mark its damage, take the
// result elsewhere, open its folder. The dialogs are loaded when they are first used.

/** @import { Job } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "../widgets/options_form.js" */
/** @import { DamageDialog } from "./damage_dialog.js" */
/** @import { FrameDialog } from "./frame_dialog.js" */
/** @import { Suggestions } from "./suggestions.js" */

import { attempt, jobPath, post } from "../shared/api.js";
import { find, toastError } from "../shared/dom.js";
import { NONE } from "../widgets/face_choices.js";
import { PictureExport } from "./picture_export.js";

export class PhotoTools {
  /** @type {Job | null} */
  #job = null;
  /** @type {DamageDialog | null} */
  #damage = null;
  /** @type {FrameDialog | null} */
  #frame = null;

  /**
   * @param {HTMLElement} root
   * @param {OptionsForm} options
   * @param {Suggestions} suggestions which know the photo's size
   * @param {(more: Record<string, string>) => void} onChange is told options that the form has not
   */
  constructor(root, options, suggestions, onChange) {
    this.options = options;
    this.suggestions = suggestions;
    this.onChange = onChange;
    this.mark = find("#mark-damage", root);
    this.mark.addEventListener("click", () => this.#markDamage());
    find("#frame-photo", root).addEventListener("click", () => this.#chooseFrame());
    new PictureExport(root, () => this.#job);
    root.querySelector("#open-folder")?.addEventListener("click", () => this.#openFolder());
  }

  /** A version of the photo is shown. @param {Job} job */
  show(job) {
    this.#job = job;
    this.mark.hidden = false;
  }

  /** Another photo comes. */
  forget() {
    this.#job = null;
    this.mark.hidden = true;
  }

  async #markDamage() {
    const job = this.#job;
    const known = await this.suggestions.known;
    if (!job || !known || job !== this.#job) return;
    await attempt(async () => {
      const { DamageDialog } = await import("./damage_dialog.js");
      this.#damage ??= new DamageDialog();
      const mask = await this.#damage.ask(job.id, known, String(job.options.mask ?? ""));
      if (mask === null) return;
      // What was painted is the whole of it: what was found by itself was in the proposal.
      this.options.set({ repair: "off" });
      this.onChange({ mask });
    }, toastError);
  }

  async #chooseFrame() {
    const job = this.#job;
    const known = await this.suggestions.known;
    if (!job || !known || job !== this.#job) return;
    const { FrameDialog } = await import("./frame_dialog.js");
    this.#frame ??= new FrameDialog();
    const { rotate = "0", crop = "", mask = "" } = job.options;
    const former = { rotate: String(rotate), crop: String(crop) };
    const frame = await this.#frame.ask(job.id, known.whole, former.rotate, former.crop);
    if (!frame) return;
    const { framedMask } = await import("./framed_mask.js");
    const moved = await framedMask(String(mask), known.whole, former, frame);
    // Faces were those of the former part of the photo.
    this.options.set({ ...NONE, add_face: "" });
    this.onChange({ ...frame, mask: moved });
  }

  async #openFolder() {
    const job = this.#job;
    if (job) await attempt(() => post(`${jobPath(job.id)}/open-folder`), toastError);
  }
}
