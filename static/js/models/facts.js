// What the engine does now, and the settings of this server, as lists of facts.

/** @import { ModelsAnswer } from "../shared/types.d.ts" */

import { make } from "../shared/dom.js";
import { bytes, has, say } from "../shared/words.js";

const SHOWN = [
  "outputs",
  "models",
  "album_roots",
  "device",
  "precision",
  "workers",
  "max_photo_seconds",
  "max_megapixels",
  "max_file_mb",
  "max_request_mb",
  "max_store_gb",
];
const PATHS = ["outputs", "models"];

/** @type {Record<string, (n: number) => string>} */
const LIMITS = {
  max_photo_seconds: (n) => say("time.seconds", { n }),
  max_megapixels: (n) => `${n} MP`,
  max_file_mb: (n) => bytes(n * 1e6),
  max_request_mb: (n) => bytes(n * 1e6),
  max_store_gb: (n) => bytes(n * 1e9),
};

/** @param {HTMLElement} list @param {ModelsAnswer} all */
export function drawEngineFacts(list, { engine, last_speed: speed }) {
  const rounded = speed && Math.round(speed * 100) / 100;
  const rows = [
    fact(say("fact.model"), engine.model ?? "–"),
    fact(say("fact.state"), say(`engine.state.${engine.state}`)),
  ];
  if (engine.message) rows.push(fact(say("fact.engine"), engine.message));
  rows.push(
    fact(say("fact.workers"), String(engine.workers ?? "–")),
    fact(
      say("fact.speed"),
      rounded ? say("fact.speed.value", { n: rounded }) : say("fact.unknown"),
    ),
  );
  list.replaceChildren(...rows);
}

/** @param {HTMLElement} list @param {Record<string, unknown>} settings */
export function drawSettings(list, settings) {
  const rows = SHOWN.filter((name) => name in settings).map((name) => {
    const words = settingInWords(name, settings[name]);
    return fact(say(`setting.${name}`), PATHS.includes(name) ? make("code", {}, words) : words);
  });
  list.replaceChildren(...rows);
}

/** @param {string} name @param {unknown} value */
function settingInWords(name, value) {
  if (Array.isArray(value)) return value.length ? value.join(", ") : say("setting.none");
  if (name in LIMITS) return value ? LIMITS[name](Number(value)) : say("setting.unlimited");
  if (name === "workers" && !value) return say("setting.auto");
  if (has(`setting.${value}`)) return say(`setting.${value}`);
  return String(value ?? "–");
}

/** @param {string} term @param {string | Node} value */
const fact = (term, value) => make("div", {}, make("dt", {}, term), make("dd", {}, value));
