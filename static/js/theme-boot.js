// Runs before the first paint, so it is a classic script in the head and not a module: it marks
// the page as scripted and puts the remembered theme in place. theme.js offers the switch.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const theme = localStorage.getItem("reader.theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage may be forbidden; the system's theme is then used.
  }
})();
