// What is marked as damaged: masks and strokes one upon the other, so that each can be undone.

/** @typedef {{x: number, y: number}} Point in pixels of the canvas */
/** @typedef {{erases: boolean, width: number, points: Point[]}} Stroke */
/** @typedef {Stroke | HTMLCanvasElement} Mark */

const INK = "#ff2d2d";
const INK_LEVELS = Object.freeze([255, 45, 45]);
const MARKED = 64; // levels of a shrunk mask from which a pixel is marked: hairlines get fainter

export class DamageStrokes {
  /** @type {Mark[]} */
  #marks = [];

  /** @param {HTMLCanvasElement} canvas shows what is marked */
  constructor(canvas) {
    this.canvas = canvas;
    this.pen = penOf(canvas);
  }

  /** Begin anew, on a canvas of this size. @param {number} width @param {number} height */
  reset(width, height) {
    this.#marks = [];
    this.canvas.width = width;
    this.canvas.height = height;
  }

  get canUndo() {
    return this.#marks.length > 0;
  }

  /** Add what a mask marks, white on black. @param {CanvasImageSource} mask */
  addMask(mask) {
    const { width, height } = this.canvas;
    const layer = canvasOf(width, height);
    const pen = penOf(layer);
    pen.drawImage(mask, 0, 0, width, height);
    const pixels = pen.getImageData(0, 0, width, height);
    for (let at = 0; at < pixels.data.length; at += 4) {
      const alpha = pixels.data[at] >= MARKED ? 255 : 0;
      pixels.data.set([...INK_LEVELS, alpha], at);
    }
    pen.putImageData(pixels, 0, 0);
    this.#add(layer);
  }

  /** @param {boolean} erases @param {number} width @param {Point} point */
  beginStroke(erases, width, point) {
    this.#add({ erases, width, points: [point] });
  }

  /** @param {Point} point */
  goOn(point) {
    const stroke = this.#marks.at(-1);
    if (!stroke || stroke instanceof HTMLCanvasElement) return;
    const before = stroke.points.at(-1) ?? point;
    stroke.points.push(point);
    this.#draw({ ...stroke, points: [before, point] });
  }

  undo() {
    this.#marks.pop();
    this.pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    for (const mark of this.#marks) this.#draw(mark);
  }

  /** Whether anything is marked now. */
  get hasMarks() {
    const { width, height } = this.canvas;
    const { data } = this.pen.getImageData(0, 0, width, height);
    for (let at = 3; at < data.length; at += 4) if (data[at]) return true;
    return false;
  }

  /**
   * The mask as the API takes it: a PNG of the photo's size, white on black, in base64.
   * @param {number} width @param {number} height of the photo
   */
  asText(width, height) {
    const mask = canvasOf(width, height);
    const pen = penOf(mask);
    pen.drawImage(this.canvas, 0, 0, width, height);
    pen.globalCompositeOperation = "source-in";
    fill(pen, "#fff");
    pen.globalCompositeOperation = "destination-over";
    fill(pen, "#000");
    return mask.toDataURL("image/png").split(",")[1] ?? "";
  }

  /** @param {Mark} mark */
  #add(mark) {
    this.#marks.push(mark);
    this.#draw(mark);
  }

  /** @param {Mark} mark */
  #draw(mark) {
    const { pen } = this;
    if (mark instanceof HTMLCanvasElement) {
      pen.drawImage(mark, 0, 0);
      return;
    }
    pen.globalCompositeOperation = mark.erases ? "destination-out" : "source-over";
    pen.strokeStyle = INK;
    pen.lineWidth = mark.width;
    pen.lineCap = pen.lineJoin = "round";
    const [first, ...rest] = mark.points;
    pen.beginPath();
    pen.moveTo(first.x, first.y);
    for (const { x, y } of rest.length ? rest : [first]) pen.lineTo(x, y);
    pen.stroke();
    pen.globalCompositeOperation = "source-over";
  }
}

/** @param {number} width @param {number} height */
function canvasOf(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** @param {HTMLCanvasElement} canvas */
function penOf(canvas) {
  const pen = canvas.getContext("2d", { willReadFrequently: true });
  if (!pen) throw new Error("this browser draws on no canvas");
  return pen;
}

/** @param {CanvasRenderingContext2D} pen @param {string} colour */
function fill(pen, colour) {
  pen.fillStyle = colour;
  pen.fillRect(0, 0, pen.canvas.width, pen.canvas.height);
}
