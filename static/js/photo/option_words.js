// Settings in words, as the form of options calls them.

/** @import { Options } from "../shared/types.d.ts" */
/** @import { Field } from "../widgets/options_form.js" */

import { find } from "../shared/dom.js";
import { say } from "../shared/words.js";

/** @param {HTMLFormElement} form @param {Partial<Options>} options */
export const inWords = (form, options) =>
  Object.entries(options)
    .map(([name, value]) => wordsFor(form.elements.namedItem(name), value))
    .join(", ");

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
