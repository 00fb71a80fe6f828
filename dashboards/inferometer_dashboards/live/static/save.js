// What a panel shows as a file: PNG, CSV, JSON.

import { css, h } from "./dom.js";

/** @param {string} name @param {Blob} blob */
export function download(name, blob) {
  const url = URL.createObjectURL(blob);
  const anchor = h("a", { href: url, download: name });
  document.body.append(anchor);
  anchor.click();
  anchor.remove();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}

export const saveJson = (name, value) =>
  download(`${name}.json`, new Blob([JSON.stringify(value, null, 2)], { type: "application/json" }));

/** @param {string} name @param {string[]} columns @param {any[][]} rows */
export function saveCsv(name, columns, rows) {
  download(`${name}.csv`, new Blob([[columns, ...rows].map((row) => row.map(cell).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" }));
}

/** A text that begins like a formula would be run by a spreadsheet. */
export function cell(value) {
  if (value === null || value === undefined) return "";
  if (typeof value === "number") return String(value);
  const text = /^[=+\-@\t\r]/.test(String(value)) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * A canvas with its title as a file.
 * @param {string} name @param {string} title @param {HTMLCanvasElement} source @param {{name: string, colour: string}[]} legend
 */
export function savePng(name, title, source, legend = []) {
  const scale = devicePixelRatio || 1;
  const head = 34 * scale, foot = legend.length ? 26 * scale : 8 * scale;
  const canvas = document.createElement("canvas");
  canvas.width = source.width;
  canvas.height = source.height + head + foot;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.fillStyle = css("--card");
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.fillStyle = css("--text");
  context.font = `600 ${14 * scale}px system-ui, sans-serif`;
  context.fillText(title, 12 * scale, 22 * scale);
  context.drawImage(source, 0, head);
  context.font = `${11 * scale}px system-ui, sans-serif`;
  let left = 12 * scale;
  for (const entry of legend) {
    context.fillStyle = entry.colour;
    context.fillRect(left, source.height + head + 6 * scale, 10 * scale, 10 * scale);
    context.fillStyle = css("--text");
    context.fillText(entry.name, left + 14 * scale, source.height + head + 15 * scale);
    left += 14 * scale + context.measureText(entry.name).width + 14 * scale;
  }
  canvas.toBlob((blob) => blob && download(`${name}.png`, blob), "image/png");
}
