// Before anything is drawn: no flash of the other theme.
(() => {
  let chosen = null;
  try { chosen = localStorage.getItem("inferometer.theme"); } catch { /* a browser without storage follows the system */ }
  const dark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.dataset.theme = dark ? "dark" : "light";
})();
