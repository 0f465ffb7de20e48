// Models and settings: what is installed and in use, downloads, files of one's own.

import { ApiError, get, post, remove, upload } from "./api.js";
import { find, icon, make, toast } from "./dom.js";
import { bytes, has, say } from "./words.js";

const LIMITS = {
  max_photo_seconds: (n) => say("time.seconds", { n }),
  max_megapixels: (n) => `${n} MP`,
  max_file_mb: (n) => bytes(n * 1e6),
  max_request_mb: (n) => bytes(n * 1e6),
  max_store_gb: (n) => bytes(n * 1e9),
};
const SHOWN = "outputs models album_roots device precision workers max_photo_seconds max_megapixels max_file_mb max_request_mb max_store_gb".split(" ");
const RECONNECT_MS = 2000;

const list = find("#models");
let busy = null; // the model that is being activated
let known = null; // the latest answer of the server

const path = (name) => `/api/models/${encodeURIComponent(name)}`;

function fact(term, value, code = false) {
  return make("div", {}, make("dt", {}, term), make("dd", {}, code ? make("code", {}, value) : value));
}

function drawEngine({ engine, last_speed: speed }) {
  const rows = [
    fact(say("fact.model"), engine.model ?? "–"),
    fact(say("fact.state"), say(`engine.state.${engine.state}`)),
  ];
  if (engine.message) rows.push(fact(say("fact.engine"), engine.message));
  rows.push(fact(say("fact.workers"), String(engine.workers ?? "–")));
  const words = speed ? say("fact.speed.value", { n: Math.round(speed * 100) / 100 }) : say("fact.unknown");
  rows.push(fact(say("fact.speed"), words));
  find("#engine-facts").replaceChildren(...rows);
}

function setting(name, value) {
  if (Array.isArray(value)) return value.length ? value.join(", ") : say("setting.none");
  if (name in LIMITS) return value ? LIMITS[name](value) : say("setting.unlimited");
  if (name === "workers" && !value) return say("setting.auto");
  if (has(`setting.${value}`)) return say(`setting.${value}`);
  return String(value ?? "–");
}

function drawSettings(settings) {
  const places = ["outputs", "models"];
  const rows = SHOWN.filter((name) => name in settings).map((name) =>
    fact(say(`setting.${name}`), setting(name, settings[name]), places.includes(name)),
  );
  find("#settings").replaceChildren(...rows);
}

function modelState(model) {
  if (model.active) return "active";
  if (model.installed) return "installed";
  return model.wired ? "missing" : "unwired";
}

function downloadRow({ name, download }) {
  const { done, total } = download;
  const bar = make("progress", { "aria-label": say("model.download") });
  if (total) Object.assign(bar, { max: total, value: done });
  const checking = total && done >= total;
  const words = checking
    ? say("model.checking")
    : say("model.getting", { done: bytes(done), total: total ? bytes(total) : "?" });
  const stop = make("button", { type: "button", className: "link" }, icon("close"), say("model.stop"));
  stop.addEventListener("click", () => act(() => remove(`${path(name)}/download`)));
  return make("div", { className: "download" }, bar, make("p", { className: "muted small" }, words), stop);
}

const isGoing = ({ download }) => Boolean(download) && !["failed", "done", "cancelled"].includes(download.state);

function drawModel(model) {
  const state = modelState(model);
  const facts = [say("model.size", { n: model.size ?? "?" }), say("model.megabytes", { n: model.megabytes })];
  const purpose = say(has(`purpose.${model.name}`) ? `purpose.${model.name}` : "purpose.added");
  const buttons = [];
  if (model.installed && !model.active && model.wired && !model.problem) {
    const use = make("button", { type: "button", className: "button", disabled: busy !== null }, say("model.use"));
    use.setAttribute("aria-label", `${say("model.use")}: ${model.name}`);
    use.addEventListener("click", () => activate(model.name));
    buttons.push(use);
  }
  if (!model.installed && model.downloadable && model.wired && !isGoing(model)) {
    const fetchIt = make("button", { type: "button", className: "button" }, icon("download"), say("model.download"));
    fetchIt.setAttribute("aria-label", `${say("model.download")}: ${model.name}`);
    fetchIt.addEventListener("click", () => act(() => post(`${path(model.name)}/download`)));
    buttons.push(fetchIt);
  }
  const failed = model.download?.error && !isGoing(model);
  return make(
    "li",
    { className: "card model", data: { state } },
    make(
      "div",
      { className: "card-words" },
      make("h3", {}, model.name, " ", make("span", { className: "chip", data: { state } }, say(`model.${state}`))),
      make("p", {}, purpose),
      make("p", { className: "muted small" }, facts.join(" · ")),
      make("p", { className: "muted small" }, say("model.licence", { licence: model.licence })),
      model.problem ? make("p", { className: "note bad small" }, model.problem) : null,
      failed ? make("p", { className: "note bad small" }, say("model.failed", { message: model.download.error })) : null,
      busy === model.name ? make("p", { className: "muted small" }, say("model.switching", { name: model.name })) : null,
      isGoing(model) ? downloadRow(model) : null,
    ),
    make("div", { className: "card-buttons" }, ...buttons),
  );
}

let drawn = "";

function draw(all) {
  known = all;
  drawEngine(all);
  drawSettings(all.settings);
  if (busy && all.engine.state !== "loading") busy = null;
  const now = JSON.stringify([all.models, busy]);
  if (now !== drawn) {
    drawn = now;
    const focused = document.activeElement?.getAttribute("aria-label");
    list.replaceChildren(...all.models.map(drawModel));
    if (focused) find(`[aria-label="${CSS.escape(focused)}"]`, list)?.focus();
  }
  list.setAttribute("aria-busy", "false");
  find("#trouble").hidden = true;
}

async function refresh() {
  try {
    draw(await get("/api/models"));
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    find("#trouble").textContent = error.message;
    find("#trouble").hidden = false;
  }
}

/** The server tells whatever changes: downloads, the engine, the model in use. */
function watch() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}/ws/models`);
  socket.onmessage = (message) => {
    const news = JSON.parse(message.data);
    if (news.models && known) draw({ ...known, ...news });
  };
  socket.onclose = () =>
    setTimeout(async () => {
      await refresh();
      watch();
    }, RECONNECT_MS);
}

async function act(work) {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    toast(error.message, "bad");
  }
  await refresh();
}

async function activate(name) {
  busy = name;
  await act(async () => {
    try {
      await post(`${path(name)}/activate`);
    } catch (error) {
      busy = null;
      throw error;
    }
  });
}

find("#import").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  if (!file) return;
  const words = find("#import-words");
  const form = new FormData();
  form.append("file", file, file.name);
  words.className = "muted small";
  try {
    await upload("/api/models/import", form, (share) => {
      const n = Math.round(100 * share);
      words.textContent = say(n < 100 ? "import.sending" : "import.checking", { name: file.name, n });
    });
    words.textContent = say("import.done", { name: file.name });
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    words.className = "note bad small";
    words.textContent = error.message;
  }
  event.target.value = "";
  await refresh();
});

refresh().then(watch);
