// What can be said of a photo's result without looking at it.

/** @import { Item } from "./types.d.ts" */

import { ItemState } from "../states.js";

/** Whether the result is another picture than the photo. @param {Item} item */
export function isNewPicture({ state, report }) {
  return state === ItemState.DONE || (state === ItemState.NO_FACE && report?.unchanged === false);
}
