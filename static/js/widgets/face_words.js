// How large and how blurred a face is and was, in words.

/** @import { Face } from "../shared/types.d.ts" */

import { say } from "../shared/words.js";

// Widths in pixels of the photo, and blurs in percent of the face's width, up to which a face is so.
const SMALL = 40;
/** @type {[most: number, key: string][]} */
const BLURS = [
  [1, "blur.sharp"],
  [1.6, "blur.soft"],
  [3.2, "blur.blurred"],
  [Infinity, "blur.very"],
];
const [VERY_SMALL, VERY_BLURRED] = [32, 2.5]; // too much for a small model
const BLURRED = 2; // from which on what is sharp is not known from the photo

/** @param {Face} face */
export function faceWords(face) {
  const size = say("face.width", { n: Math.round(widthOf(face)) });
  if (!face.blur) return size;
  const { before, after } = face.blur;
  const words = say("face.blur", {
    size,
    before: say(blurKey(before)),
    after: say(blurKey(after)),
  });
  return isInvented(face) ? `${words} ${say(inventedKey(face))}` : words;
}

/** Whether much of a restored face was not in the photo. @param {Face} face */
const isInvented = (face) =>
  Boolean(face.blur) && ((face.blur?.before ?? 0) > BLURRED || widthOf(face) < SMALL);

/** Whether a restored face asks for more than a small model knows. @param {Face} face */
export const isTooMuch = (face) =>
  Boolean(face.blur) && ((face.blur?.before ?? 0) > VERY_BLURRED || widthOf(face) < VERY_SMALL);

/** @param {Face} face */
function inventedKey(face) {
  const isBlurred = (face.blur?.before ?? 0) > BLURRED;
  if (widthOf(face) >= SMALL) return "invented.blurred";
  return isBlurred ? "invented.both" : "invented.small";
}

/** @param {number} blur */
const blurKey = (blur) => BLURS.find(([most]) => blur <= most)?.[1] ?? "";

/** @param {Face} face */
const widthOf = ({ box: [left, , right] }) => right - left;
