// Elements from names, attributes and texts. A text is never markup: what a request calls itself stays a text.

/**
 * @param {string} name of the element, with its classes: "div.card.wide"
 * @param {Record<string, any>} [attributes] `on…` are listeners; null and false leave one out
 * @param {...any} children nodes and texts; null leaves one out
 * @returns {any}
 */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  if (classes.length) element.className = classes.join(" ");
  for (const [key, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key === "style") for (const [property, text] of Object.entries(value)) element.style.setProperty(property, String(text));
    else if (key === "data") Object.assign(element.dataset, value);
    else if (key === "value") element.value = value;
    else element.setAttribute(key, value === true ? "" : String(value));
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Replace what an element holds. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat(3).filter((child) => child !== null && child !== undefined && child !== false));
}

/** A link inside the page. */
export function link(href, attributes, ...children) {
  return h("a", { href, "data-link": true, ...attributes }, ...children);
}

/** The value of a custom property of the style. */
export const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
