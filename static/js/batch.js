// A new album: photos are sent as they come, while the settings are chosen; then it starts.
//
// The address names the job as soon as there is one, so a reload goes on where it was.

import { ApiError, get, jobPath, post } from "./api.js";
import { addSlowly, Cell } from "./cells.js";
import { find, make, newKey, toast } from "./dom.js";
import { chosen, receive, refusal } from "./files.js";
import { permit, title } from "./notify.js";
import { Options } from "./options.js";
import { Uploader } from "./upload.js";
import { bytes, count, say } from "./words.js";

const collect = find("#collect");
const nameField = find("#album-name");
const startButton = find("#start");
const options = new Options(find("#options"));

const jobKey = newKey(); // whatever is clicked twice, this page makes one album
let uploader = null;
let here = 0; // photos that are in the album
let startWanted = false;
let begun = 0;

function state(name) {
  collect.dataset.state = name;
}

/** The album's name, if the user gives none: that of the dropped folder. */
function nameFrom(photos) {
  const [folder, ...rest] = photos[0].name.split("/");
  return rest.length ? folder : say("upload.album");
}

async function openJob(photos) {
  if (uploader) return;
  if (!nameField.value.trim()) nameField.value = nameFrom(photos);
  const made = await post("/api/jobs", {
    kind: "album",
    name: nameField.value.trim(),
    options: options.read(),
    key: jobKey,
  });
  adopt(made.id);
  history.replaceState(null, "", `/batch?job=${made.id}`);
}

function adopt(id) {
  begun = performance.now();
  uploader = new Uploader(id, {
    sent: (_photo, item) => {
      here += 1;
      find("#thumbs").append(new Cell(id, item, "span").element);
      progress();
    },
    refused: (photo, message) => refuse(photo.name, message),
    waiting: (message) => {
      find("#upload-waiting").hidden = message === null;
      find("#upload-waiting").textContent = say("upload.waiting");
    },
    progress,
  });
}

let opening = null;

async function take(found) {
  const hidden = /(^|\/)(\.|Thumbs\.db$|desktop\.ini$|__MACOSX\/)/i;
  const visible = found.filter(({ name }) => !hidden.test(name));
  const photos = visible.filter(({ file }) => !refusal(file));
  if (photos.length) state("collecting");
  for (const { file, name } of visible) {
    const why = refusal(file);
    if (why) refuse(name, why);
  }
  if (!photos.length) {
    if (visible.length && !uploader) toast(`${visible[0].name}: ${refusal(visible[0].file)}`, "bad");
    return;
  }
  try {
    opening ??= openJob(photos);
    await opening;
  } catch (error) {
    opening = null;
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "bad");
    if (!uploader) state("empty");
    return;
  }
  uploader.add(photos);
  progress();
}

let refused = 0;

function refuse(name, message) {
  refused += 1;
  find("#refused").hidden = false;
  find("#refused-title").textContent = count("refused", refused);
  const text = message.includes(name.split("/").pop()) ? message : `${name}: ${message}`;
  find("#refused-list").append(make("li", {}, text));
}

function progress() {
  const total = here + (uploader ? uploader.total - uploader.sent - uploader.refused : 0);
  const done = !uploader || uploader.finished;
  find("#upload-bar").value = total ? here / total : 0;
  find("#upload-words").textContent = done
    ? count("upload.all", here)
    : say("upload.going", { done: here, total });
  const seconds = (performance.now() - begun) / 1000;
  const speed = uploader && !done && seconds > 2 ? uploader.bytes / seconds : 0;
  find("#upload-speed").textContent = speed ? say("upload.speed", { speed: bytes(speed) }) : "";
  title(done ? null : `${here}/${total}`);
  collect.classList.toggle("sending", !done);
  if (done && !here) startWanted = false;
  startButton.disabled = total === 0 || startWanted;
  const label = startWanted ? say("start.when") : total ? count("start.n", total) : say("start");
  find("span", startButton).textContent = label;
  find("#start-hint").hidden = done;
  if (done && startWanted && here) start();
}

async function start() {
  const id = uploader.job;
  try {
    await post(`${jobPath(id)}/start`, {
      name: nameField.value.trim() || say("upload.album"),
      options: options.read(),
    });
    startWanted = "now";
    location.assign(`/jobs/${id}`);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    startWanted = false;
    toast(error.message, "bad");
    progress();
  }
}

/** Go on with an album that was left while it was being collected. */
async function goOn(id) {
  try {
    const job = await get(jobPath(id));
    adopt(id);
    opening = Promise.resolve();
    uploader.remember(job.items.map((item) => item.key).filter(Boolean));
    here = job.items.length;
    state(here ? "collecting" : "empty");
    progress();
    if (here) find("#upload-words").textContent = say("upload.resumed", { n: here });
    const cells = job.items.map((item) => new Cell(id, item, "span").element);
    await addSlowly(find("#thumbs"), cells);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "bad");
  }
}

for (const input of [find("#pick"), find("#pick-folder")]) {
  input.addEventListener("change", () => {
    take(chosen(input));
    input.value = "";
  });
}
startButton.addEventListener("click", () => {
  permit();
  startWanted = true;
  progress();
});
addEventListener("beforeunload", (event) => {
  if (uploader && !uploader.finished && startWanted !== "now") event.preventDefault();
});
receive(take);
if (collect.dataset.job) goOn(collect.dataset.job);
