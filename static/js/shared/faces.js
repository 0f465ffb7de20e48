// Where the faces of a report lie in what is shown.

/** @import { Face } from "./types.d.ts" */

/** A face's box in the photo as it is shown, which may be turned. @param {Face} face */
export const shownBox = (face) => face.upright_box ?? face.box;

/**
 * A box of the photo as it is shown, in the photo as it was.
 * @param {Face["box"]} box
 * @param {number} turn by how many degrees it was turned clockwise: 0, 90, 180 or 270
 * @param {{width: number, height: number}} size of the photo as it is shown
 * @returns {Face["box"]}
 */
export function boxTurnedBack([left, top, right, bottom], turn, { width, height }) {
  if (!turn) return [left, top, right, bottom];
  /** @type {Face["box"]} */
  const once = [height - bottom, left, height - top, right]; // clockwise by a quarter
  return boxTurnedBack(once, (turn + 90) % 360, { width: height, height: width });
}
