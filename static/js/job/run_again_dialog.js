// The same photos as a new album, with other settings.

/** @import { Job } from "../shared/types.d.ts" */

import { address, attempt, jobPath, post } from "../shared/api.js";
import { find, newKey, toastError } from "../shared/dom.js";
import { OptionsForm } from "../widgets/options_form.js";

export class RunAgainDialog {
  #key = newKey(); // however often it is clicked, one album comes of it

  /** @param {HTMLDialogElement} dialog @param {() => Job | null} job */
  constructor(dialog, job) {
    this.dialog = dialog;
    this.job = job;
    this.options = new OptionsForm(find(".options", dialog, HTMLFormElement));
    this.startButton = find("#again-start", dialog, HTMLButtonElement);
    this.startButton.addEventListener("click", () => this.#start());
    find("[data-close]", dialog).addEventListener("click", () => dialog.close());
  }

  open() {
    this.#key = newKey();
    this.dialog.showModal();
  }

  async #start() {
    const job = this.job();
    if (!job || !this.options.check()) return;
    this.startButton.disabled = true;
    await attempt(
      async () => {
        const options = { ...job.options, ...this.options.read() };
        const made = await post(`${jobPath(job.id)}/run-again`, { options, key: this.#key });
        location.assign(address(`/jobs/${made.id}`));
      },
      (error) => {
        toastError(error);
        this.startButton.disabled = false;
      },
    );
  }
}
