// What can be said of a photo's result without looking at it.

/** @import { Item } from "./types.d.ts" */

import { ItemState } from "../states.js";

/**
 * Whether the result, while the photo is restored again the one so far, is another picture than it.
 * @param {Item} item
 */
export function isNewPicture({ state, result, report }) {
  const ended = (result && report?.state) || state;
  return ended === ItemState.DONE || (ended === ItemState.NO_FACE && report?.unchanged === false);
}
