// One photo of an album, large, with its neighbours a key away. The rest goes on behind it.

import { ApiError, get, jobPath, picture } from "./api.js";
import { find } from "./dom.js";
import { Viewer } from "./viewer.js";
import { count, duration, say } from "./words.js";

export class Lightbox {
  /** neighbours(n) gives [previous, next] numbers, null at the ends. */
  constructor(dialog, job, neighbours) {
    this.dialog = dialog;
    this.job = job;
    this.neighbours = neighbours;
    this.viewer = new Viewer(find(".viewer", dialog));
    this.n = null;
    find("#close").addEventListener("click", () => dialog.close());
    find("#previous").addEventListener("click", () => this.#step(0));
    find("#next").addEventListener("click", () => this.#step(1));
    dialog.addEventListener("keydown", (event) => {
      if (event.key === "PageUp") this.#step(0);
      else if (event.key === "PageDown") this.#step(1);
      else return;
      event.preventDefault();
    });
    dialog.addEventListener("close", () => {
      history.replaceState(null, "", location.pathname + location.search);
      this.opener?.focus();
      this.n = null;
    });
  }

  /** Show a photo; opener gets the focus back. */
  async open(n, opener) {
    this.opener = opener;
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
    const [before, after] = this.neighbours(n);
    find("#previous").disabled = before === null;
    find("#next").disabled = after === null;
    let item;
    try {
      item = await get(`${jobPath(this.job)}/items/${n}`);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      find("#photo-note").textContent = error.message;
      return;
    }
    if (n !== this.n) return;
    this.#tell(item);
    const done = item.state === "done";
    try {
      await this.viewer.show({
        before: picture(this.job, n, "before"),
        after: done ? picture(this.job, n, "after") : null,
        name: item.name,
        faces: item.report?.faces ?? [],
      });
    } catch {
      // A file that is no photo has no picture; the words above say what is wrong.
    }
  }

  #tell(item) {
    find("#photo-name").textContent = item.name;
    const restored = (item.report?.faces ?? []).filter((face) => face.restored).length;
    const facts = [say(`item.${item.state}`)];
    if (item.state === "done") facts.push(restored ? count("faces", restored) : say("faces.none"));
    if (item.seconds) facts.push(duration(item.seconds));
    find("#photo-facts").textContent = facts.join(" · ");
    find("#photo-note").textContent = [item.error?.message, ...item.warnings]
      .filter(Boolean)
      .join(" ");
    const download = find("#photo-download");
    download.hidden = !item.result;
    download.href = picture(this.job, item.n, "after", "?download=1");
  }

  #step(which) {
    const n = this.neighbours(this.n)[which];
    if (n !== null) history.replaceState(null, "", `#${n}`);
    if (n !== null) this.open(n, this.opener);
  }
}
