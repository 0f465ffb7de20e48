// The machines that restore: what each does now, and what can be asked of it.

/** @import { MachinesAnswer } from "../shared/types.d.ts" */

import { attempt, get, post } from "../shared/api.js";
import { copyText } from "../shared/copying.js";
import { ask, find, toast, toastError } from "../shared/dom.js";
import { count, say } from "../shared/words.js";
import { MachineList } from "./machine_list.js";

const POLL_MS = 1000;

class WorkersPage {
  /** Whether the line for joining shows a new key, which is known only once. */
  #hasKey = false;

  constructor() {
    this.trouble = find("#trouble");
    this.broker = find("#broker");
    this.join = find("#join");
    this.question = find("#forget", document, HTMLDialogElement);
    this.list = new MachineList(find("#machines"), (id, verb, name) => this.#ask(id, verb, name));
    find("#copy").addEventListener("click", () => copyText(this.join));
    find("#new-key").addEventListener("click", () => this.#makeKey());
  }

  /** Look again and again, while somebody looks at the page. */
  async watch() {
    if (document.visibilityState === "visible") await this.refresh();
    setTimeout(() => this.watch(), POLL_MS);
  }

  async refresh() {
    await attempt(
      async () => this.#draw(await get("/api/workers")),
      (error) => {
        this.trouble.textContent = error.message;
        this.trouble.hidden = false;
      },
    );
  }

  /** @param {MachinesAnswer} all */
  #draw({ machines, broker, join, waiting }) {
    this.trouble.hidden = true;
    this.broker.hidden = !broker.problem;
    this.broker.textContent = broker.problem ?? "";
    if (!this.#hasKey) this.join.textContent = join;
    const speed = machines.reduce((sum, machine) => sum + machine.per_minute, 0);
    const facts = [count("machines", machines.length), say("machines.waiting", { n: waiting })];
    if (speed) facts.push(say("pace", { n: speed }));
    find("#summary").textContent = facts.join(" · ");
    this.list.draw(machines);
  }

  /** @param {string} id @param {string} verb @param {string} name */
  async #ask(id, verb, name) {
    if (verb === "forget") {
      find("#forget-title").textContent = say("machine.forget.title", { name });
      if (!(await ask(this.question))) return;
    }
    await attempt(
      async () => this.#draw(await post(`/api/workers/${encodeURIComponent(id)}/${verb}`)),
      toastError,
    );
  }

  async #makeKey() {
    await attempt(async () => {
      const { join } = await post("/api/workers/new-key");
      this.#hasKey = true;
      this.join.textContent = join;
      toast(say("machines.key"), "good");
    }, toastError);
  }
}

new WorkersPage().watch();
