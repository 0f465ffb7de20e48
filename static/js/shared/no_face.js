// What is said of a photo in which no face was restored.

/** @import { Item } from "./types.d.ts" */

import { hasFaces, isNewPicture } from "./results.js";
import { say } from "./words.js";

/** Options that change faces alone, with their defaults. @type {[string, unknown][]} */
const FOR_FACES = [
  ["strength", 70],
  ["mode", "natural"],
  ["protect_skin", true],
];

/** @param {Item} item */
export const noFaceTitle = (item) => say(hasFaces(item) ? "faces.none" : "no_face.title");

/** What became of such a photo, and of settings for faces. @param {Item} item */
export function noFaceWords(item) {
  const isForFaces = FOR_FACES.some(([name, usual]) => item.report?.options[name] !== usual);
  return [whyNoFace(item), ...(isForFaces ? [say("no_face.settings")] : [])];
}

/** @param {Item} item */
function whyNoFace(item) {
  if (isNewPicture(item)) return say("no_face.worked_on");
  const options = item.report?.options;
  const isChosen = options?.faces || options?.not_faces || options?.face_strength;
  if (hasFaces(item) && isChosen) return say("no_face.off");
  return hasFaces(item) ? say("no_face.left", { n: options?.min_face }) : say("no_face.words");
}
