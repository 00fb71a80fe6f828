// A line as small as a word: p99 over the time that is shown, from 0 to its highest.

import * as format from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 84, HEIGHT = 20, EDGE = 2;

/** @param {(number | null)[]} values seconds, oldest first; null where there was no request */
export function sparkline(values) {
  const said = words(values);
  const picture = element("svg", { class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, width: WIDTH, height: HEIGHT, role: "img", "aria-label": said });
  const title = element("title", {});
  title.textContent = said;
  picture.append(title, element("path", { d: path(values) }));
  return picture;
}

/** What the line shows, for whoever does not see it and whoever wants figures. */
function words(values) {
  const known = values.filter((value) => value !== null);
  const newest = values.findLastIndex((value) => value !== null);
  const at = newest === values.length - 1 ? "now" : "last, now no request";
  return `p99 over time: lowest ${format.seconds(Math.min(...known))}, highest ${format.seconds(Math.max(...known))}, ${at} ${format.seconds(values[newest])}`;
}

/** Where nobody asked the line is broken; a point alone is a dot. */
function path(values) {
  const most = Math.max(...values.map((value) => value ?? 0), Number.MIN_VALUE);
  const across = (WIDTH - 2 * EDGE) / Math.max(values.length - 1, 1);
  return values.map((value, index) => {
    if (value === null) return "";
    const [x, y] = [EDGE + index * across, HEIGHT - EDGE - (value / most) * (HEIGHT - 2 * EDGE)].map((one) => one.toFixed(1));
    return (values[index - 1] ?? null) === null ? `M${x} ${y}h0` : `L${x} ${y}`;
  }).join("");
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, String(value));
  return made;
}
