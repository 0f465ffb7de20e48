// One photo: the first page. What shows a restoration is loaded with the first photo, so that the
// page itself is light.

/** @import { FoundFile } from "../shared/types.d.ts" */
/** @import { Restoration } from "./restoration.js" */

import { find, make, toast } from "../shared/dom.js";
import { isVisible, isWanted, PhotoIntake, refusal } from "../shared/files.js";
import { say } from "../shared/words.js";
import { OptionsForm } from "../widgets/options_form.js";

const SAMPLE = "sample.jpg";

class PhotoPage {
  /** @type {Restoration | null} */
  #restoration = null;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.options = new OptionsForm(find("#options", root, HTMLFormElement), () =>
      this.#restoration?.tryOptions(),
    );
    const inputs = ["#pick", "#camera"].map((input) => find(input, root, HTMLInputElement));
    new PhotoIntake(inputs, (found) => this.#take(found));
    find("#sample", root).addEventListener("click", () => this.#takeSample());
  }

  /** Show a job of this server. @param {string} job */
  async open(job) {
    await (await this.#load())?.open(job);
  }

  /** @param {FoundFile[]} found */
  async #take(found) {
    const files = found.filter(isVisible);
    const photos = files.filter(isWanted);
    const [first] = photos.length ? photos : files;
    if (!first) return;
    if (photos.length > 1) {
      const { offerAlbum } = await import("./album_offer.js");
      if (await offerAlbum(files, this.options.read())) return;
    }
    const why = refusal(first.file);
    if (why) toast(`${first.name}: ${why}`, "bad");
    else if (first.file) (await this.#load())?.begin(first.file, first.sidecars);
  }

  async #takeSample() {
    const answer = await fetch(find("#sample img", this.root, HTMLImageElement).src);
    const file = new File([await answer.blob()], SAMPLE, { type: "image/jpeg" });
    await this.#take([{ file, name: SAMPLE }]);
  }

  /** What shows a restoration; null, and words for the user, where the server does not answer. */
  async #load() {
    try {
      const [{ Restoration }] = await Promise.all([
        import("./restoration.js"),
        loadStyles(this.root.dataset.styles),
      ]);
      this.#restoration ??= new Restoration(this.root, this.options);
    } catch {
      toast(say("trouble.offline"), "bad");
    }
    return this.#restoration;
  }
}

/** The styles of what shows a photo, unless the page came with them. @param {string} [href] */
async function loadStyles(href) {
  if (!href || document.querySelector(`link[href="${href}"]`)) return;
  const link = make("link", { rel: "stylesheet", href });
  const loaded = new Promise((resolve, reject) => {
    link.addEventListener("load", resolve);
    link.addEventListener("error", reject);
  });
  document.head.append(link);
  await loaded.catch((error) => {
    link.remove(); // so that the next photo tries again
    throw error;
  });
}

const root = find("#studio");
const page = new PhotoPage(root);
if (root.dataset.job) page.open(root.dataset.job);
else page.options.remember("photo");
