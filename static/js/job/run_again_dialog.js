// The same photos as a new album, with other settings.

/** @import { Job } from "../shared/types.d.ts" */

import { address, attempt, jobPath, post } from "../shared/api.js";
import { find, newKey, toastError } from "../shared/dom.js";
import { count } from "../shared/words.js";
import { OptionsForm } from "../widgets/options_form.js";

export class RunAgainDialog {
  #key = newKey(); // however often it is clicked, one album comes of it

  /**
   * @param {HTMLDialogElement} dialog
   * @param {() => Job | null} job
   * @param {() => number} own how many of its photos have settings of their own
   */
  constructor(dialog, job, own) {
    this.dialog = dialog;
    this.job = job;
    this.own = own;
    this.keepOwn = find("#keep-own", dialog, HTMLInputElement);
    this.options = new OptionsForm(find(".options", dialog, HTMLFormElement));
    this.startButton = find("#again-start", dialog, HTMLButtonElement);
    this.startButton.addEventListener("click", () => this.#start());
    find("[data-close]", dialog).addEventListener("click", () => dialog.close());
  }

  open() {
    this.#key = newKey();
    const own = this.own();
    find("#keep-own-row", this.dialog).hidden = own === 0;
    find("#keep-own-words", this.dialog).textContent = count("own.kept", own);
    this.dialog.showModal();
  }

  async #start() {
    const job = this.job();
    if (!job || !this.options.check()) return;
    this.startButton.disabled = true;
    await attempt(
      async () => {
        const options = { ...job.options, ...this.options.read() };
        const made = await post(`${jobPath(job.id)}/run-again`, {
          options,
          key: this.#key,
          keep_own: this.keepOwn.checked,
        });
        location.assign(address(`/jobs/${made.id}`));
      },
      (error) => {
        toastError(error);
        this.startButton.disabled = false;
      },
    );
  }
}
