// On every page: whether the model is ready, in a banner; the switches for colours and language.

import { get } from "./api.js";
import { find, findAll, make } from "./dom.js";
import { say } from "./words.js";

const banner = find("#engine");
const POLL_MS = 1000;
let shown = "";

function show(engine) {
  const { state, message } = engine;
  document.documentElement.dataset.engine = state;
  document.dispatchEvent(new CustomEvent("engine", { detail: engine }));
  if (shown === state) return;
  shown = state;
  banner.hidden = state !== "loading" && state !== "failed";
  banner.className = `banner ${state}`;
  const parts = [state === "failed" ? say("engine.failed", { message }) : say(`engine.${state}`)];
  if (state === "failed" && location.pathname !== "/models") {
    parts.push(" ", make("a", { href: "/models" }, say("engine.choose")));
  }
  banner.replaceChildren(...(banner.hidden ? [] : parts));
}

/** Look until the model is ready; the models page looks by itself. */
export async function watchEngine() {
  try {
    const { engine } = await get("/api/models");
    show(engine);
    if (engine.state === "loading" || engine.state === "idle") setTimeout(watchEngine, POLL_MS);
  } catch {
    setTimeout(watchEngine, 4 * POLL_MS);
  }
}

for (const link of findAll(".to-dark, .to-light")) {
  link.addEventListener("click", (event) => {
    event.preventDefault();
    const address = new URL(link.href);
    document.documentElement.dataset.theme = address.searchParams.get("theme");
    fetch(`/models?theme=${address.searchParams.get("theme")}`); // keeps the choice
    const other = link.classList.contains("to-dark") ? ".to-light" : ".to-dark";
    find(other).focus();
  });
}

for (const link of findAll("a.choice[hreflang]")) {
  link.addEventListener("click", () => {
    // The scripts change the address while they work; another language shows the same.
    const address = new URL(location.href);
    address.searchParams.set("lang", new URL(link.href).searchParams.get("lang"));
    link.href = address;
  });
}

watchEngine();
