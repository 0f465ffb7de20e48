// One photo: it is sent as soon as it is here, shown stage by stage, and compared.
//
// The address names the job, so a reload or another browser shows the same picture.

import { ApiError, get, jobPath, picture, post, remove, upload } from "./api.js";
import { find, findAll, newKey, toast } from "./dom.js";
import { chosen, receive, refusal } from "./files.js";
import { follow } from "./follow.js";
import { tell, title } from "./notify.js";
import { Options } from "./options.js";
import { count, duration, has, say } from "./words.js";

const ENDS = ["done", "no_face", "failed", "cancelled"];
const SETTLE_MS = 300; // how long a setting must rest before it is tried
const SAMPLE = "sample.jpg";

const studio = find("#studio");
const options = new Options(find("#options"), onOptions);

let viewer = null; // comes with the first photo, so that the first page is light
let file = null; // as chosen, until it is sent
let job = null; // the job that is shown
let sending = null;
let stopFollowing = () => {};
let trial = null; // {id, stop}: the job with the latest settings, while it runs
let timer = null;

function state(name) {
  studio.dataset.state = name;
  find("#outcome").hidden = name !== "done" && name !== "no_face";
}

function stage(name) {
  const steps = findAll("#stages li");
  const shown = { align: "detect", adjust: "blend", waiting: "upload" }[name] ?? name;
  const at = steps.findIndex((step) => step.dataset.stage === shown);
  steps.forEach((step, i) => {
    step.dataset.is = i < at ? "past" : i === at ? "now" : "next";
  });
  const loading = document.documentElement.dataset.engine === "loading";
  const words = name === "waiting" && loading ? "stage.model" : `stage.${name}`;
  find("#stage-words").textContent = has(words) ? say(words) : "";
}

function trouble(heading, words, canRetry) {
  state("failed");
  find("#trouble-title").textContent = heading;
  find("#trouble-words").textContent = words;
  find("#again").hidden = !canRetry;
  title(say("title.failed"));
}

function reset() {
  sending?.abort();
  stopFollowing();
  clearTimeout(timer);
  trial?.stop();
  trial = job = file = null;
  title(null);
  history.replaceState(null, "", "/");
  find("#for-album").href = "/batch";
  state("empty");
  find("#pick").value = find("#camera").value = "";
  find("#pick").focus();
}

function preview(url) {
  const image = find("#preview");
  image.onerror = () => image.removeAttribute("src"); // a format that this browser cannot show
  image.src = url;
}

async function take([first]) {
  if (!first) return;
  const why = refusal(first.file);
  if (why) {
    toast(`${first.name}: ${why}`, "bad");
    return;
  }
  reset();
  file = first.file;
  preview(URL.createObjectURL(file));
  await send();
}

async function send() {
  state("working");
  stage("upload");
  title("…");
  const form = new FormData();
  form.append("photo", file, file.name);
  for (const [name, value] of Object.entries(options.read())) form.append(name, value);
  sending = new AbortController();
  try {
    const made = await upload("/enhance", form, () => {}, sending.signal);
    history.replaceState(null, "", `/?job=${made.job}`);
    await open(made.job);
  } catch (error) {
    if (error.code === "aborted") return;
    if (!(error instanceof ApiError)) throw error;
    trouble(say("trouble.upload"), error.message, true);
  }
}

/** Show a job, and follow it if it goes on. */
async function open(id) {
  try {
    job = await get(jobPath(id));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    trouble(say("trouble.gone"), error.message, false);
    return;
  }
  const [item] = job.items;
  find("#for-album").href = `/batch?like=${job.id}`;
  if (ENDS.includes(item.state)) {
    await finish(false);
    return;
  }
  state("working");
  if (!find("#preview").getAttribute("src")) preview(picture(job.id, 0, "before", "?max=1600"));
  stage(item.stage ?? "waiting");
  stopFollowing = follow(job.id, job.seq, (events) => {
    for (const event of events) {
      if (event.stage) stage(event.stage);
      else if (event.item === 0 && event.state === "waiting") stage("waiting");
    }
    const end = events.findLast((event) => event.item === 0 && ENDS.includes(event.state));
    if (end) {
      stopFollowing();
      finish(true);
    }
  }, (connected) => {
    if (!connected) find("#stage-words").textContent = say("trouble.offline");
  });
}

/** The shown job has ended: show what came of it. */
async function finish(news, keepView = false) {
  job = await get(jobPath(job.id));
  const item = await get(`${jobPath(job.id)}/items/0`);
  if (item.state === "failed" || item.state === "cancelled") {
    const words = item.error?.message ?? say("trouble.cancelled.words");
    trouble(say(`trouble.${item.state}`), words, item.state === "failed");
    return;
  }
  state(item.state);
  tellOutcome(item);
  const done = item.state === "done";
  if (!viewer) {
    const { Viewer } = await import("./viewer.js");
    viewer ??= new Viewer(find(".viewer"));
  }
  await viewer.show(
    {
      before: picture(job.id, 0, "before"),
      after: done ? picture(job.id, 0, "after") : null,
      name: item.name,
      faces: item.report?.faces ?? [],
    },
    keepView,
  );
  if (news) {
    title(done ? `✓ ${item.name}` : say("no_face.title"));
    tell(say("notify.title", { name: item.name }), find("#facts").textContent);
  }
}

function tellOutcome(item) {
  const restored = (item.report?.faces ?? []).filter((face) => face.restored).length;
  find("#filename").textContent = item.name.split("/").pop();
  const faces = restored ? count("faces", restored) : say("faces.none");
  const words = say("faces.took", { faces, time: duration(item.seconds ?? 0) });
  find("#facts").textContent = item.state === "no_face" ? say("no_face.title") : words;
  const warnings = item.state === "no_face" ? [say("no_face.words")] : [];
  find("#warnings").replaceChildren(
    ...[...warnings, ...item.warnings].map((text) => {
      const line = document.createElement("li");
      line.textContent = text;
      return line;
    }),
  );
  find("#download").href = picture(job.id, 0, "after", "?download=1");
}

// Other settings: the same photo again. The network's faces are still in memory, so this is
// quick; a trial that is overtaken by newer settings is taken back.

function onOptions() {
  if (studio.dataset.state !== "done" && studio.dataset.state !== "no_face") return;
  clearTimeout(timer);
  timer = setTimeout(tryOptions, SETTLE_MS);
}

async function tryOptions() {
  const base = job;
  if (trial) {
    trial.stop();
    remove(jobPath(trial.id)).catch(() => {});
    trial = null;
  }
  find("#rerun").hidden = false;
  try {
    const wanted = { ...base.options, ...options.read() };
    const made = await post(`${jobPath(base.id)}/run-again`, { options: wanted, key: newKey() });
    const stop = follow(made.id, 0, (events) => {
      const end = events.findLast((event) => event.item === 0 && ENDS.includes(event.state));
      if (end && trial?.id === made.id) applyTrial(end);
    });
    trial = { id: made.id, stop };
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    failTrial(error.message);
  }
}

async function applyTrial(end) {
  const { id, stop } = trial;
  stop();
  trial = null;
  if (end.state === "failed" || end.state === "cancelled") {
    remove(jobPath(id)).catch(() => {});
    failTrial(end.error?.message ?? say("item.cancelled"));
    return;
  }
  job = { id };
  history.replaceState(null, "", `/?job=${id}`);
  find("#for-album").href = `/batch?like=${id}`;
  await finish(false, true);
  find("#rerun").hidden = true;
}

function failTrial(message) {
  find("#rerun").hidden = true;
  toast(say("rerun.failed", { message }), "bad");
}

async function retry() {
  if (!job) {
    await send();
    return;
  }
  try {
    await post(`${jobPath(job.id)}/retry`);
    await open(job.id);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "bad");
  }
}

for (const input of [find("#pick"), find("#camera")]) {
  input.addEventListener("change", () => take(chosen(input)));
}
for (const button of findAll("[data-new]")) button.addEventListener("click", reset);
find("#again").addEventListener("click", retry);
find("#sample").addEventListener("click", async () => {
  const answer = await fetch(find("#sample img").src);
  const blob = await answer.blob();
  await take([{ file: new File([blob], SAMPLE, { type: "image/jpeg" }), name: SAMPLE }]);
});
document.addEventListener("engine", () => {
  if (find("#stages [data-is=now]")?.dataset.stage === "upload" && job) stage("waiting");
});
receive(take);
if (studio.dataset.job) open(studio.dataset.job);
