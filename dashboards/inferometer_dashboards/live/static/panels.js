// A panel: its title, what it means, its data drawn, and ways to take it along.

import { Chart } from "./chart.js";
import * as colours from "./colours.js";
import { fill, h, link } from "./dom.js";
import * as format from "./format.js";
import { Heatmap } from "./heatmap.js";
import { saveCsv, saveJson, savePng } from "./save.js";
import { sparkline } from "./sparkline.js";

/** Columns of a table that lead to a model's own view. */
const TEXTS = new Set(["service", "model", "version", "tenant", "slo", "objective", "sli", "device", "state", "stage", "price_source", "price_kind", "as_of"]);

export class PanelCard {
  /** @param {any} panel @param {any} page */
  constructor(panel, page) {
    this.page = page;
    this.body = h("div.body");
    this.about = h("p.about", { id: `about-${panel.key}`, hidden: true }, panel.description);
    this.why = h("button.why", { type: "button", "aria-expanded": "false", "aria-controls": this.about.id, title: "What this means, and what to do", "aria-label": `What ${panel.title} means`, onclick: () => this.explain() }, panel.kind === "stat" ? "?" : "what it means");
    this.menu = h("details.menu", {}, h("summary", { "aria-label": `Export ${panel.title}`, title: "Export" }, "⋯"), h("div.sheet", { role: "group", "aria-label": "Export" }, ...this.exports(panel)));
    this.element = h(
      `section.card.${panel.kind}`,
      { "aria-labelledby": `title-${panel.key}`, data: { panel: panel.key } },
      h("div.head", {}, h("h2", { id: `title-${panel.key}` }, panel.title), this.why, this.menu),
      this.about,
      this.body,
    );
    this.drawn = null;
    this.sort = null;
    this.asTable = false;
    this.update(panel);
  }

  exports(panel) {
    const item = (text, act) => h("button", { type: "button", onclick: () => { this.menu.removeAttribute("open"); act(); } }, text);
    const drawn = ["lines", "stack", "heatmap"].includes(panel.kind);
    return [
      drawn && item("PNG", () => this.png()),
      item("CSV", () => saveCsv(this.panel.key, ...flat(this.panel))),
      item("JSON", () => saveJson(this.panel.key, this.panel)),
      drawn && item("As a table", () => { this.asTable = !this.asTable; this.show(); }),
    ].filter(Boolean);
  }

  png() {
    const canvas = this.drawn?.canvas();
    if (canvas) savePng(this.panel.key, this.panel.title, canvas, this.drawn.legendEntries());
  }

  explain() {
    this.about.hidden = !this.about.hidden;
    this.why.setAttribute("aria-expanded", String(!this.about.hidden));
  }

  destroy() {
    this.drawn?.destroy();
  }

  update(panel) {
    this.panel = panel;
    this.show();
  }

  redraw() {
    this.drawn?.draw();
    if (!this.drawn) this.show();
  }

  show() {
    const { panel } = this;
    if (isEmpty(panel)) {
      this.clear();
      fill(this.body, h("p.nothing", {}, nothing(panel)));
      return;
    }
    if (this.asTable) {
      this.clear();
      const [columns, rows] = flat(panel);
      fill(this.body, h("div.scroll.low", { tabindex: "0", role: "group", "aria-label": `${panel.title}, table` }, plain(columns, rows)));
      return;
    }
    if (panel.kind === "lines" || panel.kind === "stack" || panel.kind === "heatmap") {
      const Kind = panel.kind === "heatmap" ? Heatmap : Chart;
      if (this.drawn) this.drawn.update(panel);
      else {
        this.drawn = new Kind(panel, this.page.actions);
        fill(this.body, this.drawn.element);
      }
      if (panel.kind !== "heatmap") {
        this.drawn.holder.setAttribute("role", "img");
        this.drawn.holder.setAttribute("aria-label", summary(panel));
      }
      return;
    }
    this.clear();
    if (panel.kind === "stat") fill(this.body, h("p.stat", {}, format.unit(panel.unit)(panel.value)));
    else if (panel.kind === "bars") fill(this.body, panel.items.some((item) => item.labels.stage) ? stacks(panel) : bars(panel, this.page));
    else fill(this.body, this.table());
  }

  clear() {
    this.drawn?.destroy();
    this.drawn = null;
  }

  table() {
    const { panel } = this;
    const { columns } = panel;
    const rows = [...panel.rows];
    if (this.sort) {
      const { column, down } = this.sort;
      rows.sort((one, other) => compare(one[column], other[column]) * (down ? -1 : 1));
    }
    const place = (name) => columns.findIndex((column) => column.name === name);
    const [service, model] = [place("service"), place("model")];
    const lines = new Map((panel.sparklines ?? []).map((one) => [`${one.service}\n${one.model}`, one.values]));
    // A phone does without: a model's link names its service, an objective's name what it measures.
    const wide = (index) => model >= 0 && (index === service || ["sli", "threshold_seconds"].includes(columns[index].name)) ? ".wide" : "";
    const write = columns.map((column) => (TEXTS.has(column.name) ? (value) => value ?? (column.name === "price_source" ? "no price" : "") : column.name === "threshold_seconds" ? format.seconds : format.unit(column.unit)));
    const heads = columns.map((column, index) => {
      const sorted = this.sort?.column === index ? (this.sort.down ? "descending" : "ascending") : null;
      const number = !TEXTS.has(column.name);
      const button = h("button", { type: "button", onclick: () => { this.sort = { column: index, down: this.sort?.column === index ? !this.sort.down : number }; this.show(); } }, titled(column.name));
      return h(`th${number ? ".number" : ""}${wide(index)}`, { scope: "col", "aria-sort": sorted }, button);
    });
    const body = rows.map((row) =>
      h("tr", {}, row.map((value, index) => {
        const text = write[index](value);
        const name = columns[index].name;
        if (index === model && service >= 0) return h("th", { scope: "row" }, link(this.page.url("/model", { service: row[service], model: row[model] }), {}, text || "(no model)"));
        const level = judged(name, value);
        const values = name === "p99" ? lines.get(`${row[service] ?? ""}\n${row[model] ?? ""}`) : null;
        return h(`td${TEXTS.has(name) ? "" : ".number"}${wide(index)}${level ? `.${level}` : ""}`, {}, values ? sparkline(values) : null, level === "act" ? `▲ ${text}` : text);
      })),
    );
    return [
      h("div.scroll", { tabindex: "0", role: "group", "aria-label": `${panel.title}, table` }, h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, body))),
      panel.left_out ? h("p.note", {}, `${panel.left_out} more rows: the CSV of this table has 500 at most`) : null,
    ];
  }
}

const compare = (one, other) => {
  if (one === null) return -1;
  if (other === null) return 1;
  return typeof one === "string" ? one.localeCompare(other) : one - other;
};

/** What is alarming in a table; 14.4 is what wakes somebody up (Google's SRE workbook, chapter 5). */
function judged(name, value) {
  if (value === null) return "";
  if (name === "Budget left") return value < 0 ? "act" : value < 0.25 ? "watch" : "good";
  if (name === "Burn") return value >= 14.4 ? "act" : value > 1 ? "watch" : "good";
  return name === "Failed" && value > 0.01 ? "act" : "";
}

const titled = (name) => ({ slo: "SLO", sli: "Measures", threshold_seconds: "Threshold", price_source: "Source", price_kind: "Kind", as_of: "As of", p99: "p99", "Budget left": "Budget left, at most" })[name] ?? name.charAt(0).toUpperCase() + name.slice(1);

function isEmpty(panel) {
  if (panel.kind === "stat") return panel.value === null;
  if (panel.kind === "heatmap") return !panel.cells.length;
  if (panel.kind === "bars") return !panel.items.length;
  if (panel.kind === "table") return !panel.rows.length;
  return !panel.series.length;
}

/** What to do where a panel has nothing to show. */
function nothing(panel) {
  const of = {
    objectives: "No objective is known: write some into fleet.yaml, run `inferometer generate`, and start the sidecar with --thresholds.",
    "budget-left": "No objective has had an event in this time. Objectives come from fleet.yaml (--thresholds).",
    "burn-rate": "No objective has had an event in this time.",
    "bad-events": "No objective has had an event in this time.",
    "first-chunk": "No streamed answer in this time.",
    "first-token": "No token was seen in this time.",
    "time-per-output-token": "No token was seen in this time.",
    tokens: "Nobody told tokens in this time.",
    prices: "No device yet: the ledger begins with the sidecar's first second.",
  };
  if (of[panel.key]) return of[panel.key];
  if (panel.unit === "usd" || panel.unit === "usd_per_hour") return "No price: name one under devices: in fleet.yaml, run `inferometer generate`, and start the sidecar with --thresholds.";
  return "Nothing in this time. Choose a longer one above.";
}

function bars(panel, page) {
  const write = format.unit(panel.unit);
  return h("ul.barlist", {}, panel.items.slice(0, 40).map((item) => {
    const value = item.value ?? 0;
    const share = Math.min(Math.max(value / (panel.maximum ?? Math.max(...panel.items.map((one) => one.value ?? 0), 1e-12)), 0), 1);
    const level = panel.steps.length ? (panel.steps.filter((step) => value >= step.at).at(-1)?.colour ?? "act") : "plain";
    const where = page.url("/slo", { service: item.labels.service, model: item.labels.model });
    return h("li", {}, link(where, { class: "name" }, item.labels.slo ?? item.name),
      h("span.track", {}, h(`i.${level}`, { style: { width: `${share * 100}%` } })), h(`span.value.${level}`, {}, write(item.value)));
  }));
}

/** One bar per model, divided by stage. */
function stacks(panel) {
  const groups = new Map();
  for (const item of panel.items) {
    const key = [item.labels.service, item.labels.model].filter(Boolean).join(" ");
    groups.set(key, [...(groups.get(key) ?? []), item]);
  }
  return h("ul.sharelist", {}, [...groups].map(([name, items]) =>
    h("li", {}, h("span.name", {}, name), shares(items.map((item) => [item.labels.stage, item.value]))),
  ));
}

/** A bar of stages and its words. @param {[string, number][]} parts shares, 0-1 */
export function shares(parts) {
  const said = parts.filter(([, share]) => share >= 0.05).sort((one, other) => other[1] - one[1]);
  const text = said.map(([stage, share]) => `${stage} ${format.ratio(Math.round(share * 100) / 100)}`).join(", ");
  return [
    h("span.shares", { role: "img", "aria-label": text }, parts.map(([stage, share]) => h("i", { title: `${stage} ${format.ratio(share)}`, style: { width: `${share * 100}%`, background: colours.stage(stage) }, data: { stage } }))),
    h("span.words", {}, said.slice(0, 3).map(([stage, share]) => h("span", {}, h("i.swatch", { style: { background: colours.stage(stage) }, data: { stage } }), `${stage} ${Math.round(share * 100)} %`))),
  ];
}

function summary(panel) {
  const write = format.unit(panel.unit);
  const said = panel.series.slice(0, 8).map((entry) => `${entry.name || "all"} ${write(entry.values.findLast((value) => value !== null) ?? null)}`);
  return `${panel.title}: ${said.join(", ")}`;
}

function plain(columns, rows) {
  return h("table", {}, h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)))),
    h("tbody", {}, rows.map((row) => h("tr", {}, row.map((value) => h(`td${typeof value === "number" ? ".number" : ""}`, {}, typeof value === "number" ? format.digits(value) : (value ?? "")))))));
}

/** A panel as columns and rows. */
export function flat(panel) {
  const time = (epoch) => new Date(epoch * 1000).toISOString();
  if (panel.kind === "stat") return [["value"], [[panel.value]]];
  if (panel.kind === "table") return [panel.columns.map((column) => column.name), panel.rows];
  if (panel.kind === "bars") return [[...Object.keys(panel.items[0]?.labels ?? {}), "value"], panel.items.map((item) => [...Object.values(item.labels), item.value])];
  if (panel.kind === "heatmap") return [["time", "seconds", "requests"], panel.cells.map(([at, bin, number]) => [time(panel.times[at]), panel.seconds[bin], number])];
  return [["time", ...panel.series.map((entry) => entry.name)], panel.times.map((at, index) => [time(at), ...panel.series.map((entry) => entry.values[index])])];
}
