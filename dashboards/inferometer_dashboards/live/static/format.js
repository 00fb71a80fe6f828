// Figures for people: two or three digits that matter, and their unit.

const unknown = "–";

/** @param {number | null | undefined} seconds */
export function seconds(seconds) {
  if (seconds === null || seconds === undefined) return unknown;
  const size = Math.abs(seconds);
  if (size === 0) return "0 s";
  if (size < 1e-3) return `${digits(seconds * 1e6)} µs`;
  if (size < 1) return `${digits(seconds * 1e3)} ms`;
  if (size < 120) return `${digits(seconds)} s`;
  if (size < 7200) return `${digits(seconds / 60)} min`;
  return `${digits(seconds / 3600)} h`;
}

/** Three digits that matter, no exponent. */
export function digits(value) {
  const size = Math.abs(value);
  if (size >= 100) return Math.round(value).toLocaleString("en");
  if (size >= 10) return value.toFixed(1).replace(/\.0$/, "");
  return String(Number(value.toPrecision(3)));
}

export function usd(value) {
  if (value === null || value === undefined) return unknown;
  if (value === 0) return "$0";
  const size = Math.abs(value);
  if (size >= 1000) return `$${Math.round(value).toLocaleString("en")}`;
  if (size >= 1) return `$${value.toFixed(2)}`;
  // Zeros are counted, powers are not read.
  const places = Math.min(12, 1 - Math.floor(Math.log10(size)));
  return `$${value.toFixed(places)}`;
}

export function ratio(value) {
  if (value === null || value === undefined) return unknown;
  const percent = value * 100;
  if (percent === 0) return "0 %";
  if (Math.abs(percent) < 0.01) return "< 0.01 %";
  if (Math.abs(percent) > 99 && Math.abs(percent) < 100) return `${(Math.floor(percent * 1000) / 1000).toString()} %`;
  // 98.97 % of a target of 99 % is not 99 %.
  if (percent > 90 && percent < 99) return `${Math.floor(percent * 100) / 100} %`;
  return `${digits(percent)} %`;
}

export function count(value) {
  if (value === null || value === undefined) return unknown;
  const size = Math.abs(value);
  if (size >= 1e6) return `${digits(value / 1e6)} M`;
  if (size >= 1e4) return `${digits(value / 1e3)} k`;
  return Number.isInteger(value) ? value.toLocaleString("en") : digits(value);
}

const units = {
  seconds,
  usd,
  usd_per_hour: (value) => (value === null || value === undefined ? unknown : `${usd(value)}/h`),
  ratio: (value) => (value !== null && value !== undefined && value < -1 ? `used ${digits(1 - value)} ×` : ratio(value)),
  per_second: (value) => (value === null || value === undefined ? unknown : `${count(value)}/s`),
  count,
  multiple: (value) => (value === null || value === undefined ? unknown : `${digits(value)} ×`),
};

/** How values of a unit are written. */
export const unit = (name) => units[name] ?? ((value) => (value === null || value === undefined ? unknown : String(value)));

/** Local time of a moment; with the day where it is not today. */
export function clock(epoch, { millis = false, day = undefined } = {}) {
  const date = new Date(epoch * 1000);
  const text = date.toLocaleTimeString("en-GB") + (millis ? `.${String(date.getMilliseconds()).padStart(3, "0")}` : "");
  const other = day ?? date.toDateString() !== new Date().toDateString();
  return other ? `${date.toLocaleDateString("en-CA")} ${text}` : text;
}
