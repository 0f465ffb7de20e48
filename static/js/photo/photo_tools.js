// What can be done with one photo beside its settings: turn and crop it, mark its damage, take the
// result elsewhere, open its folder. The dialogs are loaded when they are first used.

/** @import { Frame, Size } from "./framed_mask.js" */
/** @import { Condition, Job } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "../widgets/options_form.js" */
/** @import { DamageDialog } from "./damage_dialog.js" */
/** @import { FrameDialog } from "./frame_dialog.js" */
/** @import { Suggestions } from "./suggestions.js" */

import { attempt, jobPath, post } from "../shared/api.js";
import { find, toastError } from "../shared/dom.js";
import { NONE } from "../widgets/face_choices.js";
import { PictureExport } from "./picture_export.js";
import { conditionOf } from "./suggestions.js";

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

  /**
   * Do something with the version that is shown, or with the one that comes meanwhile, once it is
   * known what its photo shows; nothing where another photo is chosen.
   * @param {(job: Job, known: Condition) => Promise<void>} use
   */
  async #withShown(use) {
    await attempt(async () => {
      while (this.#job) {
        const job = this.#job;
        const known = await this.suggestions.known;
        if (job === this.#job) return use(job, known ?? (await conditionOf(job)));
      }
    }, toastError);
  }

  #markDamage() {
    return this.#withShown(async (job, known) => {
      const { DamageDialog } = await import("./damage_dialog.js");
      this.#damage ??= new DamageDialog();
      const marked = await movedMask(job, known.whole, frameOf(job));
      const mask = await this.#damage.ask(job.id, known, marked);
      if (mask === null) return;
      // What was painted is the whole of it: what was found by itself was in the proposal.
      this.options.set({ repair: "off" });
      this.onChange({ mask });
    });
  }

  #chooseFrame() {
    return this.#withShown(async (job, known) => {
      const { FrameDialog } = await import("./frame_dialog.js");
      this.#frame ??= new FrameDialog();
      const { rotate, crop } = frameOf(job);
      const frame = await this.#frame.ask(job.id, known.whole, rotate, crop);
      if (!frame) return;
      const mask = await movedMask(job, known.whole, frame);
      // Faces were those of the former part of the photo.
      this.options.set({ ...NONE, add_face: "" });
      this.onChange({ ...frame, mask });
    });
  }

  async #openFolder() {
    const job = this.#job;
    if (job) await attempt(() => post(`${jobPath(job.id)}/open-folder`), toastError);
  }
}

/** How a job's photo is turned and cropped. @param {Job} job @returns {Frame} */
const frameOf = ({ options: { rotate = "0", crop = "" } }) => ({
  rotate: String(rotate),
  crop: String(crop),
});

/**
 * What is marked on a job's photo, where it lies when that is turned and cropped so.
 * @param {Job} job @param {Size} whole @param {Frame} frame
 */
async function movedMask(job, whole, frame) {
  const mask = String(job.options.mask ?? "");
  if (!mask) return "";
  const { framedMask } = await import("./framed_mask.js");
  return framedMask(mask, whole, frameOf(job), frame);
}
