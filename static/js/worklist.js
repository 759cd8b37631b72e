// The worklist: days of the viewer's own time zone, how many are ticked, all of a page at once.

import { say } from "./texts.js";

const filters = document.querySelector("form.filters");
const selection = document.querySelector("form.selection");

// A day of the viewer's, as a moment with its zone: 2026-03-01T00:00:00+05:30.
function moment(day, time) {
  const minutes = -new Date(`${day}T${time}`).getTimezoneOffset();
  const two = (number) => String(number).padStart(2, "0");
  const [hours, rest] = [Math.floor(Math.abs(minutes) / 60), Math.abs(minutes) % 60];
  return `${day}T${time}${minutes < 0 ? "-" : "+"}${two(hours)}:${two(rest)}`;
}

filters?.addEventListener("formdata", ({ formData }) => {
  const [since, until] = [formData.get("since"), formData.get("until")];
  if (since) formData.set("since", moment(since, "00:00:00"));
  if (until) formData.set("until", moment(until, "23:59:59.999999"));
  // An address that says only what was chosen.
  for (const [name, value] of [...formData]) if (value === "") formData.delete(name);
});

filters?.addEventListener("submit", () => {
  filters.querySelector("button[type='submit']").textContent = say("Looking…");
  document.querySelector(".entries")?.setAttribute("aria-busy", "true");
});

// A page that comes back from the browser's history must not still say that it is looking.
window.addEventListener("pageshow", () => {
  const button = filters?.querySelector("button[type='submit']");
  if (button) button.textContent = say("Show");
  document.querySelector(".entries")?.removeAttribute("aria-busy");
});

if (selection) {
  const all = selection.querySelector("[data-all]");
  const ticks = [...selection.querySelectorAll("input[name='reading']")];
  const chosen = selection.querySelector("[data-chosen]");

  const count = () => {
    const ticked = ticks.filter((tick) => tick.checked).length;
    all.checked = ticked === ticks.length;
    all.indeterminate = ticked > 0 && !all.checked;
    chosen.textContent = ticked ? say("{number} ticked", { number: ticked }) : "";
  };

  all.addEventListener("change", () => {
    for (const tick of ticks) tick.checked = all.checked;
    count();
  });
  for (const tick of ticks) tick.addEventListener("change", count);
  count();
}
