// The table of requests, with its filters; newest, slowest or dearest first.

import { STAGES } from "./colours.js";
import { fill, h, link } from "./dom.js";
import * as format from "./format.js";
import { shares } from "./panels.js";
import { saveCsv, saveJson } from "./save.js";
import { get } from "./server.js";

const PAGE = 100;
export const OUTCOMES = ["ok", "degraded", "client_error", "server_error", "timeout", "cancelled", "rejected"];
const NAMES = ["service", "model", "version", "tenant", "outcome", "stage", "min_share", "min_seconds", "max_seconds", "min_cost_usd", "device", "batch", "sort"];
const COLUMNS = ["time", "service", "model", "version", "tenant", "outcome", "duration_seconds", "cost_usd", "device", "trace_id"];

/** Rows of requests; each is a link to its waterfall. */
export function rows(page, requests, { compact = false, money = !compact } = {}) {
  const most = Math.max(...requests.map((one) => one.duration_seconds), 1e-9);
  return requests.map((one) => {
    const where = page.url(`/trace/${one.trace_id}`, {}, { keep: false });
    const stages = STAGES.map((name) => [name, (one.stages[name] ?? 0) / (one.duration_seconds || 1)]).filter(([, share]) => share > 0);
    const bad = ["server_error", "timeout", "rejected"].includes(one.outcome);
    return h("tr", { data: { href: where } },
      h("td.time", {}, link(where, { "aria-label": `Waterfall of trace ${one.trace_id}` }, format.clock(one.wall_seconds, { millis: !compact }))),
      compact ? null : h("td.wide", {}, one.service),
      h("th", { scope: "row", title: one.service }, [one.model, one.version].filter(Boolean).join(" ")),
      compact ? null : h("td.wide", {}, one.tenant),
      h(`td${bad ? ".act" : ""}`, {}, bad ? `▲ ${one.outcome}` : one.outcome),
      h("td.number", {}, format.seconds(one.duration_seconds)),
      h("td.where", {}, h("span.scaled", { style: { width: `${Math.max(4, (one.duration_seconds / most) * 100)}%` } }, shares(stages)[0])),
      money ? h(`td.number${compact ? "" : ".wide"}`, {}, one.cost_usd === null ? (one.device ? "unpriced" : "") : format.usd(one.cost_usd)) : null,
      compact ? null : h("td.wide", {}, one.device),
    );
  });
}

const heads = (compact, money = !compact) => h("tr", {}, ["Began", compact ? null : "Service", "Model", compact ? null : "Tenant", "Outcome", "Duration", "Where the time went", money ? "Cost" : null, compact ? null : "Device"].filter(Boolean)
  .map((name) => h(`th${["Duration", "Cost"].includes(name) ? ".number" : ""}${!compact && ["Service", "Tenant", "Cost", "Device"].includes(name) ? ".wide" : ""}`, { scope: "col" }, name)));

/** A table of requests in a card, as boards show one. */
export class RequestList {
  constructor(page, title, sort) {
    this.page = page;
    this.sort = sort;
    // What is sorted by its cost shows it.
    this.money = sort === "dearest";
    this.body = h("tbody");
    this.more = h("p.note");
    this.element = h("section.card.list", { "aria-label": title }, h("div.head", {}, h("h2", {}, title)),
      h("div.scroll", { tabindex: "0", role: "group", "aria-label": `${title}, table` }, h("table.requests", {}, h("thead", {}, heads(true, this.money)), this.body)), this.more);
  }

  async refresh(chosen, signal) {
    const found = await get("/api/requests", { ...this.page.times(), ...chosen, n: 10, sort: this.sort }, signal);
    fill(this.body, found.requests.length ? rows(this.page, found.requests, { compact: true, money: this.money }) : h("tr", {}, h("td", { colspan: 5 + Number(this.money) }, "No request in this time.")));
    fill(this.more, link(this.page.url("/requests", { ...chosen, sort: this.sort }), {}, "All of them, with filters"));
  }

  destroy() {}
}

/** The view of all requests. */
export class RequestsView {
  constructor(page) {
    this.page = page;
    this.title = "Requests";
    this.found = [];
    this.next = null;
    this.body = h("tbody");
    this.status = h("p.note", { role: "status" });
    this.more = h("button", { type: "button", hidden: true, onclick: () => this.further() }, "Show more");
    this.form = this.filters();
    this.element = h("div.view", {},
      h("h1", {}, "Requests"), this.form,
      h("section.card.list", { "aria-label": "Requests" },
        h("div.head", {}, this.status, h("span.fill"),
          h("button", { type: "button", onclick: () => saveCsv("requests", COLUMNS, this.found.map((one) => COLUMNS.map((name) => (name === "time" ? new Date(one.wall_seconds * 1000).toISOString() : one[name])))) }, "CSV"),
          h("button", { type: "button", onclick: () => saveJson("requests", this.found) }, "JSON")),
        h("div.scroll", { tabindex: "0", role: "group", "aria-label": "Table of requests" }, h("table.requests", { id: "requests" }, h("thead", {}, heads(false)), this.body)),
        this.more));
  }

  chosen() {
    const found = {};
    for (const name of NAMES) {
      const value = this.page.params.get(name);
      if (value) found[name] = value;
    }
    return found;
  }

  filters() {
    const { page } = this;
    const option = (value, text = value) => h("option", { value }, text || "all");
    const names = (key) => [...new Set(page.choices.map((one) => one[key]))].filter(Boolean).sort();
    const select = (name, label, values) => {
      const control = h("select", { name }, option("", "all"), values.map((value) => (Array.isArray(value) ? option(value[0], value[1]) : option(value))));
      return field(name, label, control);
    };
    const field = (name, label, control) => {
      const given = page.params.get(name) ?? "";
      if (control.tagName === "SELECT" && given && ![...control.options].some((one) => one.value === given)) control.append(option(given));
      control.value = given;
      return h("label.field", {}, h("span", {}, label), control);
    };
    const number = (name, label, hint) => field(name, label, h("input", { name, inputmode: "decimal", placeholder: hint, size: 7 }));
    const form = h("form.filters", { role: "search", "aria-label": "Filter requests", onsubmit: (event) => { event.preventDefault(); this.apply(); }, onchange: () => this.apply() },
      select("service", "Service", names("service")), select("model", "Model", names("model")), select("version", "Version", names("version")),
      field("tenant", "Tenant", h("input", { name: "tenant", size: 9, autocomplete: "off" })),
      select("outcome", "Outcome", OUTCOMES),
      select("stage", "Most of it was", STAGES),
      number("min_seconds", "At least (s)", "0.25"), number("max_seconds", "At most (s)", "2"), number("min_cost_usd", "Cost from ($)", "0.001"),
      field("device", "Device", h("input", { name: "device", size: 10, autocomplete: "off" })),
      field("sort", "Order", h("select", { name: "sort" }, option("", "newest"), option("slowest"), option("dearest"))),
      h("button", { type: "button", onclick: () => { page.go("/requests", page.times({ url: true })); } }, "Clear"));
    return form;
  }

  apply() {
    const given = Object.fromEntries([...new FormData(this.form)].filter(([, value]) => String(value).trim() !== "").map(([name, value]) => [name, String(value).trim()]));
    this.page.go("/requests", { ...this.page.times({ url: true }), ...given });
  }

  async refresh(signal) {
    const found = await get("/api/requests", { ...this.page.times(), ...this.chosen(), n: PAGE }, signal);
    this.found = found.requests;
    this.next = found.next;
    this.show();
  }

  async further() {
    const found = await get("/api/requests", { ...this.page.times(), ...this.chosen(), n: PAGE, after: this.next });
    this.page.pause(true);
    this.found = [...this.found, ...found.requests];
    this.next = found.next;
    this.show();
  }

  show() {
    const focused = document.activeElement?.closest?.("tr")?.dataset.href;
    fill(this.body, this.found.length ? rows(this.page, this.found) : h("tr", {}, h("td", { colspan: 9 }, h("p.nothing", {}, "No request matches. Take a filter away, or choose a longer time above."))));
    const order = { slowest: "slowest first", dearest: "dearest first" }[this.page.params.get("sort") ?? ""] ?? "newest first";
    this.status.textContent = `${this.found.length}${this.next ? "+" : ""} requests, ${order}`;
    this.more.hidden = !this.next;
    // A row that somebody stands on stays theirs while new ones come.
    if (focused) this.body.querySelector(`tr[data-href="${CSS.escape(focused)}"] a`)?.focus();
  }

  destroy() {}
}
