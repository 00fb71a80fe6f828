// Lines and stacked areas over time, by uPlot.

import * as colours from "./colours.js";
import { css, h } from "./dom.js";
import * as format from "./format.js";

const HEIGHT = 190;
const CLICK_PX = 4;

/** A chart of a panel; `element` goes into the page. */
export class Chart {
  /**
   * @param {any} panel
   * @param {{zoom: (from: number, to: number) => void, open: (from: number, to: number, labels: any) => void}} actions
   */
  constructor(panel, actions) {
    this.actions = actions;
    this.holder = h("div.plot");
    this.legend = h("ul.legend");
    this.element = h("div", {}, this.holder, this.legend);
    this.hidden = new Set();
    this.width = 0;
    this.plot = null;
    this.panel = panel;
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.holder);
  }

  destroy() {
    this.observer.disconnect();
    this.plot?.destroy();
  }

  resize() {
    const width = Math.floor(this.holder.clientWidth);
    if (!width || width === this.width) return;
    this.width = width;
    if (this.plot) this.plot.setSize({ width, height: HEIGHT });
    else this.draw();
  }

  /** Show new data of the same panel. */
  update(panel) {
    const same = this.plot && names(panel) === names(this.panel) && panel.steps.length === this.panel.steps.length;
    this.panel = panel;
    if (!this.width) return;
    if (same) {
      this.plot.setData(this.data());
      this.values(null);
    } else this.draw();
  }

  /** Draw anew, as after another theme. */
  draw() {
    this.plot?.destroy();
    const { panel } = this;
    const stacked = panel.kind === "stack";
    const write = format.unit(panel.unit);
    this.order = panel.series.map((_, index) => index);
    // The top of a stack is drawn first and the others over it.
    if (stacked) this.order.reverse();
    const axis = { stroke: css("--muted"), grid: { stroke: css("--grid"), width: 1 }, ticks: { stroke: css("--grid"), size: 4 }, font: "11px system-ui, sans-serif" };
    const lines = this.order.map((index) => {
      const entry = panel.series[index];
      const colour = colours.series(entry.labels, index);
      return {
        label: entry.name,
        show: !this.hidden.has(entry.name),
        stroke: colour,
        width: stacked ? 0 : 1.75,
        fill: stacked ? colour : undefined,
        dash: stacked ? undefined : colours.dash(index),
        points: { show: few(entry.values), size: 5, fill: colour },
      };
    });
    this.plot = new uPlot(
      {
        width: this.width,
        height: HEIGHT,
        // Half of a time of day stands right of its mark.
        padding: [8, 28, 0, 0],
        legend: { show: false },
        cursor: { sync: { key: "time" }, drag: { x: true, y: false, setScale: false }, points: { size: 6 }, focus: { prox: 20 } },
        focus: { alpha: 0.35 },
        scales: { x: { time: true, range: () => [panel.times[0], (this.panel.times.at(-1) ?? 0) + step(this.panel)].map((v, i) => (i ? v : this.panel.times[0])) }, y: { range: (_, __, most) => [0, this.top(most)] } },
        axes: [
          { ...axis, size: 28, space: 74, values: (_, splits) => splits.map((at) => shortTime(at, this.panel)) },
          { ...axis, size: 62, values: (_, splits) => splits.map((value) => write(value)) },
        ],
        series: [{}, ...lines],
        hooks: {
          setCursor: [(plot) => this.values(plot.cursor.idx)],
          setSelect: [(plot) => this.selected(plot)],
          draw: [(plot) => this.limits(plot)],
        },
      },
      this.data(),
      this.holder,
    );
    this.plot.over.addEventListener("click", (event) => this.clicked(event));
    this.listed();
  }

  top(most) {
    const { maximum } = this.panel;
    if (maximum) return maximum;
    const limit = Math.max(0, ...this.panel.steps.map((entry) => entry.at));
    return Math.max((most || 0) * 1.08, limit * 1.15) || 1;
  }

  data() {
    const { times, series, kind } = this.panel;
    if (kind !== "stack") return [times, ...series.map((entry) => entry.values)];
    const sums = times.map(() => 0);
    const rows = series.map((entry) => {
      if (this.hidden.has(entry.name)) return times.map(() => null);
      return entry.values.map((value, index) => (sums[index] += value ?? 0));
    });
    // Where nothing is known there is a gap, not 0.
    const known = times.map((_, index) => series.some((entry) => entry.values[index] !== null));
    return [times, ...this.order.map((index) => rows[index].map((value, at) => (known[at] ? value : null)))];
  }

  /** The list below the chart: names, and the values at the cursor, or the last ones. */
  listed() {
    const { panel } = this;
    const items = panel.series.map((entry, index) => {
      const value = h("span.value");
      const button = h(
        "button",
        {
          type: "button",
          "aria-pressed": String(!this.hidden.has(entry.name)),
          title: "Show or hide",
          onclick: () => this.toggle(entry.name),
        },
        h("i.swatch", { style: { background: colours.series(entry.labels, index) }, data: { stage: entry.labels.stage ?? "", ...(panel.kind !== "stack" && colours.dash(index) ? { dash: "" } : {}) } }),
        h("span.name", {}, entry.name || "all"),
        value,
      );
      return { item: h("li", {}, button), value };
    });
    this.shown = items.map((entry) => entry.value);
    this.legend.replaceChildren(...items.map((entry) => entry.item));
    if (panel.left_out) this.legend.append(h("li.more", {}, `${panel.left_out} smaller ones are not drawn: choose a model above`));
    this.values(null);
  }

  toggle(name) {
    if (!this.hidden.delete(name)) this.hidden.add(name);
    this.draw();
  }

  values(at) {
    const write = format.unit(this.panel.unit);
    this.panel.series.forEach((entry, index) => {
      const place = at ?? entry.values.findLastIndex((value) => value !== null);
      if (this.shown?.[index]) this.shown[index].textContent = write(entry.values[place] ?? null);
    });
  }

  limits(plot) {
    const { ctx, bbox } = plot;
    for (const { at, colour } of this.panel.steps) {
      const y = plot.valToPos(at, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.save();
      ctx.strokeStyle = css(`--${colour}`);
      ctx.setLineDash([6, 4]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      ctx.restore();
    }
  }

  selected(plot) {
    if (plot.select.width < CLICK_PX) return;
    const from = plot.posToVal(plot.select.left, "x"), to = plot.posToVal(plot.select.left + plot.select.width, "x");
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.dragged = true;
    this.actions.zoom(from, to);
  }

  clicked() {
    if (this.dragged) { this.dragged = false; return; }
    const { idx } = this.plot.cursor;
    if (idx === null || idx === undefined) return;
    const near = this.nearest(idx);
    this.actions.open(this.panel.times[idx], this.panel.times[idx] + step(this.panel), near?.labels ?? {});
  }

  nearest(idx) {
    if (this.panel.kind === "stack") return null;
    const at = this.plot.posToVal(this.plot.cursor.top, "y");
    const known = this.panel.series.filter((entry) => entry.values[idx] !== null);
    known.sort((one, other) => Math.abs(one.values[idx] - at) - Math.abs(other.values[idx] - at));
    return known[0] ?? null;
  }

  canvas() {
    return this.plot?.ctx.canvas ?? null;
  }

  legendEntries() {
    return this.panel.series.map((entry, index) => ({ name: entry.name, colour: colours.series(entry.labels, index) }));
  }
}

const names = (panel) => JSON.stringify(panel.series.map((entry) => entry.name));
const few = (values) => values.filter((value) => value !== null).length < 3;
const step = (panel) => (panel.times.length > 1 ? panel.times[1] - panel.times[0] : 60);

function shortTime(epoch, panel) {
  const date = new Date(epoch * 1000);
  const length = (panel.times.at(-1) ?? 0) - panel.times[0];
  const text = date.toLocaleTimeString("en-GB");
  return length > 1200 ? text.slice(0, 5) : text;
}
