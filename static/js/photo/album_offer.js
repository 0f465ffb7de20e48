// Several photos on the page for one: they become an album, if the user wants that.

/** @import { FoundFile, Options } from "../shared/types.d.ts" */

import { address, attempt, post } from "../shared/api.js";
import { ask, find, newKey, toastError } from "../shared/dom.js";
import { albumName, isWanted, refusal } from "../shared/files.js";
import { Uploader } from "../shared/uploader.js";
import { say } from "../shared/words.js";
import { RefusedList } from "../widgets/refused_list.js";
import { UploadProgress } from "../widgets/upload_progress.js";

/**
 * Ask whether these files are to be an album; if so, send them and open its page.
 * @param {FoundFile[]} files two photos or more among them
 * @param {Options} options
 * @returns {Promise<boolean>} whether the user wants an album
 */
export async function offerAlbum(files, options) {
  const question = find("#album-ask", document, HTMLDialogElement);
  find("h2", question).textContent = say("album.offer", { n: files.filter(isWanted).length });
  if (!(await ask(question))) return false;
  await attempt(() => makeAlbum(files, options), toastError);
  return true;
}

/** @param {FoundFile[]} files @param {Options} options */
async function makeAlbum(files, options) {
  const photos = files.filter(isWanted);
  const asked = { kind: "album", name: albumName(photos), options, key: newKey() };
  const { id } = await post("/api/jobs", asked);
  const dialog = find("#album-send", document, HTMLDialogElement);
  dialog.addEventListener("cancel", (event) => event.preventDefault()); // Escape loses nothing
  const refused = new RefusedList(find("#refused", dialog));
  for (const { file, name } of files) {
    const why = refusal(file);
    if (why) refused.add(name, why);
  }
  const progress = new UploadProgress(dialog);
  const open = find("#album-open", dialog, HTMLAnchorElement);
  open.href = address(`/batch?job=${id}`);
  let here = 0;
  const uploader = new Uploader(id, {
    sent: () => (here += 1),
    refused: ({ name }, message) => refused.add(name, message),
    waiting: (isWaiting) => progress.setWaiting(isWaiting),
    progress: () => {
      progress.show(here, here + uploader.left, uploader.speed, uploader.finished);
      open.hidden = !uploader.finished;
      if (uploader.finished && refused.element.hidden) location.assign(open.href);
    },
  });
  dialog.showModal();
  uploader.add(photos);
}
