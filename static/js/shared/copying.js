// A text of the page, copied for another program.

import { toast } from "./dom.js";
import { say } from "./words.js";

/**
 * Copy the text of an element, and say so; where the browser allows that to no page (there is no
 * HTTPS), select it instead.
 * @param {HTMLElement} element
 */
export async function copyText(element) {
  try {
    await navigator.clipboard.writeText(element.textContent ?? "");
    toast(say("copied"));
  } catch {
    getSelection()?.selectAllChildren(element);
    toast(say("copied.select"));
  }
}
