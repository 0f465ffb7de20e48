// Photos from wherever the user gives them: file dialogs, drops of files and folders, the clipboard.

import { bytes, say } from "./words.js";

const PHOTO = /\.(jpe?g|jfif|png|webp|bmp|gif|tiff?|heic|heif|avif)$/i;

const LARGEST = Number(document.documentElement.dataset.maxFileMb) * 1e6; // bytes

/** Why a file is not even sent, in words, or null; file is null where it cannot be read. */
export function refusal(file) {
  if (!file) return say("refused.unreadable");
  if (!file.type.startsWith("image/") && !PHOTO.test(file.name)) return say("refused.type");
  if (file.size > LARGEST) return say("refused.large", { limit: bytes(LARGEST) });
  return null;
}

/** Whether something dragged over the page has files in it. */
export const carriesFiles = (event) => [...(event.dataTransfer?.types ?? [])].includes("Files");

/** Files of a dialog with their paths: [{file, name}]. */
export const chosen = (input) =>
  [...input.files].map((file) => ({ file, name: file.webkitRelativePath || file.name }));

/** Files of a drop with their paths, folders read to the bottom: [{file, name}]. */
export async function dropped(transfer) {
  // Entries must be taken before the first await: afterwards the drop is forgotten.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
  const found = [];
  for (const entry of entries) await walk(entry, found);
  return found;
}

async function walk(entry, found) {
  const name = entry.fullPath.replace(/^\/+/, "");
  if (entry.isFile) {
    // A file that the browser may not read is in the list without its content.
    const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
    found.push({ file, name });
    return;
  }
  const reader = entry.createReader();
  const inside = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    inside.push(...some);
  }
  inside.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }));
  for (const child of inside) await walk(child, found);
}

/** Make an element take drops anywhere on the page, and pastes; take(list) gets {file, name}. */
export function receive(take) {
  let depth = 0;
  const mark = (on) => document.documentElement.classList.toggle("dragging", on);
  addEventListener("dragenter", (event) => {
    if (!carriesFiles(event)) return;
    depth += 1;
    mark(true);
  });
  addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) mark(false);
  });
  addEventListener("dragover", (event) => {
    if (carriesFiles(event)) event.preventDefault();
  });
  addEventListener("drop", async (event) => {
    depth = 0;
    mark(false);
    if (!carriesFiles(event)) return;
    event.preventDefault();
    take(await dropped(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (!files.length) return;
    event.preventDefault();
    take(files.map((file) => ({ file, name: file.name })));
  });
}
