// One card for each machine, drawn anew only where something has changed.

/** @import { Machine, PhotoInProgress } from "../shared/types.d.ts" */

import { address } from "../shared/api.js";
import { icon, line, make } from "../shared/dom.js";
import { count, duration, say } from "../shared/words.js";

const VERBS = { drain: "pause", undrain: "play", test: "retry", forget: "trash" };

export class MachineList {
  /** What is drawn, by machine. @type {Map<string, {told: string, card: HTMLElement}>} */
  #drawn = new Map();

  /**
   * @param {HTMLElement} element
   * @param {(id: string, verb: string, name: string) => void} onAsk
   */
  constructor(element, onAsk) {
    this.element = element;
    this.onAsk = onAsk;
  }

  /** @param {Machine[]} machines */
  draw(machines) {
    const cards = machines.map((machine) => this.#cardOf(machine));
    const ids = new Set(machines.map(({ id }) => id));
    for (const id of this.#drawn.keys()) if (!ids.has(id)) this.#drawn.delete(id);
    if (!same(cards, this.element.children)) this.element.replaceChildren(...cards);
    this.element.setAttribute("aria-busy", "false");
  }

  /** @param {Machine} machine */
  #cardOf(machine) {
    const told = JSON.stringify(machine);
    const before = this.#drawn.get(machine.id);
    if (before?.told === told) return before.card;
    const focused = document.activeElement?.getAttribute("data-verb");
    const hadFocus = before?.card.contains(document.activeElement);
    const card = before?.card ?? make("li", { className: "card machine" });
    card.dataset.state = machine.state;
    card.replaceChildren(words(machine), this.#buttons(machine));
    if (hadFocus) {
      /** @type {HTMLElement | null} */ (card.querySelector(`[data-verb="${focused}"]`))?.focus();
    }
    this.#drawn.set(machine.id, { told, card });
    return card;
  }

  /** @param {Machine} machine */
  #buttons(machine) {
    const { id, name } = machine;
    const buttons = verbsOf(machine).map(([verb, image]) => {
      const text = say(`machine.${verb}`);
      const props = { type: "button", className: "link", "aria-label": `${text}: ${name}` };
      const button = make("button", { ...props, data: { verb } }, icon(image), text);
      button.addEventListener("click", () => this.onAsk(id, verb, name));
      return button;
    });
    return make("div", { className: "card-buttons" }, ...buttons);
  }
}

/** What can be asked of a machine, and the icon for it. @param {Machine} machine */
function verbsOf({ is_here: isHere, state }) {
  if (isHere) return [];
  const isDrained = state === "drained" || state === "draining";
  /** @type {Record<string, boolean>} */
  const shown = {
    drain: !isDrained && state !== "away",
    undrain: isDrained,
    test: state === "set_aside",
    forget: true,
  };
  return Object.entries(VERBS).filter(([verb]) => shown[verb]);
}

/** @param {Machine} machine */
function words(machine) {
  const { name, state, reason, problem, engine, kind, is_here: isHere } = machine;
  const chip = make(
    "span",
    { className: "chip", data: { state: chipOf(state) } },
    say(`machine.state.${state}`),
  );
  const facts = [engine?.replace(/[.。]$/, ""), kind && say("machine.kind", { kind })];
  if (!isHere) facts.push(heard(machine));
  return make(
    "div",
    { className: "card-words" },
    make("h2", {}, isHere ? say("machine.here", { name }) : name, " ", chip),
    line("muted", figures(machine)),
    line("muted", facts.filter(Boolean).join(" · ")),
    reason ? line("note warn", reason) : null,
    problem ? line("note warn", problem) : null,
    machine.in_progress.length ? photos(machine.in_progress) : null,
  );
}

/** @param {Machine} machine */
function figures({ restored, failed, share, per_minute: pace, busy, slots }) {
  const parts = [
    say("machine.slots", { busy, slots }),
    count("machine.restored", restored),
    say("machine.share", { n: Math.round(100 * share) }),
    say("pace", { n: pace }),
  ];
  if (failed) parts.push(say("machine.failed", { n: failed }));
  return parts.join(" · ");
}

/** @param {PhotoInProgress[]} inProgress */
function photos(inProgress) {
  const rows = inProgress.map(({ job, album, item, name, stage, seconds }) => {
    const link = make("a", { href: address(`/jobs/${job}#${item}`) }, name);
    const rest = ` · ${album} · ${say(`step.${stage}`)} · ${duration(Math.round(seconds))}`;
    return make("li", { className: "small" }, link, rest);
  });
  return make("ul", { className: "in-progress" }, ...rows);
}

/** @param {Machine} machine */
function heard({ heard_seconds: seconds }) {
  if (seconds === null) return say("machine.heard.never");
  return seconds < 10
    ? say("machine.heard.now")
    : say("machine.heard", { time: duration(Math.round(seconds)) });
}

/** The chip's colour. @param {string} state */
function chipOf(state) {
  if (state === "working") return "running";
  if (state === "ready" || state === "idle") return "active";
  return state === "set_aside" || state === "failed" ? "failed" : "paused";
}

/** @param {HTMLElement[]} cards @param {HTMLCollection} shown */
const same = (cards, shown) =>
  cards.length === shown.length && cards.every((card, place) => card === shown[place]);
