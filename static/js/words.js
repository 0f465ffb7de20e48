// What the scripts say, in the page's language, with its numbers, sizes and times.

const words = JSON.parse(document.getElementById("words").textContent);
const language = document.documentElement.lang;
const number = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
const whole = new Intl.NumberFormat(language, { maximumFractionDigits: 0 });
const clock = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" });

/** A sentence; {name} is replaced by values.name. */
export function say(key, values = {}) {
  const text = words[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (_, name) => {
    const value = values[name];
    return typeof value === "number" ? number.format(value) : String(value ?? "");
  });
}

export const has = (key) => key in words;

/** A sentence that counts: key.one or key.other. */
export const count = (key, n) => say(`${key}.${n === 1 ? "one" : "other"}`, { n });

export function bytes(size) {
  const units = ["B", "kB", "MB", "GB", "TB"];
  let power = 0;
  while (size >= 1000 && power < units.length - 1) {
    size /= 1000;
    power += 1;
  }
  return `${(size < 10 && power > 1 ? number : whole).format(size)} ${units[power]}`;
}

export function duration(seconds) {
  if (seconds < 10) return say("time.seconds", { n: seconds < 0.1 ? 0.1 : seconds });
  if (seconds < 90) return say("time.seconds", { n: Math.round(seconds) });
  if (seconds < 5400) return say("time.minutes", { n: Math.round(seconds / 60) });
  const minutes = Math.round(seconds / 60);
  return say("time.hours", { h: Math.floor(minutes / 60), m: minutes % 60 });
}

export const date = (seconds) => clock.format(new Date(seconds * 1000));

/** The settings of a job in a few words. */
export function settings(options) {
  const touched = ["denoise", "sharpen", "contrast", "brightness", "enhance_detail"];
  const parts = [say("settings.strength", { n: options.strength }), say(`mode.${options.mode}`)];
  if (touched.some((name) => options[name])) parts.push(say("settings.touched"));
  if (options.format !== "same") parts.push(options.format.toUpperCase());
  return parts.join(" · ");
}
