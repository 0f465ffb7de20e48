// Photos from wherever the user gives them: file dialogs, drops of files and folders, the clipboard.

/** @import { ChosenFile, FoundFile } from "./types.d.ts" */

import { bytes, say } from "./words.js";

const { maxFileMb, photoTypes = "" } = document.documentElement.dataset;
const LARGEST = Number(maxFileMb) * 1e6; // bytes
const SIDECAR = /\.xmp$/i; // captions and ratings, kept beside photos
const TYPES = new Set(photoTypes.split(",")); // media types and suffixes of the server's formats

const HIDDEN = /(^|\/)(\.|Thumbs\.db$|desktop\.ini$|__MACOSX\/)/i;

/** Why a file is not even sent, in words, or null. @param {File | null} file */
export function refusal(file) {
  if (!file) return say("refused.unreadable");
  const [suffix] = file.name.toLowerCase().match(/\.[^.]*$/) ?? [""];
  if (!TYPES.has(file.type) && !TYPES.has(suffix)) {
    return say(file.type.startsWith("image/") ? "refused.format" : "refused.type");
  }
  if (file.size > LARGEST) return say("refused.large", { limit: bytes(LARGEST) });
  return null;
}

/** Whether it is one of the user's files, and not one of the system's. @param {FoundFile} found */
export const isVisible = ({ name }) => !HIDDEN.test(name);

/** An album's name, if the user gives none: that of the dropped folder. @param {ChosenFile[]} photos */
export function albumName(photos) {
  const [folder, ...rest] = photos[0].name.split("/");
  return rest.length ? folder : say("upload.album");
}

/** Whether this is a photo to send. @param {FoundFile} found @returns {found is ChosenFile} */
export function isWanted(found) {
  return refusal(found.file) === null;
}

/**
 * Give XMP files to the photos that they lie beside: IMG.xmp and IMG.jpg.xmp to IMG.jpg.
 * @param {FoundFile[]} found
 * @returns {FoundFile[]} without those XMP files
 */
export function withSidecars(found) {
  const beside = found.filter(({ name }) => SIDECAR.test(name));
  if (!beside.length) return found;
  /** @type {Map<string, File[]>} */
  const byName = new Map();
  for (const { file, name } of beside) {
    const of = name.replace(SIDECAR, "");
    if (file) byName.set(of, [...(byName.get(of) ?? []), file]);
  }
  const used = new Set();
  const photos = found
    .filter((file) => !beside.includes(file))
    .map((photo) => {
      const names = [photo.name, photo.name.replace(/\.[^./]*$/, "")];
      const sidecars = [...new Set(names)].flatMap((name) => byName.get(name) ?? []);
      for (const sidecar of sidecars) used.add(sidecar);
      return sidecars.length ? { ...photo, sidecars } : photo;
    });
  return [...photos, ...beside.filter(({ file }) => !used.has(file))];
}

export class PhotoIntake {
  #depth = 0; // of elements that a drag has entered and not left

  /**
   * Take the files of these inputs, whatever is dropped on the page, and what is pasted.
   * @param {HTMLInputElement[]} inputs
   * @param {(found: FoundFile[]) => void} take
   */
  constructor(inputs, take) {
    this.take = take;
    document.documentElement.classList.add("takes-photos");
    for (const input of inputs) input.addEventListener("change", () => this.#choose(input));
    addEventListener("dragenter", (event) => carriesFiles(event) && this.#mark(this.#depth + 1));
    addEventListener("dragleave", () => this.#mark(Math.max(0, this.#depth - 1)));
    addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
    addEventListener("drop", (event) => this.#drop(event));
    addEventListener("paste", (event) => this.#paste(event));
  }

  /** @param {number} depth */
  #mark(depth) {
    this.#depth = depth;
    document.documentElement.classList.toggle("dragging", depth > 0);
  }

  /** @param {HTMLInputElement} input */
  #choose(input) {
    const files = [...(input.files ?? [])];
    input.value = ""; // so that the same file can be chosen again
    const found = files.map((file) => ({ file, name: file.webkitRelativePath || file.name }));
    if (input.webkitdirectory) found.sort((a, b) => byName(a.name, b.name));
    this.take(withSidecars(found));
  }

  /** @param {DragEvent} event */
  async #drop(event) {
    this.#mark(0);
    if (!event.dataTransfer || !carriesFiles(event)) return;
    event.preventDefault();
    this.take(withSidecars(await readDrop(event.dataTransfer)));
  }

  /** @param {ClipboardEvent} event */
  #paste(event) {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    this.take(files.map((file) => ({ file, name: file.name })));
  }
}

/** In the order of names, 2 before 10. @param {string} a @param {string} b */
const byName = (a, b) => a.localeCompare(b, undefined, { numeric: true });

/** Whether something dragged over the page has files in it. @param {DragEvent} event */
const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/**
 * Files of a drop with their paths, folders read to the bottom.
 * @param {DataTransfer} transfer
 * @returns {Promise<FoundFile[]>}
 */
async function readDrop(transfer) {
  // Entries must be taken before the first await: afterwards the drop is forgotten.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  const known = entries.filter((entry) => entry !== null);
  if (!known.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  /** @type {FoundFile[]} */
  const found = [];
  for (const entry of known) await walk(entry, found);
  return found;
}

/** @param {FileSystemEntry} entry @param {FoundFile[]} found */
async function walk(entry, found) {
  if (isFile(entry)) {
    // A file that the browser may not read is in the list without its content.
    /** @type {File | null} */
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    found.push({ file, name: entry.fullPath.replace(/^\/+/, "") });
  } else if (isFolder(entry)) {
    for (const child of await entriesOf(entry)) await walk(child, found);
  }
}

/** @param {FileSystemEntry} entry @returns {entry is FileSystemFileEntry} */
function isFile(entry) {
  return entry.isFile;
}

/** @param {FileSystemEntry} entry @returns {entry is FileSystemDirectoryEntry} */
function isFolder(entry) {
  return entry.isDirectory;
}

/** What is in a folder, by name. @param {FileSystemDirectoryEntry} folder */
async function entriesOf(folder) {
  const reader = folder.createReader();
  /** @type {FileSystemEntry[]} */
  const inside = [];
  for (;;) {
    /** @type {FileSystemEntry[]} */
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    inside.push(...some);
  }
  return inside.sort((a, b) => byName(a.name, b.name));
}
