// A new album: photos are sent as they come, while the settings are chosen; then it starts.
//
// The address names the job as soon as there is one, so a reload goes on where it was.

/** @import { ChosenFile, FoundFile, Item, JobWithItems } from "../shared/types.d.ts" */
/** @import { GridPhoto } from "../widgets/photo_tile.js" */

import { address, attempt, get, jobPath, post, remove } from "../shared/api.js";
import { find, newKey, toast, toastError } from "../shared/dom.js";
import { albumName, isVisible, isWanted, PhotoIntake, refusal } from "../shared/files.js";
import { permit, title } from "../shared/notify.js";
import { Uploader } from "../shared/uploader.js";
import { count, say } from "../shared/words.js";
import { OptionsForm } from "../widgets/options_form.js";
import { RefusedList } from "../widgets/refused_list.js";
import { UploadProgress } from "../widgets/upload_progress.js";
import { settingsInWords } from "../widgets/option_words.js";
import { CollectedPhotos } from "./collected_photos.js";
import { OwnSettingsDialog } from "./own_settings_dialog.js";

class BatchPage {
  #jobKey = newKey(); // whatever is clicked twice, this page makes one album
  /** @type {Promise<Uploader> | null} */
  #opening = null;
  /** @type {Uploader | null} */
  #uploader = null;
  #here = 0; // photos that are in the album
  #startWanted = false;
  #isStarting = false;
  #started = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.name = find("#album-name", root, HTMLInputElement);
    this.startButton = find("#start", root, HTMLButtonElement);
    this.ownHint = find("#own-hint", root);
    this.options = new OptionsForm(find("#options", root, HTMLFormElement), () => this.#follow());
    this.photos = new CollectedPhotos(find("#thumbs", root), {
      takeOut: (n) => this.#takeOut(n),
      openSettings: (photo) => this.#openSettings(photo),
      inWords: (own) => settingsInWords(this.options.form, own),
    });
    this.own = new OwnSettingsDialog(
      find("#own-settings", document, HTMLDialogElement),
      this.options,
      (item) => {
        this.photos.setOwn(item);
        this.#draw();
      },
    );
    this.progress = new UploadProgress(find("#uploads", root));
    this.refused = new RefusedList(find("#refused", root));
    const inputs = ["#pick", "#pick-folder"].map((input) => find(input, root, HTMLInputElement));
    new PhotoIntake(inputs, (found) => this.#take(found));
    this.startButton.addEventListener("click", () => {
      if (!this.options.check()) return;
      permit();
      this.#startWanted = true;
      this.#draw();
    });
    addEventListener("beforeunload", (event) => {
      if (!this.#allSent && !this.#started) event.preventDefault();
    });
  }

  /** Go on with an album that was left while it was being collected. @param {string} id */
  async goOn(id) {
    await attempt(async () => {
      /** @type {JobWithItems} */
      const { items } = await get(jobPath(id));
      const uploader = this.#adopt(id);
      this.#opening = Promise.resolve(uploader);
      uploader.remember(items.flatMap(({ key }) => key ?? []));
      this.#here = items.length;
      this.#setState(this.#here ? "collecting" : "empty");
      this.photos.add(id, items);
      this.#draw();
      if (this.#here) this.progress.say(say("upload.resumed", { n: this.#here }));
    }, toastError);
  }

  /** The photos follow the album's settings. */
  #follow() {
    this.photos.follow(this.options.read());
    this.#draw();
  }

  /** @param {GridPhoto} photo */
  #openSettings(photo) {
    if (this.#uploader && !this.#startWanted) this.own.open(this.#uploader.job, photo);
  }

  get #allSent() {
    return this.#uploader?.finished ?? true;
  }

  /** @param {"empty" | "collecting"} state */
  #setState(state) {
    this.root.dataset.state = state;
  }

  /** @param {FoundFile[]} found */
  async #take(found) {
    const visible = found.filter(isVisible);
    const photos = visible.filter(isWanted);
    if (photos.length) this.#setState("collecting");
    for (const { file, name } of visible) {
      const why = refusal(file);
      if (why) this.refused.add(name, why);
    }
    if (photos.length) await this.#send(photos);
    else if (visible.length && !this.#uploader) {
      toast(`${visible[0].name}: ${refusal(visible[0].file)}`, "bad");
    }
  }

  /** @param {ChosenFile[]} photos */
  async #send(photos) {
    await attempt(
      async () => {
        this.#opening ??= this.#openJob(photos);
        const uploader = await this.#opening;
        uploader.add(photos);
        this.#draw();
      },
      (error) => {
        this.#opening = null;
        toastError(error);
        this.#setState("empty");
      },
    );
  }

  /** @param {ChosenFile[]} photos the first ones */
  async #openJob(photos) {
    if (!this.name.value.trim()) this.name.value = albumName(photos);
    const { id } = await post("/api/jobs", {
      kind: "album",
      name: this.name.value.trim(),
      options: this.options.read(),
      key: this.#jobKey,
    });
    history.replaceState(null, "", address(`/batch?job=${id}`));
    return this.#adopt(id);
  }

  /** @param {string} id */
  #adopt(id) {
    this.#uploader = new Uploader(id, {
      sent: (item) => this.#add(id, item),
      refused: (photo, message) => this.refused.add(photo.name, message),
      waiting: (isWaiting) => this.progress.setWaiting(isWaiting),
      progress: () => this.#draw(),
    });
    return this.#uploader;
  }

  /** @param {string} id @param {Item} item */
  #add(id, item) {
    this.#here += 1;
    this.photos.add(id, [item]);
    this.#draw();
  }

  /** The album is to go without a photo. @param {number} n */
  async #takeOut(n) {
    const uploader = this.#uploader;
    if (!uploader || this.#startWanted) return;
    await attempt(async () => {
      await remove(`${jobPath(uploader.job)}/items/${n}`);
      const key = this.photos.remove(n);
      if (key !== null) uploader.forget(key);
      this.#here -= 1;
      if (!this.#here && this.#allSent) this.#setState("empty");
      this.#draw();
    }, toastError);
  }

  #draw() {
    const done = this.#allSent;
    const total = this.#here + (this.#uploader?.left ?? 0);
    this.progress.show(this.#here, total, done ? 0 : (this.#uploader?.speed ?? 0), done);
    title(done ? null : `${this.#here}/${total}`);
    this.root.classList.toggle("sending", !done);
    if (done && !this.#here) this.#startWanted = false;
    this.startButton.disabled = total === 0 || this.#startWanted;
    const toStart = total ? count("start.n", total) : say("start");
    const label = this.#startWanted ? say("start.when") : toStart;
    find("span", this.startButton).textContent = label;
    find("#start-hint", this.root).hidden = done;
    const { own } = this.photos;
    this.ownHint.hidden = own === 0;
    this.ownHint.textContent = count("own.n", own);
    if (done && this.#startWanted && this.#here && this.#uploader) this.#start(this.#uploader.job);
  }

  /** @param {string} id */
  async #start(id) {
    if (this.#isStarting) return; // once, however often it is drawn meanwhile
    this.#isStarting = true;
    const name = this.name.value.trim() || say("upload.album");
    await attempt(
      async () => {
        await post(`${jobPath(id)}/start`, { name, options: this.options.read() });
        this.#started = true;
        location.assign(address(`/jobs/${id}`));
      },
      (error) => {
        this.#startWanted = this.#isStarting = false;
        toastError(error);
        this.#draw();
      },
    );
  }
}

const root = find("#collect");
const page = new BatchPage(root);
if (root.dataset.job) page.goOn(root.dataset.job);
else if (!new URLSearchParams(location.search).has("like")) page.options.remember("album");
page.photos.follow(page.options.read());
