// Models and settings: what is installed and in use, downloads, files of one's own.

/** @import { ModelsAndEngine, ModelsAnswer } from "../shared/types.d.ts" */

import { attempt, get } from "../shared/api.js";
import { find } from "../shared/dom.js";
import { Socket } from "../shared/socket.js";
import { FastModeSwitch } from "../widgets/fast_mode.js";
import { drawEngineFacts, drawSettings } from "./facts.js";
import { ModelImport } from "./model_import.js";
import { ModelList } from "./model_list.js";

class ModelsPage {
  /** The latest answer of the server. @type {ModelsAnswer | null} */
  #known = null;

  constructor() {
    this.trouble = find("#trouble");
    this.fastMode = new FastModeSwitch(find("#fast-mode"));
    this.list = new ModelList(find("#models"), find("#licence"), () => this.refresh());
    new ModelImport(find("#import", document, HTMLInputElement), find("#import-words"), () =>
      this.refresh(),
    );
  }

  async refresh() {
    await attempt(
      async () => this.#draw(await get("/api/models")),
      (error) => {
        this.trouble.textContent = error.message;
        this.trouble.hidden = false;
      },
    );
  }

  /** The server tells whatever changes: downloads, the engine, the model in use. */
  watch() {
    new Socket(() => "/ws/models", {
      onMessage: (/** @type {Partial<ModelsAndEngine>} */ news) => {
        if (news.models && this.#known) this.#draw({ ...this.#known, ...news });
      },
      onConnection: (connected) => {
        if (!connected || !this.#known) this.refresh();
      },
    });
  }

  /** @param {ModelsAnswer} all */
  #draw(all) {
    this.#known = all;
    drawEngineFacts(find("#engine-facts"), all);
    drawSettings(find("#settings"), all.settings);
    this.fastMode.show(all.fast_mode);
    this.list.draw(all);
    this.trouble.hidden = true;
  }
}

const page = new ModelsPage();
page.refresh().then(() => page.watch());
