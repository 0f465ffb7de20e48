// The settings of a job, in words.

/** @import { Options } from "./types.d.ts" */

import { has, isTouched, say } from "./words.js";

/** The settings of a job in a few words. @param {Options} options */
export function settings(options) {
  const look = [say("settings.strength", { n: options.strength }), say(`mode.${options.mode}`)];
  const parts = options.preset === "auto" ? [say("settings.auto")] : look;
  if (Number(options.rotate)) parts.push(say("settings.rotate", { n: Number(options.rotate) }));
  if (options.crop) parts.push(say("settings.crop"));
  if (options.repair === "auto" || options.mask) parts.push(say("settings.repair"));
  if (options.fade === "auto") parts.push(say("settings.fade"));
  if (isTouched(options)) parts.push(say("settings.touched"));
  if (options.enlarge === "auto") parts.push(say("settings.enlarge.auto"));
  else if (Number(options.enlarge) > 1) parts.push(say("enlarged", { n: options.enlarge }));
  const background = `background.${options.background}`;
  if (has(background)) parts.push(say(background));
  if (options.enlarge_model) parts.push(String(options.enlarge_model));
  if (options.format !== "same") parts.push(options.format.toUpperCase());
  return parts.join(" · ");
}
