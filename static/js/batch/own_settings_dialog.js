// Settings for one photo of an album before its start; in everything else it follows the album.

/** @import { Item, Options } from "../shared/types.d.ts" */
/** @import { GridPhoto } from "../widgets/photo_tile.js" */

import { attempt, jobPath, picture, post } from "../shared/api.js";
import { find, findAll, toastError } from "../shared/dom.js";
import { differing } from "../shared/own_options.js";
import { OptionsForm } from "../widgets/options_form.js";

const SHOWN = 640; // pixels of the picture's longer side

export class OwnSettingsDialog {
  /** @type {{job: string, photo: GridPhoto} | null} */
  #shown = null;
  /** Made when it is first needed. @type {OptionsForm | null} */
  #form = null;
  #turned = 0; // quarters clockwise, against what the server shows

  /**
   * @param {HTMLDialogElement} dialog
   * @param {OptionsForm} album the settings of all others
   * @param {(item: Item) => void} onChosen is called with the photo as it is then
   */
  constructor(dialog, album, onChosen) {
    this.dialog = dialog;
    this.album = album;
    this.onChosen = onChosen;
    this.picture = find("img", dialog, HTMLImageElement);
    this.reset = find("#own-reset", dialog);
    find("#own-use", dialog).addEventListener("click", () => this.#use());
    find("[data-close]", dialog).addEventListener("click", () => dialog.close());
    this.reset.addEventListener("click", () => this.#choose({}));
    this.turners = ["#own-left", "#own-right"].map((each) => find(each, dialog));
    this.turners.forEach((button, i) =>
      button.addEventListener("click", () => this.#turn(2 * i - 1)),
    );
    this.picture.addEventListener("error", () => (this.picture.hidden = true));
  }

  /** @param {string} job @param {GridPhoto} photo */
  open(job, photo) {
    this.#shown = { job, photo };
    find("#own-name", this.dialog).textContent = photo.name;
    this.picture.hidden = false;
    this.picture.src = picture(job, photo.n, "before", `?max=${SHOWN}&v=${photo.version}`);
    this.#turned = 0;
    this.#turn(0);
    for (const turner of this.turners) turner.hidden = Boolean(photo.own.crop); // of what lies so
    this.#form ??= this.#makeForm();
    this.#form.set({ ...this.album.read(), ...photo.own });
    this.reset.hidden = !photo.isOwn;
    this.dialog.showModal();
    this.#form.form.scrollTop = 0;
  }

  /** @param {number} quarters clockwise */
  #turn(quarters) {
    this.#turned += quarters;
    this.picture.style.rotate = `${90 * this.#turned}deg`;
  }

  /** The album's once more. */
  #makeForm() {
    const form = /** @type {HTMLFormElement} */ (this.album.form.cloneNode(true));
    form.id = "own-options";
    for (const name of ["id", "for", "aria-describedby"]) {
      for (const element of findAll(`[${name}]`, form)) {
        const value = element.getAttribute(name) ?? "";
        element.setAttribute(name, value.replace(/^opt-/, "own-"));
      }
    }
    find(".own-picture", this.dialog).after(form);
    return new OptionsForm(form);
  }

  #use() {
    if (!this.#shown || !this.#form?.check()) return;
    const { own } = this.#shown.photo;
    const turn = (Number(own.rotate ?? 0) + 90 * this.#turned) % 360;
    const rotate = String((turn + 360) % 360);
    const chosen = { ...own, ...this.#form.read(), rotate };
    this.#choose(differing(chosen, { ...this.album.read(), rotate: "0" }));
  }

  /** @param {Partial<Options>} options */
  async #choose(options) {
    const shown = this.#shown;
    if (!shown) return;
    await attempt(async () => {
      const path = `${jobPath(shown.job)}/items/${shown.photo.n}/options`;
      this.onChosen(await post(path, { options }));
      this.dialog.close();
    }, toastError);
  }
}
