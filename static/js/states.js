// The states of jobs and photos, and the stages of a photo's way, as gpen_webui/states.py has
// them; tests/test_states.py compares the two.

export const JobState = Object.freeze({
  COLLECTING: "collecting",
  WAITING: "waiting",
  RUNNING: "running",
  PAUSED: "paused",
  DONE: "done",
  CANCELLED: "cancelled",
});

export const ItemState = Object.freeze({
  WAITING: "waiting",
  RUNNING: "running",
  DONE: "done",
  NO_FACE: "no_face",
  FAILED: "failed",
  CANCELLED: "cancelled",
});

export const Stage = Object.freeze({
  OPEN: "open",
  REPAIR: "repair",
  DETECT: "detect",
  ALIGN: "align",
  ENLARGE: "enlarge",
  NETWORK: "network",
  BLEND: "blend",
  ADJUST: "adjust",
  SAVE: "save",
});

/** @type {readonly string[]} */
export const ACTIVE_JOBS = [JobState.WAITING, JobState.RUNNING];
/** @type {readonly string[]} */
export const ENDED_JOBS = [JobState.DONE, JobState.CANCELLED];

/** @type {readonly string[]} */
export const UNFINISHED_ITEMS = [ItemState.WAITING, ItemState.RUNNING];
/** @type {readonly string[]} */
export const ENDED_ITEMS = [
  ItemState.DONE,
  ItemState.NO_FACE,
  ItemState.FAILED,
  ItemState.CANCELLED,
];
/** @type {readonly string[]} */
export const RESTORED_ITEMS = [ItemState.DONE, ItemState.NO_FACE];
