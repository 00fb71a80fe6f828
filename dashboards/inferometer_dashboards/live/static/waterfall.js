// A trace: hops below their callers, their stages in one colour each, runs with their batch, device and cost.

import * as colours from "./colours.js";
import { css, fill, h, link } from "./dom.js";
import * as format from "./format.js";
import { shares } from "./panels.js";
import { download, saveCsv, saveJson } from "./save.js";
import { get, Refused } from "./server.js";

const ROW = 26;
/** Rows beyond the visible ones that are drawn. */
const SPARE = 10;
/** So many rows are shown at once also where the window is small: the last two shall not hide in a box of their own. */
const WHOLE = 40;

/** Rows of a trace, in the order in which they are read. */
export function rowsOf(trace) {
  const children = new Map();
  const known = new Set(trace.hops.map((hop) => hop.span_id));
  const loose = [];
  const spans = new Map();
  for (const span of trace.spans) {
    if (known.has(span.request_span_id)) spans.set(span.request_span_id, [...(spans.get(span.request_span_id) ?? []), span]);
    else loose.push(span);
  }
  const roots = [];
  for (const hop of trace.hops) {
    if (known.has(hop.parent_span_id) && hop.parent_span_id !== hop.span_id) children.set(hop.parent_span_id, [...(children.get(hop.parent_span_id) ?? []), hop]);
    else roots.push(hop);
  }
  const found = [];
  const seen = new Set();
  const stack = roots.map((hop) => ({ hop, level: 1 })).reverse();
  while (stack.length) {
    const { hop, level } = stack.pop();
    if (seen.has(hop.span_id)) continue;
    seen.add(hop.span_id);
    const id = hop.span_id;
    found.push({ kind: "hop", id, level, hop, name: [hop.service, hop.method, hop.route].filter(Boolean).join(" ") || hop.model, start: hop.start_seconds, length: hop.duration_seconds, parts: hop.segments.map((part) => ({ start: part.start_seconds, length: part.duration_seconds, stage: part.stage })) });
    const grouped = new Map();
    for (const part of hop.segments.filter((one) => one.duration_seconds > 0)) {
      const label = part.kind ? `${part.stage} (${part.kind})` : part.stage;
      grouped.set(label, [...(grouped.get(label) ?? []), part]);
    }
    for (const [label, parts] of grouped) {
      const length = parts.reduce((sum, part) => sum + part.duration_seconds, 0);
      found.push({ kind: "stage", id: `${id}/${label}`, level: level + 1, hop, name: label, stage: parts[0].stage, start: hop.start_seconds + parts[0].start_seconds, length, parts: parts.map((part) => ({ start: part.start_seconds, length: part.duration_seconds, merged: part.merged })) });
    }
    for (const span of spans.get(id) ?? []) found.push(foreign(span, level + 1));
    stack.push(...(children.get(id) ?? []).map((child) => ({ hop: child, level: level + 1 })).reverse());
  }
  return [...found, ...loose.map((span) => foreign(span, 1))];
}

const foreign = (span, level) => ({ kind: "span", id: span.span_id, level, span, name: `${span.service} ${span.name}${span.failed ? " (failed)" : ""}`, start: span.start_seconds, length: span.duration_seconds, parts: [{ start: 0, length: span.duration_seconds }] });

/** The tree of a trace, of which only visible rows are in the document. */
export class Waterfall {
  /** @param {any} trace @param {{total?: number, onSelect?: (row: any) => void}} options */
  constructor(trace, { total = undefined, onSelect = () => {} } = {}) {
    this.trace = trace;
    this.rows = rowsOf(trace);
    this.total = total ?? Waterfall.length(trace);
    this.onSelect = onSelect;
    this.closed = new Set();
    this.selected = this.rows[0]?.id;
    this.space = h("div.space");
    this.tree = h("div.tree", { role: "tree", "aria-label": "Waterfall", tabindex: "0", onscroll: () => this.draw(), onkeydown: (event) => this.key(event) }, this.space);
    this.element = h("div.waterfall", {}, this.scale(), this.tree);
    this.observer = new ResizeObserver(() => this.draw());
    this.observer.observe(this.tree);
    this.lay();
  }

  static length(trace) {
    return Math.max(...trace.hops.map((hop) => hop.start_seconds + hop.duration_seconds), 1e-9);
  }

  destroy() {
    this.observer.disconnect();
  }

  scale() {
    const marks = [0, 0.25, 0.5, 0.75, 1];
    return h("div.scale", { "aria-hidden": "true" }, h("span.label"), h("span.marks", {}, marks.map((at) => h("span", { style: { left: `${at * 100}%` } }, format.seconds(at * this.total)))), h("span.took"));
  }

  /** Which rows are open, and how tall the tree is. */
  lay() {
    let hidden = 0;
    this.visible = this.rows.filter((row) => {
      if (hidden && row.level > hidden) return false;
      hidden = this.closed.has(row.id) ? row.level : 0;
      return true;
    });
    this.space.style.setProperty("height", `${this.visible.length * ROW}px`);
    this.tree.style.setProperty("max-height", `min(${this.visible.length * ROW + 2}px, max(70vh, ${WHOLE * ROW}px))`);
    this.draw();
  }

  draw() {
    const first = Math.max(0, Math.floor(this.tree.scrollTop / ROW) - SPARE);
    const last = Math.min(this.visible.length, Math.ceil((this.tree.scrollTop + (this.tree.clientHeight || 600)) / ROW) + SPARE);
    fill(this.space, this.visible.slice(first, last).map((row, index) => this.row(row, first + index)));
    this.tree.setAttribute("aria-activedescendant", `row-${this.selected}`);
  }

  row(row, place) {
    const parent = this.rows[this.rows.indexOf(row) + 1]?.level > row.level;
    const hop = row.kind === "hop" ? row.hop : null;
    const share = (seconds) => `${Math.min(Math.max((seconds / this.total) * 100, 0), 100)}%`;
    const origin = row.kind === "stage" ? row.hop.start_seconds : row.start;
    const marks = row.parts.map((part) => {
      const stage = row.stage ?? part.stage;
      return h(`i.${row.kind}`, { data: { stage: stage ?? "" }, style: { left: share(origin + part.start), width: share(part.length), ...(stage ? { background: colours.stage(stage) } : {}) } });
    });
    const bad = hop && ["server_error", "timeout", "rejected"].includes(hop.outcome);
    return h(`div.line.${row.kind}`, {
      role: "treeitem", id: `row-${row.id}`, "aria-level": row.level, "aria-selected": String(row.id === this.selected), "aria-expanded": parent ? String(!this.closed.has(row.id)) : null,
      "aria-posinset": place + 1, "aria-setsize": this.visible.length,
      "aria-label": `${row.name}, ${format.seconds(row.length)}, after ${format.seconds(row.start)}`,
      style: { top: `${place * ROW}px` },
      onclick: () => this.select(row.id),
    },
      h("span.label", { title: row.name, style: { "padding-inline-start": `${(row.level - 1) * 14}px` } },
        h("span.twist", { onclick: (event) => { event.stopPropagation(); this.toggle(row.id); } }, parent ? (this.closed.has(row.id) ? "▸" : "▾") : ""),
        row.stage ? h("i.swatch", { style: { background: colours.stage(row.stage) }, data: { stage: row.stage } }) : null,
        h("span", {}, row.name), bad ? h("b.act", {}, `▲ ${hop.outcome}`) : null),
      h("span.track", {}, marks),
      h("span.took", {}, format.seconds(row.length)));
  }

  select(id) {
    this.selected = id;
    this.draw();
    this.onSelect(this.rows.find((row) => row.id === id));
  }

  toggle(id) {
    if (!this.closed.delete(id)) this.closed.add(id);
    this.lay();
  }

  key(event) {
    const at = this.visible.findIndex((row) => row.id === this.selected);
    const row = this.visible[at];
    const steps = { ArrowDown: 1, ArrowUp: -1, j: 1, k: -1, PageDown: 15, PageUp: -15, Home: -this.visible.length, End: this.visible.length };
    if (event.key in steps) {
      const next = Math.min(Math.max(at + steps[event.key], 0), this.visible.length - 1);
      const top = next * ROW;
      if (top < this.tree.scrollTop) this.tree.scrollTop = top;
      if (top + ROW > this.tree.scrollTop + this.tree.clientHeight) this.tree.scrollTop = top + ROW - this.tree.clientHeight;
      this.select(this.visible[next].id);
    } else if (event.key === "ArrowLeft" && row) {
      if (!this.closed.has(row.id) && this.rows[this.rows.indexOf(row) + 1]?.level > row.level) this.toggle(row.id);
      else {
        const parent = this.visible.slice(0, at).findLast((one) => one.level < row.level);
        if (parent) this.select(parent.id);
      }
    } else if (event.key === "ArrowRight" && row) {
      if (this.closed.has(row.id)) this.toggle(row.id);
      else if (this.visible[at + 1]?.level > row.level) this.select(this.visible[at + 1].id);
    } else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** The whole waterfall as a picture. */
  png(name) {
    const wide = 1200, label = 330, took = 90, scale = 2;
    const rows = this.rows.slice(0, 400);
    const canvas = document.createElement("canvas");
    canvas.width = wide * scale;
    canvas.height = (rows.length * ROW + 44) * scale;
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
    context.scale(scale, scale);
    context.fillStyle = css("--card");
    context.fillRect(0, 0, wide, canvas.height);
    context.fillStyle = css("--text");
    context.font = "600 14px system-ui, sans-serif";
    context.fillText(`Trace ${this.trace.trace_id}`, 12, 24);
    context.font = "12px system-ui, sans-serif";
    const inner = wide - label - took;
    rows.forEach((row, index) => {
      const y = 40 + index * ROW;
      context.fillStyle = css("--text");
      context.fillText(row.name.slice(0, 48), 12 + (row.level - 1) * 14, y + 16);
      context.fillText(format.seconds(row.length), wide - took + 8, y + 16);
      const origin = row.kind === "stage" ? row.hop.start_seconds : row.start;
      for (const part of row.parts) {
        context.fillStyle = row.stage ?? part.stage ? colours.stage(row.stage ?? part.stage) : css("--line");
        context.fillRect(label + Math.max((origin + part.start) / this.total, 0) * inner, y + 5, Math.max((part.length / this.total) * inner, 1.5), 15);
      }
    });
    canvas.toBlob((blob) => blob && download(`${name}.png`, blob), "image/png");
  }
}

/** Where most of a trace's time went: the largest stages of its hops. A wait for a recorded callee is the callee's time. */
export function verdict(trace) {
  const total = Waterfall.length(trace);
  const callees = new Map();
  for (const hop of trace.hops) {
    if (callees.has(hop.parent_span_id)) callees.get(hop.parent_span_id).push(hop);
    else callees.set(hop.parent_span_id, [hop]);
  }
  const spent = new Map();
  for (const hop of trace.hops) {
    for (const part of hop.segments) {
      const begin = hop.start_seconds + part.start_seconds;
      const own = part.duration_seconds - (part.stage === "remote" ? answered(callees.get(hop.span_id) ?? [], begin, begin + part.duration_seconds) : 0);
      const name = [trace.hops.length > 1 && hop.service, part.kind ? `${part.stage} (${part.kind})` : part.stage].filter(Boolean).join(" ");
      spent.set(name, (spent.get(name) ?? 0) + own);
    }
  }
  const largest = [...spent].filter(([, seconds]) => seconds >= 0.05 * total).sort((one, other) => other[1] - one[1]).slice(0, 3);
  return largest.map(([name, seconds]) => `${name} ${format.seconds(seconds)} (${Math.round((seconds / total) * 100)} %)`).join(", ");
}

/** How much of a stretch of a caller's time is the time of its recorded callees. */
function answered(callees, begin, end) {
  let sum = 0;
  let until = begin;
  for (const { start_seconds: from, duration_seconds: length } of callees.toSorted((one, other) => one.start_seconds - other.start_seconds)) {
    const to = Math.min(from + length, end);
    sum += Math.max(to - Math.max(from, until), 0);
    until = Math.max(until, to);
  }
  return sum;
}

/** What is known of a row, in words. */
export function details(page, trace, row) {
  if (!row) return null;
  if (row.kind === "span") return facts([["Span of another tracer", row.name], ["Began after", format.seconds(row.start)], ["Took", format.seconds(row.length)]]);
  const { hop } = row;
  const state = hop.device_state;
  const stages = colours.STAGES.map((name) => [name, (hop.stages[name] ?? 0) / (hop.duration_seconds || 1)]).filter(([, share]) => share > 0);
  const batch = hop.executes.find((run) => run.batch_id);
  return [
    h("h2", {}, [hop.method, hop.route].filter(Boolean).join(" ") || hop.model),
    h("div.where", {}, shares(stages)),
    facts([
      ["Service", hop.service],
      ["Model", hop.model && link(page.url("/model", { service: hop.service, model: hop.model }, { keep: false }), {}, [hop.model, hop.version].filter(Boolean).join(" "))],
      ["Tenant", hop.tenant && [link(page.url("/requests", { tenant: hop.tenant, ...around(hop) }, { keep: false }), {}, hop.tenant), " · ", link(page.url("/cost", { tenant: hop.tenant }, { keep: false }), {}, "its cost")]],
      ["Outcome", `${hop.outcome}${hop.status ? ` (${hop.status})` : ""}`],
      ["Duration", format.seconds(hop.duration_seconds)],
      ["First chunk", hop.first_chunk_seconds === null ? null : `after ${format.seconds(hop.first_chunk_seconds)}`],
      ["First token", hop.first_token_seconds === null ? null : `after ${format.seconds(hop.first_token_seconds)}`],
      ["Tokens", tokens(hop)],
      ["Bytes", `${format.count(hop.bytes_in)} in, ${format.count(hop.bytes_out)} out`],
      ["Cost", hop.executes.length ? (hop.cost_usd === null ? "unpriced: no price of its device" : `${format.usd(hop.cost_usd)} (${hop.cost_method})`) : null],
      ["Energy", hop.energy_joules === null || !hop.executes.length ? null : `${format.digits(hop.energy_joules)} J`],
      ["Device", state && deviceText(state)],
      ["Device at that time", state && link(page.url("/requests", { device: state.device, ...around(hop) }, { keep: false }), {}, "requests on it in that minute")],
      ["Batch", batch && link(page.url("/requests", { batch: batch.batch_id, from: hop.wall_seconds - 60, to: hop.wall_seconds + 60 }, { keep: false }), {}, `${batch.batch_size} requests${batch.rows ? `, ${batch.rows} rows` : ""}: see its members`)],
      ["Runs", hop.executes.length > 1 ? `${hop.executes.length}: ${hop.executes.slice(0, 4).map((run) => format.seconds(run.duration_seconds)).join(", ")}${hop.executes.length > 4 ? " …" : ""}` : null],
      ["Calls", hop.calls.length ? hop.calls.slice(0, 6).map((call) => h("div", {}, `${call.method} ${call.target} ${call.status || call.outcome} ${format.seconds(call.duration_seconds)}${call.attempt > 1 ? `, attempt ${call.attempt}` : ""}`)) : null],
      ["Span", hop.span_id],
    ]),
  ];
}

const around = (hop) => ({ from: Math.floor(hop.wall_seconds - 30), to: Math.ceil(hop.wall_seconds + hop.duration_seconds + 30) });

function tokens(hop) {
  const said = [hop.tokens_in !== null && `${format.count(hop.tokens_in)} in`, hop.tokens_out !== null && `${format.count(hop.tokens_out)} out`, hop.time_per_output_token_seconds !== null && `${format.seconds(hop.time_per_output_token_seconds)} each`].filter(Boolean);
  return said.length ? said.join(", ") : null;
}

function deviceText(state) {
  const said = [state.device];
  if (state.utilization_ratio !== null) said.push(`${format.ratio(state.utilization_ratio)} used`);
  if (state.sm_clock_hertz !== null) said.push(`${(state.sm_clock_hertz / 1e9).toFixed(2)} GHz`);
  if (state.temperature_celsius !== null) said.push(`${Math.round(state.temperature_celsius)} °C`);
  if (state.throttled_seconds) said.push(`held down ${format.seconds(state.throttled_seconds)}${state.throttle_reasons?.length ? ` (${state.throttle_reasons.join(", ")})` : ""}`);
  else if (state.throttled_seconds !== null) said.push("not held down");
  return said.join(", ");
}

const facts = (entries) => h("dl.facts", {}, entries.filter(([, value]) => value !== null && value !== undefined && value !== "" && value !== false).map(([name, value]) => [h("dt", {}, name), h("dd", {}, value)]));

/** The view of one trace. */
export class TraceView {
  constructor(page, id) {
    this.page = page;
    this.id = id;
    this.title = `Trace ${id.slice(0, 8)}`;
    this.element = h("div.view", {}, h("p.note", {}, "Looking for the trace"));
    this.shown = null;
  }

  async refresh(signal) {
    // A trace changes only while late hops come; what somebody reads is not drawn anew under them.
    const trace = await get(`/api/trace/${encodeURIComponent(this.id)}`, {}, signal).catch((error) => {
      if (error instanceof Refused && [400, 404].includes(error.status)) {
        fill(this.element, h("h1", {}, "Unknown trace"), h("p.empty", {}, `${error.message}. The recorder keeps the last day; a request appears a second after its end.`), link(this.page.url("/requests"), {}, "All requests"));
        return null;
      }
      throw error;
    });
    if (!trace) return;
    const mark = `${trace.hops.length}/${trace.spans.length}/${trace.kept}/${trace.cost_usd}`;
    if (mark === this.shown) return;
    this.shown = mark;
    this.show(trace);
  }

  show(trace) {
    this.waterfall?.destroy();
    const entry = trace.hops[0];
    const side = h("aside.card.details", { "aria-label": "Details of the chosen row", "aria-live": "polite" });
    this.waterfall = new Waterfall(trace, { onSelect: (row) => { fill(side, details(this.page, trace, row)); this.page.remember({ row: row?.id }); } });
    const wanted = this.page.params.get("row");
    if (wanted && this.waterfall.rows.some((row) => row.id === wanted)) this.waterfall.selected = wanted;
    const { rows } = this.waterfall;
    fill(side, details(this.page, trace, rows.find((row) => row.id === this.waterfall.selected)));
    const cost = trace.unpriced_devices.length ? `no price of ${trace.unpriced_devices.join(", ")}` : trace.cost_usd === null ? null : format.usd(trace.cost_usd);
    const most = verdict(trace);
    const used = colours.STAGES.filter((name) => trace.hops.some((hop) => hop.stages[name]));
    fill(this.element,
      h("div.headline", {},
        h("h1", {}, `${[entry.service, entry.method, entry.route].filter(Boolean).join(" ") || entry.model} `, h("span.big", {}, format.seconds(Waterfall.length(trace)))),
        h("p.facts-line", {}, [
          format.clock(entry.wall_seconds, { millis: true }), entry.outcome, entry.tenant && `tenant ${entry.tenant}`, `${trace.hops.length} hop${trace.hops.length > 1 ? "s" : ""}`, cost, trace.kept && `kept because ${trace.kept}`,
        ].filter(Boolean).join(" · "), h("code.id", {}, trace.trace_id)),
        most ? h("p.verdict", {}, `Most of it: ${most}`) : null,
        h("div.buttons", {},
          h("button", { type: "button", onclick: () => this.page.pin(trace.trace_id) }, "Pin for comparison"),
          this.page.pinned && this.page.pinned !== trace.trace_id ? link(`/compare?a=${this.page.pinned}&b=${trace.trace_id}`, { class: "button" }, `Compare with ${this.page.pinned.slice(0, 8)}`) : null,
          h("button", { type: "button", onclick: () => this.waterfall.png(`trace-${trace.trace_id}`) }, "PNG"),
          h("button", { type: "button", onclick: () => saveCsv(`trace-${trace.trace_id}`, ["row", "kind", "level", "start_seconds", "duration_seconds"], rows.map((row) => [row.name, row.kind, row.level, row.start, row.length])) }, "CSV"),
          h("button", { type: "button", onclick: () => saveJson(`trace-${trace.trace_id}`, trace) }, "JSON"))),
      h("ul.legend.stages", { "aria-label": "Stages" }, used.map((name) => h("li", {}, h("i.swatch", { style: { background: colours.stage(name) }, data: { stage: name } }), name))),
      h("div.split", {}, h("section.card", { "aria-label": "Waterfall" }, this.waterfall.element), side));
  }

  redraw() {
    this.waterfall?.draw();
  }

  destroy() {
    this.waterfall?.destroy();
  }
}
