// What can be done with one photo beside its settings: turn and crop it, mark its damage, copy
// the result, open its folder. Each tool is loaded when it is first used.

/** @import { Job } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "../widgets/options_form.js" */
/** @import { DamageDialog } from "./damage_dialog.js" */
/** @import { FrameDialog } from "./frame_dialog.js" */
/** @import { Suggestions } from "./suggestions.js" */

import { attempt, jobPath, picture, post } from "../shared/api.js";
import { find, toast, toastError } from "../shared/dom.js";
import { say } from "../shared/words.js";
import { NONE } from "../widgets/face_choices.js";

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
    const copy = find("#copy-picture", root);
    copy.hidden = !(window.isSecureContext && "ClipboardItem" in window);
    copy.addEventListener("click", () => this.#copy());
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
    const { rotate = "0", crop = "" } = job.options;
    const frame = await this.#frame.ask(job.id, known.whole, String(rotate), String(crop));
    if (!frame) return;
    // Faces and marks were those of the former part of the photo.
    this.options.set({ ...NONE, add_face: "" });
    this.onChange({ ...frame, mask: "" });
  }

  async #copy() {
    const job = this.#job;
    if (!job) return;
    try {
      const png = asPng(picture(job.id, 0, "after"));
      await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
      toast(say("copy.done"), "good");
    } catch {
      toast(say("copy.failed"), "bad");
    }
  }

  async #openFolder() {
    const job = this.#job;
    if (job) await attempt(() => post(`${jobPath(job.id)}/open-folder`), toastError);
  }
}

/** A picture as PNG, the one kind that every clipboard takes. @param {string} url */
async function asPng(url) {
  const answer = await fetch(url);
  const bitmap = await createImageBitmap(await answer.blob());
  const canvas = document.createElement("canvas");
  canvas.width = bitmap.width;
  canvas.height = bitmap.height;
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  return await new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(url))), "image/png"),
  );
}
