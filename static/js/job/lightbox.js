// One photo of an album, large, with its neighbours a key away. The rest goes on behind it.

/** @import { Item, Job } from "../shared/types.d.ts" */

import { attempt, get, jobPath, picture } from "../shared/api.js";
import { find, make } from "../shared/dom.js";
import { noFaceTitle, noFaceWords } from "../shared/no_face.js";
import { isNewPicture } from "../shared/results.js";
import { count, duration, say } from "../shared/words.js";
import { ItemState, UNFINISHED_ITEMS } from "../states.js";
import { Viewer } from "../widgets/viewer.js";
import { PhotoSettings } from "./photo_settings.js";
import { Swipes } from "./swipes.js";

export class Lightbox {
  /** The number of the photo that is shown. @type {number | null} */
  n = null;
  /** The same, of the picture in the viewer. @type {number | null} */
  #shown = null;

  /**
   * @param {HTMLDialogElement} dialog
   * @param {string} job
   * @param {{
   *   job: () => Job | null,
   *   neighbours: (n: number) => {previous: number | null, next: number | null},
   *   onClose: (n: number) => void,
   *   onRedo: () => void,
   * }} album
   */
  constructor(dialog, job, album) {
    this.dialog = dialog;
    this.job = job;
    this.neighbours = album.neighbours;
    this.onClose = album.onClose;
    this.viewer = new Viewer(find(".viewer", dialog));
    this.previous = find("#previous", dialog, HTMLButtonElement);
    this.next = find("#next", dialog, HTMLButtonElement);
    this.note = find("#photo-note", dialog);
    this.settings = new PhotoSettings(
      find("#photo-settings", dialog),
      find("#show-settings", dialog),
      this.viewer,
      album.job,
      album.onRedo,
    );
    this.#listen();
  }

  /** Show a photo. @param {number} n */
  async open(n) {
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
    new Swipes(this.dialog, this.viewer, (which) => this.#step(which));
    this.dialog.addEventListener("keydown", (event) => {
      if (find("#photo-settings", this.dialog).contains(/** @type {Node} */ (event.target))) return;
      if (event.key === "PageUp") this.#step("previous");
      else if (event.key === "PageDown") this.#step("next");
      else return;
      event.preventDefault();
    });
    this.dialog.addEventListener("close", () => {
      if (this.dialog.open) return; // opened again before this was told
      if (location.hash === `#${this.n}`) {
        history.replaceState(null, "", location.pathname + location.search);
      }
      if (this.n !== null) this.onClose(this.n);
      this.n = this.#shown = null;
    });
  }

  /** @param {Item} item */
  async #show(item) {
    this.#tell(item);
    this.settings.show(item);
    const isOther = this.#shown !== item.n;
    if (!isOther && UNFINISHED_ITEMS.includes(item.state)) return; // what is shown still holds
    this.#shown = item.n;
    try {
      const version = `?v=${item.attempt}`; // another result is another picture
      const photo = {
        before: picture(this.job, item.n, "before", version),
        after: isNewPicture(item) ? picture(this.job, item.n, "after", version) : null,
        name: item.name,
        faces: item.report?.faces ?? [],
      };
      await this.viewer.show(photo, !isOther);
      if (item.n === this.n) this.settings.showFaces();
    } catch {
      // A file that is no photo has no picture; the words tell what is wrong.
      if (document.activeElement === this.viewer.slider) this.#focusButton();
    }
  }

  /** Where there is no picture to have the focus, keys still lead on. */
  #focusButton() {
    const steps = [this.next, this.previous].filter(({ disabled }) => !disabled);
    (steps[0] ?? find("#close", this.dialog)).focus();
  }

  /** @param {Item} item */
  #tell(item) {
    const [, folder, base] = /** @type {RegExpMatchArray} */ (item.name.match(/^(.*\/)?(.*)$/s));
    find("#photo-name", this.dialog).replaceChildren(
      make("span", { className: "in-folder" }, folder ?? ""),
      base,
    );
    const restored = (item.report?.faces ?? []).filter((face) => face.restored).length;
    const hasNone = item.state === ItemState.NO_FACE;
    const facts = [hasNone ? noFaceTitle(item) : say(`item.${item.state}`)];
    if (item.state === ItemState.DONE) {
      facts.push(restored ? count("faces", restored) : say("faces.none"));
    }
    if (item.seconds && !UNFINISHED_ITEMS.includes(item.state)) facts.push(duration(item.seconds));
    const name = item.report?.restored_by?.machine;
    if (name) facts.push(say("machine.by", { name }));
    find("#photo-facts", this.dialog).textContent = facts.join(" · ");
    const notes = [item.error?.message, ...(hasNone ? noFaceWords(item) : []), ...item.warnings];
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
    this.open(n);
  }
}
