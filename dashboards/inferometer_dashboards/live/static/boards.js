// Views that are made of panels: fleet, model latency, SLO & budget, cost.

import { pairs, versionsUrl } from "./compare.js";
import { fill, h, link } from "./dom.js";
import * as format from "./format.js";
import { PanelCard } from "./panels.js";
import { RequestList } from "./requests.js";
import { get } from "./server.js";

/** Names that narrow a view. */
const FILTERS = { fleet: [], model: ["service", "model", "version"], slo: ["service", "model"], cost: ["service", "model", "tenant"] };
/** Column of the models' burn, behind service and model; what is left of their budget is beside it. */
const BURN = 2;
const LISTS = { fleet: ["Slowest requests", "slowest"], model: ["Slowest requests", "slowest"], cost: ["Dearest requests", "dearest"] };

export class BoardView {
  constructor(page, key) {
    this.page = page;
    this.key = key;
    this.cards = new Map();
    const about = page.views.find((view) => view.key === key);
    this.title = about.title;
    this.grid = h("div.grid");
    this.list = LISTS[key] ? new RequestList(page, ...LISTS[key]) : null;
    this.head = h("div.headline", {}, h("h1", {}, about.title), h("p.question", {}, about.question), this.filters());
    this.element = h(`div.view.board-${key}`, {}, this.head, this.grid);
  }

  chosen() {
    const found = {};
    for (const name of FILTERS[this.key]) {
      const value = this.page.params.get(name);
      if (value) found[name] = value;
    }
    if (this.key === "model" && !found.model) Object.assign(found, this.busiest());
    return found;
  }

  /** A model to begin with: of all together one reads little. */
  busiest() {
    const service = this.page.params.get("service");
    const first = this.page.choices.find((one) => !service || one.service === service);
    return first ? { service: first.service, model: first.model } : {};
  }

  filters() {
    const wanted = FILTERS[this.key];
    if (!wanted.length) return null;
    const chosen = this.chosen();
    const controls = wanted.map((name) => {
      if (name === "tenant") return h("label.field", {}, h("span", {}, "Tenant"), h("input", { name, value: chosen.tenant ?? "", size: 10, autocomplete: "off" }));
      const fits = this.page.choices.filter((one) => wanted.slice(0, wanted.indexOf(name)).every((other) => !chosen[other] || one[other] === chosen[other]));
      const values = [...new Set(fits.map((one) => one[name]))].filter(Boolean).sort();
      if (chosen[name] && !values.includes(chosen[name])) values.push(chosen[name]);
      const control = h("select", { name }, this.key === "model" && name === "model" ? null : h("option", { value: "" }, "all"), values.map((value) => h("option", { value }, value)));
      control.value = chosen[name] ?? "";
      return h("label.field", {}, h("span", {}, name.charAt(0).toUpperCase() + name.slice(1)), control);
    });
    return h("form.filters", { "aria-label": "What is shown", onsubmit: (event) => event.preventDefault(), onchange: (event) => this.choose(event) }, this.sideBySide(chosen), controls);
  }

  /** From a model that has two versions to the difference between its newest ones. */
  sideBySide(chosen) {
    if (this.key !== "model") return null;
    const pair = pairs(this.page.choices).findLast((one) => one.model === chosen.model && (!chosen.service || one.service === chosen.service));
    return pair ? link(versionsUrl(this.page, pair), { class: "button" }, `Compare ${pair.versions.join(" and ")}`) : null;
  }

  choose(event) {
    const given = Object.fromEntries(new FormData(event.currentTarget));
    const changed = event.target.name;
    // A model of another service is none of this one.
    if (changed === "service") { delete given.model; delete given.version; }
    if (changed === "model") delete given.version;
    if (this.key === "model" && changed === "service") given.model = this.page.choices.find((one) => one.service === given.service)?.model ?? "";
    this.page.go(`/${this.key === "fleet" ? "" : this.key}`, { ...this.page.times({ url: true }), ...given });
  }

  async refresh(signal) {
    const chosen = this.chosen();
    const [answer] = await Promise.all([
      get(`/live/view/${this.key}`, { ...this.page.times(), ...chosen }, signal),
      this.list?.refresh(chosen, signal),
    ]);
    this.page.shown(answer);
    this.show(answer);
  }

  show(answer) {
    if (this.key === "fleet" && answer.panels.find((panel) => panel.key === "models")?.rows.length === 0 && !this.page.choices.length) {
      this.nobody();
      return;
    }
    if (this.key === "fleet") enrich(answer);
    const wanted = answer.panels.filter((panel) => panel.key !== "budgets");
    const first = !this.cards.size;
    for (const panel of wanted) {
      const card = this.cards.get(panel.key);
      if (card) card.update(panel);
      else this.cards.set(panel.key, new PanelCard(panel, this.page));
    }
    if (first) {
      fill(this.grid, [...this.cards.values()].map((card) => card.element));
      if (this.list) {
        const after = this.cards.get("models")?.element ?? this.cards.get("stage-shares-tail")?.element;
        if (this.key === "fleet" && after) after.after(this.list.element);
        else this.grid.append(this.list.element);
      }
    }
  }

  /** Nothing is recorded yet: what to do about it. */
  nobody() {
    this.cards.clear();
    fill(this.grid, h("section.card.empty", { "aria-label": "Nothing yet" },
      h("h2", {}, "No request is recorded yet"),
      h("p", {}, "The sidecar runs and waits. A request appears here a second after its end."),
      h("ol", {},
        h("li", {}, "Start a server under it: ", h("code", {}, "inferometer run -- uvicorn app:app")),
        h("li", {}, "or add one line to yours, ", h("code", {}, "import inferometer.auto"), ", and tell it where the sidecar is: ", h("code", {}, "INFEROMETER_SIDECAR=unix:///…/sidecar.sock"), ", the path that the sidecar printed"),
        h("li", {}, "send it a request."),
      ),
      h("p", {}, "Still nothing? ", h("code", {}, "python -m inferometer --app app:app"), " says what is hooked, what is not, and why.")));
  }

  redraw() {
    for (const card of this.cards.values()) card.redraw();
  }

  destroy() {
    for (const card of this.cards.values()) card.destroy();
    this.list?.destroy();
  }
}

/** Its p99 over time, how fast it burns its budget, and what is left, beside the other figures of each model. */
function enrich(answer) {
  const models = answer.panels.find((panel) => panel.key === "models");
  if (models) models.sparklines = answer.sparklines;
  const budgets = answer.panels.find((panel) => panel.key === "budgets");
  if (!models || !budgets?.rows.length) return;
  // Beside each other and beside the name, so that a phone shows them too.
  move(models, "p99", BURN);
  const known = new Map(budgets.rows.map(([service, model, ...figures]) => [`${service}\n${model}`, figures]));
  models.columns.splice(BURN, 0, { name: "Burn", unit: "multiple" }, { name: "Budget left", unit: "ratio" });
  for (const row of models.rows) row.splice(BURN, 0, ...(known.get(`${row[0]}\n${row[1]}`) ?? [null, null]));
  // Worst first: the fastest burn, then the longest tail.
  const tail = models.columns.findIndex((column) => column.name === "p99");
  models.rows.sort((one, other) => (other[BURN] ?? -1) - (one[BURN] ?? -1) || (other[tail] ?? 0) - (one[tail] ?? 0));
}

/** Put a column of a table at another place. */
function move(panel, name, to) {
  const from = panel.columns.findIndex((column) => column.name === name);
  for (const row of [panel.columns, ...panel.rows]) row.splice(to, 0, ...row.splice(from, 1));
}

export const writeRange = (range) => `${format.clock(range.since_seconds)} to ${format.clock(range.until_seconds)}`;
export { link };
