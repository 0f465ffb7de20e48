// The first sight of a result: its largest face, where that is small in the photo, and a way back.

/** @import { Face } from "../shared/types.d.ts" */
/** @import { Viewer } from "../widgets/viewer.js" */

import { find } from "../shared/dom.js";
import { shownBox } from "../shared/faces.js";

const SMALL = 1 / 8; // of the viewer's shorter side

export class FirstSight {
  /** @param {HTMLElement} root the viewer's element */
  constructor(root) {
    this.root = root;
    this.note = find(".first-sight", root.parentElement ?? root);
    root.addEventListener("draw", () => {
      if (root.dataset.zoomed === "no") this.end();
    });
  }

  /** @param {Viewer} viewer which shows a new result @param {Face[]} faces */
  show(viewer, faces) {
    const largest = faces
      .filter(({ restored }) => restored)
      .sort((a, b) => sideOf(b) - sideOf(a))[0];
    this.end();
    this.root.classList.add("hint"); // at the divider
    const { place, slider } = viewer;
    if (!largest || !place) return;
    const side = (sideOf(largest) * place.width) / viewer.photoSize.width;
    if (side > SMALL * Math.min(slider.clientWidth, slider.clientHeight)) return;
    viewer.lookAt(shownBox(largest));
    this.note.hidden = this.root.dataset.zoomed === "no";
    find("button", this.note).onclick = () => viewer.zoom("fit");
  }

  end() {
    this.note.hidden = true;
    this.root.classList.remove("hint");
  }
}

/** How long its longer side is, in pixels of the photo. @param {Face} face */
function sideOf(face) {
  const [left, top, right, bottom] = shownBox(face);
  return Math.max(right - left, bottom - top);
}
