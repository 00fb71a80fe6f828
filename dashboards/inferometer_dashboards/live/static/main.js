// The page: what the address says is shown, and stays so while passes come.

import { BoardView } from "./boards.js";
import { CompareView } from "./compare.js";
import { fill, h, link } from "./dom.js";
import { RequestsView } from "./requests.js";
import { follow, get, keepToken, Refused } from "./server.js";
import { TraceView } from "./waterfall.js";

const RANGES = [[60, "1 minute"], [300, "5 minutes"], [900, "15 minutes"], [3600, "1 hour"], [10800, "3 hours"], [21600, "6 hours"], [86400, "24 hours"]];
/** Views in the order of the menu, and of the keys 1 to 6. */
const MENU = [["/", "Fleet"], ["/model", "Model latency"], ["/requests", "Requests"], ["/slo", "SLO & budget"], ["/cost", "Cost"], ["/compare", "Compare"]];
const KEYS = [["1 … 6", "views"], ["j k", "next and previous row"], ["Enter", "open the row"], ["/", "first filter"], ["p", "pause"], ["t", "dark or light"], ["+ −", "longer and shorter time"], ["Esc", "back"], ["?", "these keys"], ["drag", "zoom a chart to a stretch of time"]];
/** Time between two answers at least: of a list, and of a board, which is more work. */
const LEAST_MS = 300, BOARD_MS = 600;

const $ = (id) => /** @type {any} */ (document.getElementById(id));

class Page {
  constructor() {
    this.params = new URLSearchParams();
    this.choices = [];
    this.views = [];
    this.paused = false;
    this.view = null;
    this.state = "connecting";
    this.pinned = sessionStorage.getItem("inferometer.pin");
    this.actions = {
      zoom: (from, to) => this.go(location.pathname, { ...this.others(), from: from.toFixed(3), to: to.toFixed(3) }),
      open: (from, to, labels, more = {}) => {
        const named = Object.fromEntries(["service", "model", "version", "tenant"].map((name) => [name, labels[name] ?? this.params.get(name) ?? ""]).filter(([, value]) => value));
        this.go("/requests", { ...named, ...more, from: String(from), to: String(to) });
      },
    };
  }

  /** Parameters of the address other than its times. */
  others() {
    return Object.fromEntries([...this.params].filter(([name]) => !["from", "to", "since_seconds", "row"].includes(name)));
  }

  now() {
    return Date.now() / 1000 + (this.skew ?? 0);
  }

  /** The time that is shown: for a question, or (`url`) for an address. */
  times({ url = false } = {}) {
    const [from, to, since] = ["from", "to", "since_seconds"].map((name) => this.params.get(name));
    if (from && to) return { from, to };
    if (since) return { since_seconds: since };
    if (url) return {};
    if (this.paused && this.frozen) return this.frozen;
    // As long as little is recorded, as long as that: three points of a quarter of an hour say nothing.
    const age = this.first ? this.now() - this.first : 0;
    return { since_seconds: String(Math.min(Math.max(Math.ceil(age / 30) * 30, 60), 900)) };
  }

  url(path, params = {}, { keep = true } = {}) {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries({ ...(keep ? this.times({ url: true }) : {}), ...params })) {
      if (value !== null && value !== undefined && value !== "") query.set(name, String(value));
    }
    const text = query.toString();
    return text ? `${path}?${text}` : path;
  }

  go(path, params) {
    history.pushState(null, "", this.url(path, params, { keep: false }));
    this.open();
  }

  /** Keep something in the address without a step of its own. */
  remember(params) {
    for (const [name, value] of Object.entries(params)) {
      if (value) this.params.set(name, value);
      else this.params.delete(name);
    }
    history.replaceState(null, "", `${location.pathname}?${this.params}`);
  }

  pin(id) {
    this.pinned = id;
    sessionStorage.setItem("inferometer.pin", id);
    this.say("Pinned: open another request to compare");
  }

  say(text) {
    $("live").textContent = text;
    clearTimeout(this.spoken);
    this.spoken = setTimeout(() => this.status(), 2_500);
  }

  /** Show what the address says. */
  async open() {
    this.params = new URLSearchParams(location.search);
    this.view?.destroy();
    this.every = LEAST_MS;
    const path = location.pathname;
    const trace = /^\/trace\/(.+)$/.exec(path);
    const [main] = [$("main")];
    if (trace) this.view = new TraceView(this, decodeURIComponent(trace[1]));
    else if (path === "/requests") this.view = new RequestsView(this);
    else if (path === "/compare") this.view = new CompareView(this);
    else this.view = new BoardView(this, { "/": "fleet", "/model": "model", "/slo": "slo", "/cost": "cost" }[path] ?? "fleet");
    fill(main, this.view.element);
    document.title = `${this.view.title} · inferometer`;
    if (this.params.get("from")) this.paused = false;
    this.menu();
    this.ranges();
    this.status();
    scrollTo(0, 0);
    await this.refresh();
  }

  menu() {
    fill($("menu"), MENU.map(([path, name], index) => link(this.url(path), { "aria-current": location.pathname === path ? "page" : null, title: `${name} (${index + 1})` }, name)));
  }

  ranges() {
    const [from, to, since] = ["from", "to", "since_seconds"].map((name) => this.params.get(name));
    const options = RANGES.map(([seconds, name]) => h("option", { value: String(seconds) }, `last ${name.replace(/^1 /, "")}`));
    const own = from && to ? h("option", { value: "own" }, `${new Date(Number(from) * 1000).toLocaleTimeString("en-GB")} – ${new Date(Number(to) * 1000).toLocaleTimeString("en-GB")}`) : null;
    fill($("range"), h("option", { value: "" }, "newest (auto)"), options, own);
    $("range").value = own ? "own" : RANGES.some(([seconds]) => String(seconds) === since) ? since : "";
  }

  /** Ask for what is shown. An answer that takes long is waited for; another view's is given up. */
  async refresh() {
    const { view } = this;
    if (this.asking?.view === view) return;
    this.asking?.stop.abort();
    const asking = (this.asking = { view, stop: new AbortController() });
    try {
      await view.refresh(asking.stop.signal);
      this.problem(null);
      document.body.dataset.shown = location.pathname;
    } catch (error) {
      if (!asking.stop.signal.aborted) this.problem(error);
    } finally {
      if (this.asking === asking) this.asking = null;
    }
  }

  problem(error) {
    let box = document.querySelector(".problem");
    if (!error) { box?.remove(); return; }
    if (error instanceof Refused && error.status === 401) { this.token(); return; }
    if (!box) {
      box = h("p.problem.error", { role: "alert" });
      $("main").prepend(box);
    }
    // A connection that breaks is a TypeError of fetch; any other error is ours, and nobody shall look for it in vain.
    if (!(error instanceof Refused) && !/fetch|network/i.test(String(error))) console.error(error);
    box.textContent = error instanceof Refused ? error.message : "The sidecar does not answer; what is shown is as it was. It is asked again.";
  }

  /** Ask for the token that the sidecar was started with. */
  token() {
    const input = h("input", { type: "password", autocomplete: "off", required: true, size: 40, "aria-label": "Token" });
    fill($("main"), h("form.card.empty", { "aria-label": "Token", onsubmit: (event) => { event.preventDefault(); keepToken(input.value); location.reload(); } },
      h("h1", {}, "This sidecar asks for its token"), h("p", {}, "It is in the file that --token-file names. It stays in this tab and is forgotten with it."), input, h("button", {}, "Open")));
    input.focus();
  }

  /** A pass came. */
  passed() {
    if (this.paused || document.hidden || this.params.get("from")) return;
    const wait = Math.max(0, (this.last ?? 0) + (this.every ?? LEAST_MS) - performance.now());
    this.due ??= setTimeout(async () => {
      this.due = null;
      this.last = performance.now();
      if (this.first === null || !this.choices.length) await this.learn();
      await this.refresh();
    }, wait);
  }

  /** What was answered: a view of a day need not be drawn each second. */
  shown(answer) {
    this.every = Math.max(BOARD_MS, Math.min(answer.step_seconds * 60, 10_000));
  }

  async learn() {
    const before = this.choices.length;
    const found = await get("/live/views");
    this.views = found.views;
    this.choices = found.choices;
    this.first = found.first_seconds;
    this.skew = found.now_seconds - Date.now() / 1000;
    if (!before && found.choices.length && this.view) await this.open();
  }

  pause(paused) {
    this.paused = paused;
    if (paused) { const end = this.now(); const since = Number(this.times().since_seconds ?? 900); this.frozen = { from: (end - since).toFixed(3), to: end.toFixed(3) }; } else this.frozen = null;
    $("pause").setAttribute("aria-pressed", String(paused));
    $("pause").textContent = paused ? "Go on" : "Pause";
    this.status();
    if (!paused) this.refresh();
  }

  status() {
    const fixed = this.params.get("from");
    const text = this.paused ? "paused" : { live: fixed ? "fixed time" : "live", away: "reconnecting", refused: "token needed" }[this.state] ?? "connecting";
    $("live").textContent = text;
    $("live").dataset.state = this.paused ? "paused" : fixed && this.state === "live" ? "fixed" : this.state;
  }

  theme() {
    const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    document.documentElement.dataset.theme = next;
    try { localStorage.setItem("inferometer.theme", next); } catch { /* for this page only */ }
    this.view?.redraw?.();
  }

  help() {
    const dialog = $("keys");
    fill(dialog, h("h2", { id: "keys-title" }, "Keys"), h("dl.facts", {}, KEYS.map(([key, what]) => [h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)])), h("form", { method: "dialog" }, h("button", {}, "Close")));
    dialog.showModal();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const { key, target } = event;
    if (target.closest("input, select, textarea, dialog")) {
      if (key === "Escape") target.blur();
      return;
    }
    const rows = () => [...document.querySelectorAll("#main tbody tr a")];
    if (key >= "1" && key <= String(MENU.length)) this.go(MENU[Number(key) - 1][0], this.times({ url: true }));
    else if (key === "j" || key === "k") {
      const all = rows(), at = all.indexOf(document.activeElement);
      all[Math.min(Math.max(at + (key === "j" ? 1 : -1), 0), all.length - 1)]?.focus();
    } else if (key === "/") document.querySelector("#main form.filters select, #main form.filters input")?.focus();
    else if (key === "p") this.pause(!this.paused);
    else if (key === "t") this.theme();
    else if (key === "?") this.help();
    else if (key === "+" || key === "-") this.longer(key === "+");
    else if (key === "Escape" && history.length > 1 && location.pathname !== "/") history.back();
    else return;
    event.preventDefault();
  }

  longer(more) {
    const now = Number(this.times().since_seconds ?? 900);
    const at = RANGES.findIndex(([seconds]) => seconds >= now) + (more ? 1 : -1);
    const [seconds] = RANGES[Math.min(Math.max(at, 0), RANGES.length - 1)];
    this.go(location.pathname, { ...this.others(), since_seconds: String(seconds) });
  }

  async begin() {
    $("pause").addEventListener("click", () => this.pause(!this.paused));
    $("theme").addEventListener("click", () => this.theme());
    $("help").addEventListener("click", () => this.help());
    $("range").addEventListener("change", () => { if ($("range").value !== "own") this.go(location.pathname, { ...this.others(), since_seconds: $("range").value }); });
    addEventListener("popstate", () => this.open());
    addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("visibilitychange", () => { if (!document.hidden) this.passed(); });
    document.addEventListener("click", (event) => this.clicked(event));
    try {
      await this.learn();
    } catch (error) {
      this.problem(error);
      if (error instanceof Refused && error.status === 401) return;
      setTimeout(() => this.begun(), 1_000);
      return;
    }
    await this.begun();
  }

  async begun() {
    if (!this.views.length) {
      await this.learn().catch(() => {});
      if (!this.views.length) { setTimeout(() => this.begun(), 1_000); return; }
    }
    await this.open();
    follow((state) => { this.state = state; this.status(); }, () => this.passed());
  }

  clicked(event) {
    if (event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const anchor = event.target.closest("a[data-link]");
    const row = anchor ? null : event.target.closest("tr[data-href]");
    const href = anchor?.getAttribute("href") ?? row?.dataset.href;
    // Text that somebody marks in a row is no click on it.
    if (!href || (row && String(getSelection()))) return;
    event.preventDefault();
    history.pushState(null, "", href);
    this.open();
  }
}

new Page().begin();
