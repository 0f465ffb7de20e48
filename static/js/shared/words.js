// What the scripts say, in the page's language, with its numbers, sizes and times.

/** @import { Download, Options } from "./types.d.ts" */

/** @type {Record<string, string>} */
const words = JSON.parse(document.getElementById("words")?.textContent ?? "{}");
/** Options by name: finishing touches that are off unless asked for. @type {string[]} */
const touches = JSON.parse(document.getElementById("touches")?.textContent ?? "[]");
const language = document.documentElement.lang;
const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** A sentence; {name} is replaced by values.name. @param {string} key */
export function say(key, /** @type {Record<string, unknown>} */ values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, /** @type {string} */ name) => {
    const value = values[name];
    return typeof value === "number" ? number.format(value) : String(value ?? "");
  });
}

/** @param {string} key */
export const has = (key) => key in words;

/** A sentence that counts: key.one or key.other. @param {string} key @param {number} n */
export const count = (key, n) => say(`${key}.${n === 1 ? "one" : "other"}`, { n });

/** @param {number} size in bytes */
export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (size >= 1000 && power < units.length - 1) {
    size /= 1000;
    power += 1;
  }
  return `${(size < 10 && power > 1 ? number : whole).format(size)} ${units[power]}`;
}

/** How much of a model has come. @param {Download} download */
export function downloaded({ done, total }) {
  if (total && done >= total) return say("model.checking");
  return say("model.getting", { done: bytes(done), total: total ? bytes(total) : "?" });
}

/** @param {number} seconds */
export function duration(seconds) {
  if (seconds < 10) return say("time.seconds", { n: seconds < 0.1 ? 0.1 : seconds });
  if (seconds < 90) return say("time.seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return say("time.minutes", { n: Math.round(seconds / 60) });
  const minutes = Math.round(seconds / 60);
  return say("time.hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
}

/** @param {number} seconds since 1970 */
export const date = (seconds) => clock.format(new Date(seconds * 1000));

/** Whether a finishing touch is on. @param {Options} options */
export const isTouched = (options) => touches.some((name) => options[name]);
