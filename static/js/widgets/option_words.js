// Settings in words, as the form of options calls them.

/** @import { Options } from "../shared/types.d.ts" */
/** @import { Field } from "./options_form.js" */

import { find } from "../shared/dom.js";
import { say } from "../shared/words.js";

/** @param {HTMLFormElement} form @param {Partial<Options>} options */
export const inWords = (form, options) =>
  Object.entries(options)
    .map(([name, value]) => wordsFor(form.elements.namedItem(name), value))
    .join(", ");

/**
 * What a photo has of its own; what the form has no field for is called what it is.
 * @param {HTMLFormElement} form @param {Partial<Options>} own
 */
export function settingsInWords(form, own) {
  const { preset, rotate, crop, ...others } = own;
  const words = [];
  if (preset === "auto") words.push(say("settings.auto"));
  const known = Object.entries(others).filter(([name]) => form.elements.namedItem(name));
  if (preset !== "auto") words.push(inWords(form, Object.fromEntries(known)));
  if (rotate !== undefined) words.push(say("settings.rotate", { n: Number(rotate) }));
  if (crop) words.push(say("settings.crop"));
  return words.filter(Boolean).join(", ");
}

/** @param {Element | RadioNodeList | null} field @param {unknown} value */
function wordsFor(field, value) {
  if (field instanceof RadioNodeList) {
    const chosen = [...field].find((radio) => "value" in radio && radio.value === value);
    return find("b", chosen?.parentElement ?? document).textContent ?? "";
  }
  const element = /** @type {Field} */ (field);
  const label = element.labels?.[0]?.textContent?.trim() ?? element.name;
  if (element instanceof HTMLSelectElement) {
    const option = [...element.options].find((each) => each.value === value);
    return `${label}: ${option?.text ?? value}`;
  }
  if (element.type !== "checkbox") return `${label} ${value}`;
  return value ? label : say("option.off", { label });
}
