// One photo of an album, large, with its neighbours a key away. The rest goes on behind it.

/** @import { Item } from "../shared/types.d.ts" */

import { attempt, get, jobPath, picture } from "../shared/api.js";
import { find } from "../shared/dom.js";
import { isNewPicture } from "../shared/results.js";
import { count, duration, say } from "../shared/words.js";
import { ItemState } from "../states.js";
import { Viewer } from "../widgets/viewer.js";

export class Lightbox {
  /** The number of the photo that is shown. @type {number | null} */
  n = null;
  /** @type {HTMLElement | null} */
  #opener = null;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {string} job
   * @param {(n: number) => {previous: number | null, next: number | null}} neighbours
   */
  constructor(dialog, job, neighbours) {
    this.dialog = dialog;
    this.job = job;
    this.neighbours = neighbours;
    this.viewer = new Viewer(find(".viewer", dialog));
    this.previous = find("#previous", dialog, HTMLButtonElement);
    this.next = find("#next", dialog, HTMLButtonElement);
    this.note = find("#photo-note", dialog);
    this.#listen();
  }

  /**
   * Show a photo.
   * @param {number} n
   * @param {HTMLElement | null} opener gets the focus back
   */
  async open(n, opener) {
    this.#opener = opener;
    this.n = n;
    if (!this.dialog.open) {
      this.dialog.showModal();
      this.viewer.slider.focus();
    }
    await this.refresh();
  }

  /** The open photo has another state. */
  async refresh() {
    const n = this.n;
    if (n === null) return;
    const { previous, next } = this.neighbours(n);
    this.previous.disabled = previous === null;
    this.next.disabled = next === null;
    await attempt(
      async () => {
        const item = await get(`${jobPath(this.job)}/items/${n}`);
        if (n === this.n) await this.#show(item);
      },
      (error) => {
        this.note.textContent = error.message;
      },
    );
  }

  #listen() {
    find("#close", this.dialog).addEventListener("click", () => this.dialog.close());
    this.previous.addEventListener("click", () => this.#step("previous"));
    this.next.addEventListener("click", () => this.#step("next"));
    this.dialog.addEventListener("keydown", (event) => {
      if (event.key === "PageUp") this.#step("previous");
      else if (event.key === "PageDown") this.#step("next");
      else return;
      event.preventDefault();
    });
    this.dialog.addEventListener("close", () => {
      history.replaceState(null, "", location.pathname + location.search);
      this.#opener?.focus();
      this.n = null;
    });
  }

  /** @param {Item} item */
  async #show(item) {
    this.#tell(item);
    try {
      await this.viewer.show({
        before: picture(this.job, item.n, "before"),
        after: isNewPicture(item) ? picture(this.job, item.n, "after") : null,
        name: item.name,
        faces: item.report?.faces ?? [],
      });
    } catch {
      // A file that is no photo has no picture; the words tell what is wrong.
    }
  }

  /** @param {Item} item */
  #tell(item) {
    find("#photo-name", this.dialog).textContent = item.name;
    const restored = (item.report?.faces ?? []).filter((face) => face.restored).length;
    const facts = [say(`item.${item.state}`)];
    if (item.state === ItemState.DONE) {
      facts.push(restored ? count("faces", restored) : say("faces.none"));
    }
    if (item.seconds) facts.push(duration(item.seconds));
    const name = item.report?.restored_by?.machine;
    if (name) facts.push(say("machine.by", { name }));
    find("#photo-facts", this.dialog).textContent = facts.join(" · ");
    const notes = [item.error?.message, ...item.warnings];
    this.note.textContent = notes.filter(Boolean).join(" ");
    const download = find("#photo-download", this.dialog, HTMLAnchorElement);
    download.hidden = !item.result;
    download.href = picture(this.job, item.n, "after", "?download=1");
  }

  /** @param {"previous" | "next"} which */
  #step(which) {
    if (this.n === null) return;
    const n = this.neighbours(this.n)[which];
    if (n === null) return;
    history.replaceState(null, "", `#${n}`);
    this.open(n, this.#opener);
  }
}
