// Small helpers around the DOM. Text goes in as text, never as HTML.

const ICONS = new URL("../../icons.svg", import.meta.url).pathname;

/**
 * The one element that the page must have.
 * @overload @param {string} selector @param {ParentNode} [root] @returns {HTMLElement}
 */
/**
 * The one element that the page must have, of this kind.
 * @template {Element} T
 * @overload
 * @param {string} selector
 * @param {ParentNode} root
 * @param {new () => T} kind
 * @returns {T}
 */
/**
 * @param {string} selector
 * @param {ParentNode} [root]
 * @param {new () => Element} [kind]
 * @returns {Element}
 */
export function find(selector, root = document, kind = HTMLElement) {
  const element = root.querySelector(selector);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} ${selector}`);
  return element;
}

/**
 * All elements there are.
 * @overload @param {string} selector @param {ParentNode} [root] @returns {HTMLElement[]}
 */
/**
 * All elements there are of this kind.
 * @template {Element} T
 * @overload
 * @param {string} selector
 * @param {ParentNode} root
 * @param {new () => T} kind
 * @returns {T[]}
 */
/**
 * @param {string} selector
 * @param {ParentNode} [root]
 * @param {new () => Element} [kind]
 */
export function findAll(selector, root = document, kind = HTMLElement) {
  return [...root.querySelectorAll(selector)].filter((element) => element instanceof kind);
}

/**
 * A new element.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} [props] properties, or attributes with a dash
 * @param {...(Node | string | null)} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function make(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (name === "data") Object.assign(element.dataset, value);
    else if (name.includes("-") || name === "role") element.setAttribute(name, String(value));
    else Object.assign(element, { [name]: value });
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A small line of text. @param {string} className @param {string} words */
export const line = (className, words) => make("p", { className: `${className} small` }, words);

/** An icon of the sprite. @param {string} name */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** Say something in passing. @param {string} text @param {"plain" | "good" | "bad"} [kind] */
export function toast(text, kind = "plain") {
  const note = make("p", { className: `toast ${kind}` }, text);
  find("#toasts").append(note);
  setTimeout(() => note.remove(), 6000);
}

/** Say in passing what went wrong. @param {Error} error */
export const toastError = (error) => toast(error.message, "bad");

/**
 * A dialog's answer: true for the button with the value "yes".
 * @param {HTMLDialogElement} dialog
 * @returns {Promise<boolean>}
 */
export function ask(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

/** A key that nobody else has; works without HTTPS, unlike crypto.randomUUID. */
export function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
