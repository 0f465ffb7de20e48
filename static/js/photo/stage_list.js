// The steps of a photo's way, and in words which one it has come to.

import { findAll } from "../shared/dom.js";
import { has, say } from "../shared/words.js";
import { Stage } from "../states.js";

export const WAITING = "waiting"; // sent, and not begun

/** Stages that have no step of their own, and the one that shows them. @type {Record<string, string>} */
const STEP_OF = {
  [WAITING]: "upload",
  [Stage.REPAIR]: Stage.OPEN,
  [Stage.ALIGN]: Stage.DETECT,
  [Stage.ENLARGE]: Stage.DETECT,
  [Stage.ADJUST]: Stage.BLEND,
};

export class StageList {
  #stage = "";

  /** @param {HTMLElement} list @param {HTMLElement} words */
  constructor(list, words) {
    this.steps = findAll("li", list);
    this.words = words;
    document.addEventListener("engine", () => {
      if (this.#stage === WAITING) this.show(WAITING); // in other words, once the model is ready
    });
  }

  /**
   * @param {string} stage upload, waiting, or a stage of the restoration
   * @param {number | null} [percent] how much of it is done, if known
   */
  show(stage, percent = null) {
    this.#stage = stage;
    const step = STEP_OF[stage] ?? stage;
    const at = this.steps.findIndex(({ dataset }) => dataset.stage === step);
    this.steps.forEach(({ dataset }, i) => {
      dataset.is = i < at ? "past" : i === at ? "now" : "next";
    });
    this.say(stageWords(stage, percent));
  }

  /** @param {string} words */
  say(words) {
    this.words.textContent = words;
  }
}

/**
 * What is being done to a photo; empty for what has no words.
 * @param {string} stage @param {number | null} [percent]
 */
export function stageWords(stage, percent = null) {
  const loading = document.documentElement.dataset.engine === "loading";
  const words = stage === WAITING && loading ? "stage.model" : `stage.${stage}`;
  const far = percent === null ? "" : ` ${say("percent", { n: percent })}`;
  return has(words) ? say(words) + far : "";
}
