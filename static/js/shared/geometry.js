// Small arithmetic of places.

/** The step to which each arrow key leads. @type {Readonly<Record<string, [x: number, y: number]>>} */
export const ARROW_STEPS = Object.freeze({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});

/** The nearest number between two, both included. @param {number} value @param {number} low @param {number} high */
export const limit = (value, low, high) => Math.min(Math.max(value, low), high);
