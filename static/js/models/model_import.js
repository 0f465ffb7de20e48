// Adds a weight file of one's own.

import { attempt, upload } from "../shared/api.js";
import { say } from "../shared/words.js";

export class ModelImport {
  /**
   * @param {HTMLInputElement} input
   * @param {HTMLElement} words says how far it is, and what came of it
   * @param {() => Promise<void>} onEnd
   */
  constructor(input, words, onEnd) {
    this.words = words;
    input.addEventListener("change", async () => {
      const file = input.files?.[0];
      if (!file) return;
      await this.#send(file);
      input.value = "";
      await onEnd();
    });
  }

  /** @param {File} file */
  async #send(file) {
    const { name } = file;
    const form = new FormData();
    form.append("file", file, name);
    const onProgress = (/** @type {number} */ share) => {
      const n = Math.round(100 * share);
      this.#say(say(n < 100 ? "import.sending" : "import.checking", { name, n }));
    };
    await attempt(
      async () => {
        await upload("/api/models/import", form, { onProgress });
        this.#say(say("import.done", { name }));
      },
      (error) => this.#say(error.message, "note bad"),
    );
  }

  /** @param {string} words */
  #say(words, kind = "muted") {
    this.words.className = `${kind} small`;
    this.words.textContent = words;
  }
}
