// Tell people who look elsewhere: the tab's title, and a notification if they allowed it.

const plain = document.title;

/** The title while something goes on; null: as it was. @param {string | null} text */
export function title(text) {
  document.title = text === null ? plain : `${text} · ${plain}`;
}

export const canAsk = () => "Notification" in window && window.isSecureContext;
export const allowed = () => canAsk() && Notification.permission === "granted";

/** Ask, if nobody has decided yet; whether it is allowed. */
export async function permit() {
  if (!canAsk()) return false;
  if (Notification.permission === "default") await Notification.requestPermission();
  return allowed();
}

/** Tell, unless the page is being looked at. @param {string} heading @param {string} body */
export function tell(heading, body) {
  if (!allowed() || document.visibilityState === "visible") return;
  const note = new Notification(heading, {
    body,
    icon: new URL("../../favicon.svg", import.meta.url).href,
    tag: location.pathname,
  });
  note.onclick = () => {
    window.focus();
    note.close();
  };
}
