// Where the faces of a report lie in what is shown.

/** @import { Face } from "./types.d.ts" */

/** A face's box in the photo as it is shown, which may be turned. @param {Face} face */
export const shownBox = (face) => face.upright_box ?? face.box;
