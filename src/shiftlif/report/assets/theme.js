// Before anything is drawn: the theme that the reader chose, else the system's.
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  try { chosen = localStorage.getItem("shiftlif-theme"); } catch { /* a file may have no storage */ }
  document.documentElement.dataset.theme = chosen === "dark" || chosen === "light" ? chosen : dark.matches ? "dark" : "light";
})();
