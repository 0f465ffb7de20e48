// A photo's restoration: it is sent as soon as it is here, shown stage by stage, and compared.
//
// The address names the job, so a reload or another browser shows the same picture.

/** @import { Item, Job, JobEvent, JobWithItems, Options } from "../shared/types.d.ts" */
/** @import { OptionsForm } from "../widgets/options_form.js" */
/** @import { Viewer } from "../widgets/viewer.js" */

import { address, attempt, get, jobPath, picture, post, remove, upload } from "../shared/api.js";
import { find, findAll, newKey, toastError } from "../shared/dom.js";
import { JobEvents } from "../shared/job_events.js";
import { noFaceTitle } from "../shared/no_face.js";
import { tell, title } from "../shared/notify.js";
import { frameOf, isNewPicture } from "../shared/results.js";
import { say } from "../shared/words.js";
import { ENDED_ITEMS, ItemState, RESTORED_ITEMS } from "../states.js";
import { FirstSight } from "./first_sight.js";
import { FaceStrip } from "../widgets/face_strip.js";
import { FastModeSwitch } from "../widgets/fast_mode.js";
import { ModelOffer } from "./model_offer.js";
import { Outcome } from "./outcome.js";
import { PhotoTools } from "./photo_tools.js";
import { SettingsHistory } from "./settings_history.js";
import { SETTLE_MS, SettingsTrial } from "./settings_trial.js";
import { StageList } from "./stage_list.js";
import { Suggestions } from "./suggestions.js";
import { Versions } from "./versions.js";
import { WholeWindow } from "./whole_window.js";

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
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #anew;
  #isChangedEarly = false; // settings, before the job was known
  /** The job that the photo as it was is loaded from, and how it lies there. */
  #lying = { job: "", how: "" };
  /** The result that is shown beside the next one. @type {string | null} */
  #compareWith = null;

  /** @param {HTMLElement} root @param {OptionsForm} options */
  constructor(root, options) {
    this.root = root;
    this.options = options;
    this.preview = find("#preview", root, HTMLImageElement);
    this.forAlbum = find("#for-album", root, HTMLAnchorElement);
    this.stages = new StageList(find("#stages", root), find("#stage-words", root));
    this.outcome = new Outcome(find("#outcome", root));
    this.faces = new FaceStrip(find("#face-strip", root), options, () => this.#showLive());
    this.fastMode = new FastModeSwitch(find("#fast-mode", root), { isOffer: true });
    this.offer = new ModelOffer(root, () => this.#tryOtherModel());
    this.firstSight = new FirstSight(find(".viewer", root));
    const strength = find("#opt-strength", options.form);
    strength.addEventListener("input", () => this.#showLive());
    for (const soon of ["pointerenter", "focus"]) {
      strength.addEventListener(soon, () => this.#viewer?.live.prepare());
    }
    this.history = new SettingsHistory(
      find("#undo", root, HTMLButtonElement),
      find("#redo", root, HTMLButtonElement),
      (tried) => this.#goTo(tried),
    );
    this.versions = new Versions(
      find("#versions", root),
      options.form,
      find("#rerun", root),
      (used) => this.#goTo({ ...used, mask: this.#job?.options.mask ?? "" }),
    );
    find("#download", root).addEventListener("click", () => (this.#tried = null));
    this.suggestions = new Suggestions(find("#suggestions", root), options);
    this.tools = new PhotoTools(root, options, this.suggestions, (more) => this.tryOptions(more));
    this.whole = new WholeWindow(root, () => address(this.#id ? `/?job=${this.#id}` : "/"));
    this.trial = new SettingsTrial(
      find("#rerun", root),
      (id) => this.#replace(id),
      () => this.#keepShown(),
    );
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

  /**
   * Show a job, and follow it if it goes on.
   * @param {string} id
   * @param {{isNews?: boolean}} [how] whether it was begun just now, so that its end is news
   */
  async open(id, { isNews = false } = {}) {
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
        if (ENDED_ITEMS.includes(item.state)) await this.#show(id, { isNews });
        else this.#follow(job, item);
        if (this.#isChangedEarly) this.tryOptions();
        this.#isChangedEarly = false;
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
    if (!job) {
      this.#isChangedEarly = true; // while the photo is being sent
      return;
    }
    this.#beside = { ...this.#beside, ...more };
    if (this.#state === "working") this.#beginAnewSoon(job);
    if (!RESTORED_ITEMS.includes(this.#state)) return;
    this.#viewer?.ahead.show(job, this.#chosen(job));
    this.trial.schedule(this.#base ?? job.id, () => {
      const options = this.#chosen(job);
      this.history.add(options);
      return options;
    });
  }

  /** Settings of another version. @param {Options} options */
  #goTo(options) {
    this.options.set(options);
    this.tryOptions(besideForm(options));
  }

  /** A trial was stopped: the settings are those of what is shown. */
  #keepShown() {
    const options = this.history.goBack();
    if (!options) return;
    this.options.set(options);
    this.#beside = besideForm(options);
    this.#compareWith = null;
    this.#viewer?.ahead.end();
    this.#viewer?.live.end();
    this.#viewer?.slider.focus(); // the button that had it is gone
  }

  /** All options as they are chosen by now. @param {Job} job @returns {Options} */
  #chosen(job) {
    return { ...job.options, ...this.options.read(), ...this.#beside };
  }

  /** Settings have changed while the photo is in work: once they rest, it begins anew with them. */
  #beginAnewSoon(/** @type {Job} */ job) {
    clearTimeout(this.#anew);
    this.#anew = setTimeout(() => {
      if (this.#state === "working") this.#beginAnew(job);
      else this.tryOptions(); // it has ended meanwhile
    }, SETTLE_MS);
  }

  /** Run a photo with what is chosen by now instead of what it was begun with. @param {Job} job */
  async #beginAnew(job) {
    const options = this.#chosen(job);
    this.#events?.stop();
    this.#job = null; // what is changed from here on comes after it
    this.#isChangedEarly = false;
    const made = await attempt(
      () => post(`${jobPath(job.id)}/run-again`, { options, key: newKey() }),
      toastError,
    );
    if (this.#id !== job.id) {
      if (made) remove(jobPath(made.id)).catch(() => {}); // another photo has come meanwhile
    } else if (made) {
      remove(jobPath(job.id)).catch(() => {}); // it stays in the history then
      history.replaceState(null, "", address(`/?job=${made.id}`));
      await this.open(made.id, { isNews: true });
    } else {
      this.#job = job;
      this.#listen(job); // it goes on as it was begun
    }
  }

  /** While strengths are being chosen, show what they will give; the exact result follows. */
  #showLive() {
    const shares = this.faces.shares(this.options.read().strength);
    if (shares && this.#state === ItemState.DONE && this.versions.isUsual)
      this.#viewer?.live.show(shares);
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
    clearTimeout(this.#anew);
    this.trial.cancel();
    this.whole.leave();
    this.#id = this.#base = this.#job = this.#file = this.#tried = this.#compareWith = null;
    this.history.begin(null);
    this.suggestions.forget();
    this.tools.forget();
    title(null);
    history.replaceState(null, "", address("/"));
    this.forAlbum.href = address("/batch");
    this.faces.reset();
    this.versions.reset();
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
    this.#isChangedEarly = false;
    for (const [name, value] of Object.entries(this.options.read())) {
      form.append(name, String(value));
    }
    const sending = new AbortController();
    this.#sending = sending;
    await attempt(
      async () => {
        const { job } = await upload("/enhance", form, { signal: sending.signal });
        history.replaceState(null, "", address(`/?job=${job}`));
        await this.open(job, { isNews: true });
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
    this.#listen(job);
  }

  /** @param {Job} job */
  #listen(job) {
    this.#events = new JobEvents(
      job.id,
      job.seq,
      (events) => this.#take(job.id, events),
      (connected) => {
        if (!connected) this.stages.say(say("trouble.offline"));
      },
      0,
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
    const isSameFrame = this.#job !== null && frameOf(this.#job.options) === frameOf(job.options);
    this.#job = job;
    if (!RESTORED_ITEMS.includes(item.state)) {
      const words = item.error?.message ?? say("trouble.cancelled.words");
      this.#fail(say(`trouble.${item.state}`), words, item.state === ItemState.FAILED);
      return;
    }
    this.#setState(item.state);
    this.outcome.show(id, item);
    if (item.report) this.options.showChosen(item.report.options);
    this.suggestions.expect(job, item);
    this.tools.show(job);
    if (isNews || keepView) this.#announce(item);
    this.offer.show(item);
    this.fastMode.refresh();
    if (isNews) this.firstSight.expect();
    await this.#compare(id, item, keepView && isSameFrame);
    const isLatest = this.#id === id; // no other version has come meanwhile
    const suggested = isLatest && this.suggestions.show(job, item);
    if (isNews) this.#tellNews(id, item, suggested);
  }

  /**
   * The photo has come to its end just now; what is shown of it waits for no suggestion.
   * @param {string} id @param {Item} item @param {Promise<void> | false} suggested
   */
  async #tellNews(id, item, suggested) {
    await suggested;
    if (this.#base !== id) return; // another photo has come meanwhile
    const isShown = this.#id === id; // and no other version
    if (this.#viewer && isShown) this.firstSight.show(this.#viewer, item.report?.faces ?? []);
    title(item.state === ItemState.DONE ? `✓ ${item.name}` : noFaceTitle(item));
    tell(say("notify.title", { name: item.name }), this.outcome.words);
  }

  /** Tell those who do not see it; what had the focus may have gone. @param {Item} item */
  #announce(item) {
    find("#announce", this.root).textContent = `${item.name}: ${this.outcome.words}`;
    const focused = document.activeElement;
    const isLost = !focused || focused === document.body || focused.closest(".drop, .work");
    if (isLost) find("#filename", this.root).focus({ preventScroll: true });
  }

  /** @param {string} id @param {Item} item @param {boolean} keepView */
  async #compare(id, item, keepView) {
    const { Viewer } = await import("../widgets/viewer.js");
    this.#viewer ??= new Viewer(find(".viewer", this.root));
    const photo = {
      before: picture(this.#jobOfOriginal(id, item, keepView), 0, "before"),
      after: isNewPicture(item) ? picture(id, 0, "after") : null,
      name: item.name,
      faces: item.report?.faces ?? [],
    };
    await this.#viewer.show(photo, keepView);
    if (this.#id !== id) return;
    this.faces.show(item, this.#viewer);
    this.outcome.showFile(item, isNewPicture(item) ? this.#viewer.after : this.#viewer.before);
    await this.versions.show(id, item, this.#viewer);
  }

  /**
   * From which job the photo as it was is loaded: while it lies as it did, it need not be anew.
   * @param {string} id @param {Item} item @param {boolean} keepView
   */
  #jobOfOriginal(id, { report }, keepView) {
    const how = report?.options.upright ? String(report.turn) : "0";
    if (!keepView || this.#lying.how !== how) this.#lying = { job: id, how };
    return this.#lying.job;
  }

  /**
   * Show another version of the photo in its place. Of those that were only tried, one is kept.
   * @param {string} id
   */
  async #replace(id) {
    const former = this.#tried && this.#tried === this.#id ? this.#tried : null;
    this.#tried = this.#id = id;
    this.history.arrive();
    history.replaceState(null, "", address(`/?job=${id}`));
    this.forAlbum.href = address(`/batch?like=${id}`);
    try {
      await this.#show(id, { keepView: true });
    } finally {
      if (former) this.#drop(former);
    }
    if (this.#compareWith) await this.versions.compare(this.#compareWith, id);
    this.#compareWith = null;
  }

  /** Another model is in use: the same photo again, beside what there is. */
  #tryOtherModel() {
    this.#compareWith = this.#id;
    this.#tried = null; // so that it stays
    this.tryOptions();
  }

  /** Remove a result that was only tried; the page keeps what it was. @param {string} id */
  async #drop(id) {
    await this.versions.keep(id);
    if (this.#lying.job === id) this.#lying.how = ""; // it cannot be loaded from there again
    remove(jobPath(id)).catch(() => {}); // it stays in the history then
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
      await attempt(() => this.#tryAgain(job), toastError);
    } else if (this.#file) {
      await this.#send(this.#file);
    }
  }

  /** A photo that failed once more, with the settings that are chosen by now. @param {Job} job */
  async #tryAgain(job) {
    if (hasOthers(job, this.#chosen(job))) return this.#beginAnew(job);
    await post(`${jobPath(job.id)}/retry`);
    return this.open(job.id, { isNews: true });
  }
}

/** What a photo's settings have that the form has not. @param {Options} options */
const besideForm = ({ mask, rotate, crop }) => ({
  mask: String(mask ?? ""),
  rotate: String(rotate ?? "0"),
  crop: String(crop ?? ""),
});

/**
 * Whether a job was begun with other options.
 * @param {Job} job @param {Options} options
 */
const hasOthers = (job, options) =>
  Object.entries(options).some(([name, value]) => job.options[name] !== value);

/** @param {JobEvent} event */
const hasEnded = (event) => ENDED_ITEMS.includes(event.state);
