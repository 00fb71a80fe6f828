// One colour per stage, the same everywhere; what waits is hatched as well, so that nobody needs the colour.

import { css } from "./dom.js";

export const STAGES = ["network", "queue", "deserialize", "preprocess", "execute", "postprocess", "serialize", "remote", "handler", "other"];
const STATES = ["attributed", "warm_idle", "loading", "system", "unallocated", "unobserved"];
const LINES = 8;

/** Colour of a stage. */
export const stage = (name) => css(STAGES.includes(name) ? `--stage-${name}` : "--stage-other");

/** Colour of a series: of its stage, its device's state, its percentile, or its place. */
export function series(labels, place) {
  if (labels.stage) return stage(labels.stage);
  if (labels.state) return css(STATES.includes(labels.state) ? `--state-${labels.state}` : "--state-system");
  return css(`--line-${place % LINES}`);
}

/** Dashes of a line, so that the ninth is not taken for the first. */
export const dash = (place) => [undefined, [6, 4], [2, 3]][Math.floor(place / LINES) % 3];

/** The shade of a cell with so much of the most; one hue from faint to strong. */
export function shade(share) {
  const dark = document.documentElement.dataset.theme === "dark";
  const ramp = dark
    ? [[22, 32, 54], [38, 72, 120], [44, 128, 142], [94, 201, 98], [253, 231, 37]]
    : [[222, 235, 247], [158, 202, 225], [66, 146, 198], [8, 81, 156], [8, 38, 84]];
  const at = Math.min(Math.max(share, 0), 1) * (ramp.length - 1);
  const low = Math.min(Math.floor(at), ramp.length - 2);
  const mixed = ramp[low].map((from, index) => Math.round(from + (ramp[low + 1][index] - from) * (at - low)));
  return `rgb(${mixed.join(",")})`;
}
