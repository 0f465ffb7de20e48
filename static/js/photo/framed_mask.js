// A mask of damage for a photo that is turned or cropped otherwise than before.

/** @typedef {{rotate: string, crop: string}} Frame as the API has it */
/** @typedef {{width: number, height: number}} Size in pixels */

/**
 * The same marks where they lie then; those that are cut off are gone.
 * @param {string} mask as the API has it
 * @param {Size} whole the photo's size in its file
 * @param {Frame} from how it was turned and cropped
 * @param {Frame} to how it will be
 * @returns {Promise<string>}
 */
export async function framedMask(mask, whole, from, to) {
  const image = new Image();
  image.src = `data:image/png;base64,${mask}`;
  await image.decode();
  let before = partOf(whole, from);
  let turn = Number(to.rotate) - Number(from.rotate);
  if (image.width !== before.width || image.height !== before.height) {
    before = partOf(whole, { rotate: "0", crop: "" }); // it is of the whole photo
    turn = Number(to.rotate);
  }
  const after = partOf(whole, to);
  const canvas = document.createElement("canvas");
  canvas.width = after.width;
  canvas.height = after.height;
  const pen = canvas.getContext("2d");
  if (!pen) return "";
  pen.fillRect(0, 0, after.width, after.height); // black
  pen.imageSmoothingEnabled = false;
  pen.translate(after.turned.width / 2 - after.left, after.turned.height / 2 - after.top);
  pen.rotate((turn * Math.PI) / 180);
  pen.translate(before.left - before.turned.width / 2, before.top - before.turned.height / 2);
  pen.drawImage(image, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1] ?? "";
}

/** Where a part lies in the photo as it is turned. @param {Size} whole @param {Frame} frame */
function partOf({ width, height }, { rotate, crop }) {
  const turned = Number(rotate) % 180 ? { width: height, height: width } : { width, height };
  const [left, top, across, down] = crop
    ? crop.split(",").map(Number)
    : [0, 0, turned.width, turned.height];
  return { turned, left, top, width: across, height: down };
}
