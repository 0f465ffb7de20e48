// A photo's restoration: it is sent as soon as it is here, shown stage by stage, and compared.
//
// The address names the job, so a reload or another browser shows the same picture.

/** @import { Item, Job, JobEvent, JobWithItems } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "../widgets/options_form.js" */
/** @import { Viewer } from "../widgets/viewer.js" */

import { address, attempt, get, jobPath, picture, post, remove, upload } from "../shared/api.js";
import { find, findAll, toastError } from "../shared/dom.js";
import { JobEvents } from "../shared/job_events.js";
import { tell, title } from "../shared/notify.js";
import { isNewPicture } from "../shared/results.js";
import { say } from "../shared/words.js";
import { ENDED_ITEMS, ItemState, RESTORED_ITEMS } from "../states.js";
import { FaceStrip } from "./face_strip.js";
import { noFaceTitle, Outcome } from "./outcome.js";
import { PrintCondition } from "./print_condition.js";
import { SettingsHistory } from "./settings_history.js";
import { SettingsTrial } from "./settings_trial.js";
import { StageList } from "./stage_list.js";

export class Restoration {
  /** As chosen, until another one is. @type {File | null} */
  #file = null;
  /** XMP files that came with it. @type {File[]} */
  #sidecars = [];
  /** Which job the page is about. @type {string | null} */
  #id = null;
  /** What is known of it. @type {Job | null} */
  #job = null;
  /** @type {AbortController | null} */
  #sending = null;
  /** @type {JobEvents | null} */
  #events = null;
  /** @type {Viewer | null} */
  #viewer = null;
  /** The version from which the others are made. @type {string | null} */
  #base = null;
  /** The latest version that nobody has asked for by more than a setting. @type {string | null} */
  #tried = null;
  /** Chosen for this photo, and not in the form. @type {Record<string, string>} */
  #beside = {};

  /** @param {HTMLElement} root @param {OptionsForm} options */
  constructor(root, options) {
    this.root = root;
    this.options = options;
    this.preview = find("#preview", root, HTMLImageElement);
    this.forAlbum = find("#for-album", root, HTMLAnchorElement);
    this.stages = new StageList(find("#stages", root), find("#stage-words", root));
    this.outcome = new Outcome(find("#outcome", root), (proposed) => options.choose(proposed));
    this.faces = new FaceStrip(find("#face-strip", root), options, () => this.#showLive());
    const strength = find("#opt-strength", options.form);
    strength.addEventListener("input", () => this.#showLive());
    for (const soon of ["pointerenter", "focus"]) {
      strength.addEventListener(soon, () => this.#viewer?.live.prepare());
    }
    this.history = new SettingsHistory(
      find("#undo", root, HTMLButtonElement),
      find("#redo", root, HTMLButtonElement),
      (tried) => {
        this.options.set(tried);
        this.tryOptions({ mask: String(tried.mask ?? "") });
      },
    );
    find("#download", root).addEventListener("click", () => (this.#tried = null));
    this.print = new PrintCondition(root, options, (more) => this.tryOptions(more));
    this.trial = new SettingsTrial(find("#rerun", root), (id) => this.#replace(id));
    find("#turn-upright", root).addEventListener("click", () => options.choose({ upright: true }));
    find("#again", root).addEventListener("click", () => this.#retry());
    for (const button of findAll("[data-new]", root)) {
      button.addEventListener("click", () => this.#reset());
    }
    this.preview.addEventListener("error", () => {
      this.preview.removeAttribute("src"); // a format that this browser cannot show
    });
  }

  /** Restore a photo. @param {File} file @param {File[]} sidecars XMP files beside it */
  async begin(file, sidecars = []) {
    this.#reset();
    this.#file = file;
    this.#sidecars = sidecars;
    this.preview.src = URL.createObjectURL(file);
    await this.#send(file);
  }

  /** Show a job, and follow it if it goes on. @param {string} id */
  async open(id) {
    this.#id = this.#base = id;
    this.#beside = {};
    await attempt(
      async () => {
        /** @type {JobWithItems} */
        const job = await get(jobPath(id));
        if (this.#id !== id) return;
        const [item] = job.items;
        this.#job = job;
        this.forAlbum.href = address(`/batch?like=${id}`);
        this.history.begin(job.options);
        if (ENDED_ITEMS.includes(item.state)) await this.#show(id);
        else this.#follow(job, item);
      },
      (error) => this.#failGone(error),
    );
  }

  /**
   * The settings have changed: the same photo again, once they rest.
   * @param {Record<string, string>} [more] options that the form has not; they stay chosen, also
   * where the next change overtakes them
   */
  tryOptions(more = {}) {
    const job = this.#job;
    if (!job || !RESTORED_ITEMS.includes(this.#state)) return;
    this.#beside = { ...this.#beside, ...more };
    const chosen = () => ({ ...job.options, ...this.options.read(), ...this.#beside });
    this.#viewer?.ahead.show(job, chosen());
    this.trial.schedule(this.#base ?? job.id, () => {
      const options = chosen();
      this.history.add(options);
      return options;
    });
  }

  /** While strengths are being chosen, show what they will give; the exact result follows. */
  #showLive() {
    const shares = this.faces.shares(this.options.read().strength);
    if (shares && this.#state === ItemState.DONE) this.#viewer?.live.show(shares);
  }

  get #state() {
    return this.root.dataset.state ?? "";
  }

  /** @param {string} state an item's, or empty, loading, working */
  #setState(state) {
    this.root.dataset.state = state;
    this.outcome.element.hidden = !RESTORED_ITEMS.includes(state);
  }

  #reset() {
    this.#sending?.abort();
    this.#events?.stop();
    this.trial.cancel();
    this.#id = this.#base = this.#job = this.#file = this.#tried = null;
    this.history.begin(null);
    this.print.forget();
    title(null);
    history.replaceState(null, "", address("/"));
    this.forAlbum.href = address("/batch");
    this.faces.reset();
    this.#setState("empty");
    find("#pick", this.root).focus();
  }

  /** @param {File} file */
  async #send(file) {
    this.#setState("working");
    this.stages.show("upload");
    title("…");
    const form = new FormData();
    for (const sidecar of this.#sidecars) form.append("xmp", sidecar, sidecar.name);
    form.append("photo", file, file.name);
    for (const [name, value] of Object.entries(this.options.read())) {
      form.append(name, String(value));
    }
    const sending = new AbortController();
    this.#sending = sending;
    await attempt(
      async () => {
        const { job } = await upload("/enhance", form, { signal: sending.signal });
        history.replaceState(null, "", address(`/?job=${job}`));
        await this.open(job);
      },
      ({ code, message }) => {
        if (code !== "aborted") this.#fail(say("trouble.upload"), message, true);
      },
    );
  }

  /** @param {Job} job @param {Item} item */
  #follow(job, item) {
    this.#setState("working");
    if (!this.preview.getAttribute("src")) {
      this.preview.src = picture(job.id, 0, "before", "?max=1600");
    }
    this.stages.show(item.stage ?? "waiting");
    this.#events = new JobEvents(
      job.id,
      job.seq,
      (events) => this.#take(job.id, events),
      (connected) => {
        if (!connected) this.stages.say(say("trouble.offline"));
      },
    );
  }

  /** @param {string} id @param {JobEvent[]} events */
  #take(id, events) {
    const ofPhoto = events.filter((event) => event.item === 0);
    for (const { stage, percent, state } of ofPhoto) {
      if (stage) this.stages.show(stage, percent);
      else if (state === ItemState.WAITING) this.stages.show("waiting");
    }
    if (!ofPhoto.some(hasEnded)) return;
    this.#events?.stop();
    attempt(
      () => this.#show(id, { isNews: true }),
      (error) => this.#failGone(error),
    );
  }

  /**
   * The photo has ended: show what came of it.
   * @param {string} id
   * @param {{isNews?: boolean, keepView?: boolean}} [how]
   */
  async #show(id, { isNews = false, keepView = false } = {}) {
    const [job, item] = await Promise.all([get(jobPath(id)), get(`${jobPath(id)}/items/0`)]);
    if (this.#id !== id) return; // another photo has come meanwhile
    this.#job = job;
    if (!RESTORED_ITEMS.includes(item.state)) {
      const words = item.error?.message ?? say("trouble.cancelled.words");
      this.#fail(say(`trouble.${item.state}`), words, item.state === ItemState.FAILED);
      return;
    }
    this.#setState(item.state);
    this.outcome.show(id, item);
    await this.#compare(id, item, keepView);
    this.print.show(job);
    if (!isNews) return;
    title(item.state === ItemState.DONE ? `✓ ${item.name}` : noFaceTitle(item));
    tell(say("notify.title", { name: item.name }), this.outcome.words);
  }

  /** @param {string} id @param {Item} item @param {boolean} keepView */
  async #compare(id, item, keepView) {
    const { Viewer } = await import("../widgets/viewer.js");
    this.#viewer ??= new Viewer(find(".viewer", this.root));
    const photo = {
      before: picture(id, 0, "before"),
      after: isNewPicture(item) ? picture(id, 0, "after") : null,
      name: item.name,
      faces: item.report?.faces ?? [],
    };
    await this.#viewer.show(photo, keepView);
    this.faces.show(item, this.#viewer);
  }

  /**
   * Show another version of the photo in its place. Of those that were only tried, one is kept.
   * @param {string} id
   */
  async #replace(id) {
    if (this.#tried && this.#tried === this.#id) remove(jobPath(this.#tried)).catch(() => {});
    this.#tried = this.#id = id;
    history.replaceState(null, "", address(`/?job=${id}`));
    this.forAlbum.href = address(`/batch?like=${id}`);
    await this.#show(id, { keepView: true });
  }

  /** @param {Error} error */
  #failGone(error) {
    this.#fail(say("trouble.gone"), error.message, false);
  }

  /** @param {string} heading @param {string} words @param {boolean} canRetry */
  #fail(heading, words, canRetry) {
    this.#setState("failed");
    find("#trouble-title", this.root).textContent = heading;
    find("#trouble-words", this.root).textContent = words;
    find("#again", this.root).hidden = !canRetry;
    title(say("title.failed"));
  }

  async #retry() {
    const job = this.#job;
    if (job) {
      await attempt(async () => {
        await post(`${jobPath(job.id)}/retry`);
        await this.open(job.id);
      }, toastError);
    } else if (this.#file) {
      await this.#send(this.#file);
    }
  }
}

/** @param {JobEvent} event */
const hasEnded = (event) => ENDED_ITEMS.includes(event.state);
