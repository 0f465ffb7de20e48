// What the scripts use of the component; only the check of the scripts reads this.

export interface ImgComparisonSlider extends HTMLElement {
  /** Where the divider is, in percent. */
  value: number;
  /** Whether only the handle moves the divider. */
  handle: boolean;
}
