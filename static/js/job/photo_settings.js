// Other settings for one photo of an album, its faces among them, and restoring it again by itself.

/** @import { Item, Job, Options } from "../shared/types.d.ts" */
/** @import { Viewer } from "../widgets/viewer.js" */

import { attempt, jobPath, post } from "../shared/api.js";
import { find, toast, toastError } from "../shared/dom.js";
import { isNewPicture } from "../shared/results.js";
import { say } from "../shared/words.js";
import { UNFINISHED_ITEMS } from "../states.js";
import { FaceStrip } from "../widgets/face_strip.js";
import { OptionsForm } from "../widgets/options_form.js";

export class PhotoSettings {
  /** @type {Item | null} */
  #item = null;
  #isChanged = false;

  /**
   * @param {HTMLElement} panel
   * @param {HTMLElement} button shows and hides the panel
   * @param {Viewer} viewer
   * @param {() => Job | null} job
   * @param {() => void} onRedo is called when a photo will be restored again
   */
  constructor(panel, button, viewer, job, onRedo) {
    this.panel = panel;
    this.button = button;
    this.viewer = viewer;
    this.job = job;
    this.onRedo = onRedo;
    this.form = new OptionsForm(find("form", panel, HTMLFormElement), () => this.#change());
    this.faces = new FaceStrip(find("#face-strip", panel), this.form, () => this.#showLive());
    this.redo = find("#redo", panel, HTMLButtonElement);
    this.asAlbum = find("#as-album", panel, HTMLButtonElement);
    this.redo.addEventListener("click", () => this.#redo());
    this.asAlbum.addEventListener("click", () => this.form.choose(this.#albumOptions()));
    find("[name=strength]", panel).addEventListener("input", () => this.#showLive());
    button.addEventListener("click", () => this.toggle(panel.hidden === true));
  }

  /** @param {boolean} isShown */
  toggle(isShown) {
    this.panel.hidden = !isShown;
    this.button.setAttribute("aria-expanded", String(isShown));
    if (isShown) this.showFaces();
  }

  /** Show the settings of a photo; what was chosen and not applied stays with its photo. @param {Item} item */
  show(item) {
    const isOther = item.n !== this.#item?.n;
    this.#item = item;
    this.button.hidden = !this.job()?.folder;
    if (isOther) this.faces.reset(); // until its own can be shown
    if (isOther || !this.#isChanged) {
      this.#isChanged = false;
      this.form.set({ ...this.#albumOptions(), ...this.#options(item) });
    }
    this.#draw();
  }

  /** Show its faces, once the viewer has its pictures. */
  showFaces() {
    const isThere = !this.panel.hidden && this.viewer.place !== null; // a damaged file has none
    if (this.#item && isThere) this.faces.show(this.#item, this.viewer);
  }

  /** With what a photo was restored, or will be. @param {Item} item */
  #options(item) {
    return item.report?.options ?? item.options ?? {};
  }

  /** Those of the album, in which no face is named. */
  #albumOptions() {
    return /** @type {Options} */ (this.job()?.options ?? {});
  }

  #change() {
    this.#isChanged = true;
    this.#draw();
  }

  #draw() {
    const isAtWork = this.#item !== null && UNFINISHED_ITEMS.includes(this.#item.state);
    this.redo.disabled = isAtWork || !this.#isChanged;
  }

  #showLive() {
    const shares = this.faces.shares(this.form.read().strength);
    if (shares && this.#item && isNewPicture(this.#item)) this.viewer.live.show(shares);
  }

  async #redo() {
    const item = this.#item;
    const job = this.job();
    if (!item || !job || !this.form.check()) return;
    this.redo.disabled = true;
    const options = { ...job.options, ...this.#options(item), ...this.form.read() };
    await attempt(
      async () => {
        await post(`${jobPath(job.id)}/items/${item.n}/redo`, { options });
        this.#isChanged = false;
        toast(say("redo.begun", { name: item.name }));
        this.onRedo();
      },
      (error) => {
        this.redo.disabled = false;
        toastError(error);
      },
    );
  }
}
