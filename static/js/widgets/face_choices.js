// What the user chooses for single faces, and the options that say so.

/** @import { Face, Options } from "../shared/types.d.ts" */

/**
 * strength: null as for the photo; mode: empty likewise.
 * @typedef {{isOn: boolean, strength: number | null, mode: string}} Choice
 */

/** The options with nothing chosen for any face; faces that were added stay. */
export const NONE = { faces: "", not_faces: "", face_strength: "", face_mode: "", face_boxes: "" };

/** What was chosen for a face. @param {Face} face @param {Options} options @returns {Choice} */
export function choiceOf({ number, strength, restored, reason }, options) {
  const own = valuesOf(options.face_strength).get(number);
  const isOff = numbersOf(options.not_faces).includes(number) || own === "0";
  const isLeftOut = options.faces !== "" && !numbersOf(options.faces).includes(number);
  return {
    isOn: restored || (reason !== null && !isOff && !isLeftOut),
    strength: own === undefined || own === "0" ? null : (strength ?? Number(own)),
    mode: valuesOf(options.face_mode).get(number) ?? "",
  };
}

/**
 * The options that say what was chosen, and where the faces are that they name.
 * @param {Face[]} faces
 * @param {Map<number, Choice>} choices by the faces' numbers
 */
export function choicesAsOptions(faces, choices) {
  const all = [...choices];
  const off = all.filter(([, { isOn }]) => !isOn);
  const on = all.filter(([, { isOn }]) => isOn);
  const own = on.filter(([, { strength }]) => strength !== null);
  const modes = on.filter(([, { mode }]) => mode);
  const named = new Set([...off, ...own, ...modes].map(([number]) => number));
  const boxes = faces.filter(({ number }) => named.has(number));
  return {
    faces: "",
    not_faces: off.map(([number]) => number).join(","),
    face_strength: own.map(([number, { strength }]) => `${number}=${strength}`).join(","),
    face_mode: modes.map(([number, { mode }]) => `${number}=${mode}`).join(","),
    face_boxes: boxes.map(({ number, box }) => `${number}=${box.join(",")}`).join(";"),
  };
}

/**
 * The faces and choices once a face that was added is taken out: those behind it move up.
 * @param {Face} face @param {Face[]} faces @param {Map<number, Choice>} choices
 */
export function withoutFace({ number, found_by }, faces, choices) {
  if (found_by === "detector") return { faces, choices }; // it is there without its box
  const moved = (/** @type {number} */ n) => (n > number ? n - 1 : n);
  const others = faces.filter((face) => face.number !== number);
  return {
    faces: others.map((face) => ({ ...face, number: moved(face.number) })),
    choices: new Map(
      [...choices].filter(([n]) => n !== number).map(([n, choice]) => [moved(n), choice]),
    ),
  };
}

/** The boxes that were drawn, as texts. @param {Partial<Options>} options */
export const drawnBoxes = (options) =>
  String(options.add_face ?? "")
    .split(";")
    .filter(Boolean);

/** @param {unknown} text @returns {Map<number, string>} */
const valuesOf = (text) =>
  new Map(
    String(text ?? "")
      .split(",")
      .filter(Boolean)
      .map((part) => part.split("="))
      .map(([number, value]) => [Number(number), value]),
  );

/** @param {unknown} text */
const numbersOf = (text) =>
  String(text ?? "")
    .split(",")
    .map(Number);
