// Two requests side by side, or two stretches of time.

import * as colours from "./colours.js";
import { fill, h, link } from "./dom.js";
import * as format from "./format.js";
import { get, Refused } from "./server.js";
import { Waterfall } from "./waterfall.js";

const MOST_PAIRS = 30;

export class CompareView {
  constructor(page) {
    this.page = page;
    this.title = "Compare";
    this.done = null;
    this.result = h("div");
    this.element = h("div.view", {}, h("div.headline", {}, h("h1", {}, "Compare"), h("p.question", {}, "What is different between two requests, two stretches of time, or two versions?")), this.forms(), this.result);
  }

  forms() {
    const { params } = this.page;
    const text = (name, label, size, hint) => h("label.field", {}, h("span", {}, label), h("input", { name, size, placeholder: hint, value: params.get(name) ?? "", autocomplete: "off", required: true }));
    const submit = (event) => {
      event.preventDefault();
      this.page.go("/compare", Object.fromEntries([...new FormData(event.currentTarget)].filter(([, value]) => value)));
    };
    const model = (name, label) => {
      const control = h("select", { name }, h("option", { value: "" }, "all"), [...new Set(this.page.choices.map((one) => one[name]))].filter(Boolean).sort().map((value) => h("option", { value }, value)));
      control.value = params.get(name) ?? "";
      return h("label.field", {}, h("span", {}, label), control);
    };
    const moment = (name, label) => h("input", { type: "datetime-local", step: 1, name, required: true, "aria-label": label, value: local(Number(params.get(name))) });
    const range = (label, from, to) => h("fieldset.field", {}, h("legend", {}, label), moment(from, `${label}, from`), h("span.to", {}, "to", moment(to, `${label}, to`)));
    const now = this.page.now();
    // Both halves of what is recorded, a quarter of an hour each at most: of an earlier time nothing is known.
    const half = Math.min(900, Math.max(this.page.first ? (now - this.page.first) / 2 : 900, 1));
    const defaults = { a_from: now - 2 * half, a_to: now - half, b_from: now - half, b_to: now };
    const ranges = h("form.filters", { "aria-label": "Two stretches of time", onsubmit: (event) => {
      event.preventDefault();
      const given = Object.fromEntries(new FormData(event.currentTarget));
      for (const name of Object.keys(defaults)) given[name] = String(new Date(given[name]).getTime() / 1000);
      this.page.go("/compare", Object.fromEntries(Object.entries(given).filter(([, value]) => value)));
    } }, range("Before", "a_from", "a_to"), range("After", "b_from", "b_to"), model("service", "Service"), model("model", "Model"), h("button", {}, "Compare times"));
    for (const [name, at] of Object.entries(defaults)) if (!params.get(name)) ranges.elements[name].value = local(at);
    return h("div.two", {},
      h("section.card", { "aria-label": "Two requests" }, h("h2", {}, "Two requests"), h("p.note", {}, "By their trace ids; a trace's page can pin one."),
        h("form.filters", { "aria-label": "Two requests", onsubmit: submit }, text("a", "First", 34, "trace id"), text("b", "Second", 34, "trace id"), h("button", {}, "Compare requests"))),
      h("section.card", { "aria-label": "Two stretches of time" }, h("h2", {}, "Two stretches of time"), h("p.note", {}, "Differences of percentiles, of each stage's mean and of the cost, with the interval in which each lies. Percentiles of stages: inferometer compare."), ranges),
      this.versions());
  }

  /** Versions of a model that can be held side by side: each with the one before it. */
  versions() {
    const found = pairs(this.page.choices).slice(0, MOST_PAIRS);
    return found.length ? h("section.card", { "aria-label": "Two versions" }, h("h2", {}, "Two versions"), h("p.note", {}, "In the same time, that which is chosen above."),
      h("ul.plain", {}, found.map((pair) => h("li", {}, link(versionsUrl(this.page, pair), {}, `${[pair.service, pair.model].filter(Boolean).join(" ")}: ${pair.versions.join(" and ")}`))))) : null;
  }

  async refresh(signal) {
    const { params } = this.page;
    const key = params.toString();
    // What is compared lies in the past: it does not change.
    if (key === this.done) return;
    try {
      if (params.get("a") && params.get("b")) await this.requests(params.get("a"), params.get("b"), signal);
      else if (params.get("a_from") || params.get("versions")) await this.times(signal);
      this.done = key;
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      this.done = key;
      fill(this.result, h("p.error", { role: "alert" }, error.message));
    }
  }

  async requests(a, b, signal) {
    const [first, second] = await Promise.all([a, b].map((id) => get(`/api/trace/${encodeURIComponent(id)}`, {}, signal)));
    const total = Math.max(Waterfall.length(first), Waterfall.length(second));
    const spent = (trace, stage) => trace.hops.reduce((sum, hop) => sum + (hop.stages[stage] ?? 0), 0);
    // The time of a callee is in its own stages and in its caller's `remote`.
    const rows = colours.STAGES.map((stage) => [stage, spent(first, stage), spent(second, stage)]).filter(([, one, other]) => one || other);
    rows.sort((one, other) => Math.abs(other[2] - other[1]) - Math.abs(one[2] - one[1]));
    const cost = [first, second].map((trace) => trace.cost_usd);
    this.falls = [first, second].map((trace) => new Waterfall(trace, { total }));
    // Where the callee is recorded, its own stages say what the wait for it was.
    const explained = Math.min(first.hops.length, second.hops.length) > 1;
    const widest = rows.find(([stage]) => stage !== "remote" || !explained);
    fill(this.result,
      h("p.verdict", { role: "status" }, `The second took ${format.seconds(Math.abs(Waterfall.length(second) - Waterfall.length(first)))} ${Waterfall.length(second) >= Waterfall.length(first) ? "longer" : "less"}`, widest ? `; the largest difference is ${widest[0]}, ${signed(widest[2] - widest[1], format.seconds)}.` : "."),
      h("section.card", { "aria-label": "Stages of both" }, h("div.scroll", { tabindex: "0", role: "group", "aria-label": "Stages of both, table" }, h("table", {},
        h("thead", {}, h("tr", {}, ["Stage (all hops)", "First", "Second", "Difference"].map((name, index) => h(`th${index ? ".number" : ""}`, { scope: "col" }, name)))),
        h("tbody", {}, rows.map(([stage, one, other]) => h("tr", {}, h("th", { scope: "row" }, h("i.swatch", { style: { background: colours.stage(stage) }, data: { stage } }), stage), h("td.number", {}, format.seconds(one)), h("td.number", {}, format.seconds(other)), h("td.number", {}, signed(other - one, format.seconds)))),
          h("tr", {}, h("th", { scope: "row" }, "cost"), cost.map((usd) => h("td.number", {}, format.usd(usd))), h("td.number", {}, cost.includes(null) ? "–" : signed(cost[1] - cost[0], format.usd))))))),
      [first, second].map((trace, index) => h("section.card", { "aria-label": `${index ? "Second" : "First"} request` },
        h("h2", {}, `${index ? "Second" : "First"}: `, link(`/trace/${trace.trace_id}`, {}, h("code", {}, trace.trace_id)), ` ${format.seconds(Waterfall.length(trace))}`), this.falls[index].element)));
  }

  async times(signal) {
    const { params } = this.page;
    const window = (from, to) => `${Number(from).toFixed(3)}..${Number(to).toFixed(3)}`;
    const side = (name) => window(params.get(`${name}_from`), params.get(`${name}_to`));
    const shown = this.page.times(), now = this.page.now();
    const versions = params.get("versions");
    const asked = versions ? { versions, within: shown.from ? window(shown.from, shown.to) : window(now - Number(shown.since_seconds), now) } : { before: side("a"), after: side("b") };
    const [before, after] = versions ? versions.split(",") : ["before", "after"];
    fill(this.result, h("p.note", { role: "status" }, "Comparing"));
    const found = await get("/api/compare", { ...asked, stages: "mean", service: params.get("service"), model: params.get("model") }, signal);
    const write = (line, value) => (value === null ? "–" : line.figure === "usd_per_1k" ? format.usd(value) : line.figure === "ratio" ? format.ratio(value) : format.seconds(value));
    fill(this.result, found.models.length ? found.models.map((group) => h("section.card", { "aria-label": `${group.service} ${group.model}` },
      h("h2", {}, `${group.service} ${group.model}: ${words(group.verdict)}`), h("p.note", {}, `${format.count(group.requests_before)} requests ${versions ? `of ${before}` : before}, ${format.count(group.requests_after)} ${versions ? `of ${after}` : after}`),
      h("div.scroll", { tabindex: "0", role: "group", "aria-label": `${group.service} ${group.model}, table` }, h("table", {}, h("thead", {}, h("tr", {}, ["What", "Figure", versions ? before : "Before", versions ? after : "After", "Change", "95 % between", "Verdict"].map((name, index) => h(`th${index > 1 && index < 6 ? ".number" : ""}`, { scope: "col" }, name)))),
        h("tbody", {}, group.lines.map((line) => h("tr", {}, h("th", { scope: "row" }, line.measure), h("td", {}, line.figure), h("td.number", {}, write(line, line.before)), h("td.number", {}, write(line, line.after)),
          h("td.number", {}, line.change === null ? "–" : signed(line.change, format.ratio)), h("td.number", {}, line.low === null ? "–" : `${signed(line.low, format.ratio)} … ${signed(line.high, format.ratio)}`), h(`td${line.verdict === "worse" ? ".act" : line.verdict === "better" ? ".good" : ""}`, {}, words(line.verdict) + (line.needed ? `, ${format.count(line.needed)} requests needed` : ""))))))))) : h("p.empty", {}, versions ? "Not both of these versions have requests in this time. Choose a longer one above." : "No model has requests in both times. Choose longer ones."));
  }

  redraw() {
    for (const fall of this.falls ?? []) fall.draw();
  }

  destroy() {
    for (const fall of this.falls ?? []) fall.destroy();
  }
}

/** Each version of a model with the one before it, by name. */
export function pairs(choices) {
  const models = new Map();
  // A comma stands between the two in an address.
  for (const one of choices.filter(({ version }) => version && !version.includes(","))) {
    const key = JSON.stringify([one.service, one.model]);
    models.set(key, [...(models.get(key) ?? []), one]);
  }
  return [...models.values()].flatMap((entries) => {
    const named = entries.sort((one, other) => one.version.localeCompare(other.version, "en", { numeric: true }));
    return named.slice(1).map((entry, index) => ({ service: entry.service, model: entry.model, versions: [named[index].version, entry.version] }));
  });
}

export const versionsUrl = (page, { service, model, versions }) => page.url("/compare", { service, model, versions: versions.join(",") });

const words = (verdict) => verdict.replaceAll("_", " ");

const signed = (value, write) => (value > 0 ? `+${write(value)}` : value < 0 ? `−${write(Math.abs(value))}` : write(0));

/** A moment as a `datetime-local` field has it. */
function local(epoch) {
  if (!epoch) return "";
  const date = new Date(epoch * 1000);
  return new Date(date.getTime() - date.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}
