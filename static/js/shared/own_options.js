// What a photo of an album has of its own, beside the album's settings.

/** @import { Options } from "./types.d.ts" */

/**
 * Those of some options that differ from the album's.
 * @param {Partial<Options>} options
 * @param {Partial<Options>} album
 * @returns {Partial<Options>}
 */
export const differing = (options, album) =>
  Object.fromEntries(Object.entries(options).filter(([name, value]) => album[name] !== value));
