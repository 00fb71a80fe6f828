// What the page asks its sidecar. A token, where one is needed, lives in this tab alone.

const KEY = "inferometer.token";
const QUIET_MS = 40_000;

export class Refused extends Error {
  /** @param {number} status @param {string} text */
  constructor(status, text) {
    super(text);
    this.status = status;
  }
}

function headers() {
  let token = null;
  try { token = sessionStorage.getItem(KEY); } catch { /* no storage: no token */ }
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** Keep a token for this tab. */
export function keepToken(text) {
  sessionStorage.setItem(KEY, text.trim());
}

/**
 * @param {string} path
 * @param {Record<string, any>} [parameters] empty ones are left out
 * @param {AbortSignal} [signal]
 */
export async function get(path, parameters = {}, signal = undefined) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== "" && value !== null && value !== undefined) query.set(name, String(value));
  }
  const text = query.toString();
  const response = await fetch(text ? `${path}?${text}` : path, { headers: headers(), signal });
  if (!response.ok) {
    const said = await response.text();
    let why = said;
    try { why = JSON.parse(said).error ?? said; } catch { /* plain text */ }
    throw new Refused(response.status, why.trim() || `answered with ${response.status}`);
  }
  return response.json();
}

/**
 * Tell of every pass, and come back after a break.
 * @param {(state: "live" | "away" | "refused") => void} onState
 * @param {() => void} onPass
 */
export function follow(onState, onPass) {
  let wait = 500;
  const once = async () => {
    const gone = new AbortController();
    let timer = 0;
    // Where nothing comes, not even a comment, the connection is dead and nobody has said so.
    const alive = () => { clearTimeout(timer); timer = setTimeout(() => gone.abort(), QUIET_MS); };
    try {
      alive();
      const response = await fetch("/live/events", { headers: headers(), signal: gone.signal });
      if (response.status === 401) { onState("refused"); return; }
      if (!response.ok || !response.body) throw new Refused(response.status, "no events");
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      onState("live");
      wait = 500;
      let rest = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        alive();
        const events = (rest + value).split("\n\n");
        rest = events.pop() ?? "";
        if (events.some((event) => event.startsWith("event: pass"))) onPass();
      }
    } catch { /* below */ } finally {
      clearTimeout(timer);
    }
    onState("away");
    setTimeout(once, wait);
    wait = Math.min(wait * 2, 5_000);
  };
  once();
}
