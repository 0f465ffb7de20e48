// The result for elsewhere: copied, given to another app, or beside the photo as it was in one
// picture.

/** @import { Job } from "../shared/types.d.ts" */

import { picture } from "../shared/api.js";
import { find, findAll, make, toast } from "../shared/dom.js";
import { say } from "../shared/words.js";

const MOST_PIXELS = 16e6; // of both in one: more than that not every browser draws
const GAP = 0.01; // between them, of their longer side
const LABEL = 0.035; // the height of the words on them, of their shorter side
const QUALITY = 0.92;

export class PictureExport {
  /**
   * @param {HTMLElement} root
   * @param {() => Job | null} job whose result is shown
   */
  constructor(root, job) {
    this.job = job;
    const copy = find("#copy-picture", root);
    copy.hidden = !(window.isSecureContext && "ClipboardItem" in window);
    copy.addEventListener("click", () => this.#try("copy.failed", copyPicture));
    const share = find("#share-picture", root);
    const example = new File([], "example.jpg", { type: "image/jpeg" });
    share.hidden = !navigator.canShare?.({ files: [example] });
    share.addEventListener("click", () => this.#try("share.failed", sharePicture));
    find("#both-pictures", root).addEventListener("click", () =>
      this.#try("both.failed", saveBoth),
    );
  }

  /** @param {string} failed its words @param {(job: Job) => Promise<void>} how */
  async #try(failed, how) {
    const job = this.job();
    if (!job) return;
    try {
      await how(job);
    } catch (error) {
      const isGivenUp = error instanceof DOMException && error.name === "AbortError";
      if (!isGivenUp) toast(say(failed), "bad");
    }
  }
}

/** @param {Job} job */
async function copyPicture({ id }) {
  const png = asPng(picture(id, 0, "after"));
  await navigator.clipboard.write([new ClipboardItem({ "image/png": png })]);
  toast(say("copy.done"), "good");
}

/** A picture as PNG, the one kind that every clipboard takes. @param {string} url */
async function asPng(url) {
  const answer = await fetch(url);
  const bitmap = await createImageBitmap(await answer.blob());
  const canvas = make("canvas", { width: bitmap.width, height: bitmap.height });
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0);
  return await blobOf(canvas, "image/png");
}

/** Let the user choose an app that takes the result's file. @param {Job} job */
async function sharePicture({ id }) {
  const answer = await fetch(picture(id, 0, "after", "?download=1"));
  if (!answer.ok) throw new Error(answer.statusText);
  const told = answer.headers.get("Content-Disposition") ?? "";
  const [, coded] = told.match(/filename\*=UTF-8''([^;]+)/i) ?? [];
  const [, plain] = told.match(/filename="?([^";]+)/i) ?? [];
  const name = coded ? decodeURIComponent(coded) : (plain ?? "restored");
  const file = new File([await answer.blob()], name, {
    type: answer.headers.get("Content-Type") ?? "",
  });
  await navigator.share({ files: [file] });
}

/** Before and after in one JPEG, beside each other, or of wide photos one above the other. @param {Job} job */
async function saveBoth({ id, name }) {
  const [before, after] = await Promise.all([
    loaded(picture(id, 0, "before")),
    loaded(picture(id, 0, "after")),
  ]);
  const { naturalWidth, naturalHeight } = after;
  const scale = Math.min(1, Math.sqrt(MOST_PIXELS / (2 * naturalWidth * naturalHeight)));
  const width = Math.round(naturalWidth * scale);
  const height = Math.round(naturalHeight * scale);
  const gap = Math.round(GAP * Math.max(width, height));
  const isBeside = width <= height * 1.25;
  const canvas = make("canvas", {
    width: isBeside ? 2 * width + gap : width,
    height: isBeside ? height : 2 * height + gap,
  });
  const pen = canvas.getContext("2d");
  if (!pen) throw new Error("no canvas");
  pen.imageSmoothingQuality = "high";
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  const words = findAll(".viewer .tag").map((tag) => tag.dataset.words ?? "");
  [before, after].forEach((image, i) => {
    const x = isBeside ? i * (width + gap) : 0;
    const y = isBeside ? 0 : i * (height + gap);
    pen.drawImage(image, x, y, width, height);
    writeLabel(pen, words[i], x, y, Math.max(11, LABEL * Math.min(width, height)));
  });
  const link = make("a", {
    href: URL.createObjectURL(await blobOf(canvas, "image/jpeg")),
    download: `${(name.split("/").pop() ?? "").replace(/\.[^.]*$/, "")}-before-after.jpg`,
  });
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

/**
 * @param {CanvasRenderingContext2D} pen @param {string} words
 * @param {number} x @param {number} y @param {number} size of the letters, pixels
 */
function writeLabel(pen, words, x, y, size) {
  pen.font = `600 ${size}px system-ui, sans-serif`;
  pen.textBaseline = "middle";
  const [edge, high] = [size * 0.6, size * 1.7];
  pen.fillStyle = "#0009";
  pen.beginPath();
  pen.roundRect(x + edge, y + edge, pen.measureText(words).width + 2 * edge, high, high / 2);
  pen.fill();
  pen.fillStyle = "#fff";
  pen.fillText(words, x + 2 * edge, y + edge + high / 2);
}

/** @param {string} url */
async function loaded(url) {
  const image = make("img", { src: url });
  await image.decode();
  return image;
}

/** @param {HTMLCanvasElement} canvas @param {string} type @returns {Promise<Blob>} */
const blobOf = (canvas, type) =>
  new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error(type))), type, QUALITY),
  );
