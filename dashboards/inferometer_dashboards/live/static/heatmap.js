// How durations are spread over time: a cell is so many requests; a click opens them.

import * as colours from "./colours.js";
import { css, h } from "./dom.js";
import * as format from "./format.js";

const HEIGHT = 200, LEFT = 62, BOTTOM = 22, TOP = 6, RIGHT = 8;
/** Bins of a doubling of the duration, as the recorder counts. */
const PER_DOUBLING = 16;

export class Heatmap {
  constructor(panel, actions) {
    this.panel = panel;
    this.actions = actions;
    this.paper = h("canvas.heat", { role: "img" });
    this.note = h("p.note", { "aria-hidden": "true" }, " ");
    this.holder = h("div.plot", {}, this.paper);
    this.element = h("div", {}, this.holder, this.note);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.holder);
    this.paper.addEventListener("mousemove", (event) => this.point(event));
    this.paper.addEventListener("mouseleave", () => { this.note.textContent = this.hint; });
    this.paper.addEventListener("click", (event) => this.open(event));
  }

  destroy() {
    this.observer.disconnect();
  }

  update(panel) {
    this.panel = panel;
    this.draw();
  }

  canvas() {
    return this.paper;
  }

  legendEntries() {
    return [];
  }

  get hint() {
    return `faint to strong: 1 to ${format.count(this.most ?? 0)} requests; a click opens them`;
  }

  draw() {
    const { panel, paper } = this;
    const width = Math.floor(this.holder.clientWidth), scale = devicePixelRatio || 1;
    if (!width) return;
    paper.width = width * scale;
    paper.height = HEIGHT * scale;
    paper.style.setProperty("width", `${width}px`);
    paper.style.setProperty("height", `${HEIGHT}px`);
    const context = /** @type {CanvasRenderingContext2D} */ (paper.getContext("2d"));
    context.scale(scale, scale);
    context.clearRect(0, 0, width, HEIGHT);
    context.font = "11px system-ui, sans-serif";
    if (!panel.cells.length) { this.most = 0; return; }
    const lows = Math.log2(panel.seconds[0]) - 0.5 / PER_DOUBLING, highs = Math.log2(panel.seconds.at(-1)) + 0.5 / PER_DOUBLING;
    this.low = lows;
    this.high = Math.max(highs, lows + 1);
    this.inner = { width: width - LEFT - RIGHT, height: HEIGHT - BOTTOM - TOP };
    const rows = Math.max(8, Math.min(48, Math.ceil((this.high - this.low) * 4)));
    this.rows = rows;
    this.grid = new Map();
    for (const [column, bin, number] of panel.cells) {
      const row = Math.min(rows - 1, Math.floor(((Math.log2(panel.seconds[bin]) - this.low) / (this.high - this.low)) * rows));
      const key = column * rows + row;
      this.grid.set(key, (this.grid.get(key) ?? 0) + number);
    }
    this.most = Math.max(...this.grid.values());
    const wide = this.inner.width / panel.times.length, tall = this.inner.height / rows;
    for (const [key, number] of this.grid) {
      const column = Math.floor(key / rows), row = key % rows;
      // By the logarithm: a tail of single requests is what people look for.
      context.fillStyle = colours.shade(0.12 + 0.88 * (Math.log(1 + number) / Math.log(1 + this.most)));
      context.fillRect(LEFT + column * wide, TOP + this.inner.height - (row + 1) * tall, Math.max(wide - 0.5, 1), Math.max(tall - 0.5, 1));
    }
    this.axes(context, width);
    paper.setAttribute("aria-label", `${panel.title}: ${format.seconds(panel.seconds[0])} to ${format.seconds(panel.seconds.at(-1))}, up to ${this.most} requests in a cell`);
    this.note.textContent = this.hint;
  }

  axes(context, width) {
    const { panel } = this;
    context.fillStyle = css("--muted");
    context.strokeStyle = css("--grid");
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const value of marks(2 ** this.low, 2 ** this.high)) {
      const y = TOP + this.inner.height * (1 - (Math.log2(value) - this.low) / (this.high - this.low));
      context.fillText(format.seconds(value), LEFT - 6, y);
      context.beginPath();
      context.moveTo(LEFT, y);
      context.lineTo(width - RIGHT, y);
      context.globalAlpha = 0.5;
      context.stroke();
      context.globalAlpha = 1;
    }
    context.textAlign = "center";
    context.textBaseline = "top";
    const columns = Math.max(2, Math.floor(this.inner.width / 110));
    for (let index = 0; index <= columns; index += 1) {
      const at = Math.round((index / columns) * (panel.times.length - 1));
      const text = new Date(panel.times[at] * 1000).toLocaleTimeString("en-GB").slice(0, panel.times.at(-1) - panel.times[0] > 1200 ? 5 : 8);
      const x = LEFT + (at + 0.5) * (this.inner.width / panel.times.length);
      context.fillText(text, Math.min(Math.max(x, LEFT + 18), width - 26), HEIGHT - BOTTOM + 6);
    }
  }

  at(event) {
    if (!this.grid) return null;
    const x = event.offsetX - LEFT, y = event.offsetY - TOP;
    if (x < 0 || y < 0 || x >= this.inner.width || y >= this.inner.height) return null;
    const column = Math.floor((x / this.inner.width) * this.panel.times.length);
    const row = Math.floor((1 - y / this.inner.height) * this.rows);
    const number = this.grid.get(column * this.rows + row) ?? 0;
    const edge = (place) => 2 ** (this.low + (place / this.rows) * (this.high - this.low));
    const step = this.panel.times.length > 1 ? this.panel.times[1] - this.panel.times[0] : 60;
    return { number, from: this.panel.times[column], to: this.panel.times[column] + step, least: edge(row), most: edge(row + 1) };
  }

  point(event) {
    const cell = this.at(event);
    this.note.textContent = cell?.number
      ? `${format.count(cell.number)} request${cell.number === 1 ? "" : "s"} of ${format.seconds(cell.least)} to ${format.seconds(cell.most)} at ${format.clock(cell.from)}`
      : this.hint;
  }

  open(event) {
    const cell = this.at(event);
    if (cell?.number) this.actions.open(cell.from, cell.to, {}, { min_seconds: cell.least, max_seconds: cell.most });
  }
}

function marks(low, high) {
  const found = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power += 1) {
    for (const factor of [1, 3]) {
      const value = factor * 10 ** power;
      if (value >= low && value <= high) found.push(value);
    }
  }
  return found;
}
