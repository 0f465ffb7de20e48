// What can be said of a photo's result without looking at it.

/** @import { Item, Options } from "./types.d.ts" */

import { ItemState } from "../states.js";

/**
 * Whether the result, while the photo is restored again the one so far, is another picture than it.
 * @param {Item} item
 */
export function isNewPicture({ state, result, report }) {
  const ended = (result && report?.state) || state;
  return ended === ItemState.DONE || (ended === ItemState.NO_FACE && report?.unchanged === false);
}

/** Whether faces were found, restored or left alone. @param {Item} item */
export const hasFaces = (item) => (item.report?.faces ?? []).length > 0;

/** Which part of a photo is restored, and which way round. @param {Options} options */
export const frameOf = ({ rotate, crop }) => `${rotate ?? "0"} ${crop ?? ""}`;
