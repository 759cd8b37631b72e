// The reading page: the opacity of the map, the view, the keys, print.

import { recall, remember } from "./memory.js";
import { percent as inPercent, say } from "./texts.js";
import { setUpStage } from "./viewer/stage.js";

const viewer = document.querySelector(".viewer");
const slider = document.querySelector("#map-opacity");
const showMap = document.querySelector("#show-map");
const showLungs = document.querySelector("#show-lungs");
const views = document.querySelectorAll("input[name='view']");

function setOpacity(percent) {
  const text = inPercent(percent / 100);
  viewer.style.setProperty("--map-opacity", String(percent / 100));
  slider.setAttribute("aria-valuetext", text);
  document.querySelector("output[for='map-opacity']").textContent = text;
}

if (slider) {
  const remembered = recall("opacity");
  if (remembered !== null) slider.value = remembered;
  setOpacity(slider.value);
  slider.addEventListener("input", () => {
    setOpacity(slider.value);
    remember("opacity", slider.value);
  });
}

for (const radio of views) {
  if (radio.value === recall("view")) radio.checked = true;
  radio.addEventListener("change", () => remember("view", radio.value));
}

function toggleLungs() {
  if (!showLungs) return;
  showLungs.checked = !showLungs.checked;
  remember("lungs", showLungs.checked ? "on" : "off");
}

if (showLungs) {
  const remembered = recall("lungs");
  if (remembered !== null) showLungs.checked = remembered === "on";
  showLungs.addEventListener("change", () => remember("lungs", showLungs.checked ? "on" : "off"));
}

function choose(radio) {
  if (!radio) return;
  radio.checked = true;
  remember("view", radio.value);
}

// How the map is drawn; a choice that lasts.
const drawings = document.querySelectorAll("input[name='drawing']");
for (const radio of drawings) {
  if (radio.value === recall("drawing")) radio.checked = true;
  radio.addEventListener("change", () => remember("drawing", radio.value));
}

function nextDrawing() {
  const next = [...drawings].find((radio) => !radio.checked);
  if (!next) return;
  next.checked = true;
  remember("drawing", next.value);
}

const sheet = document.querySelector("#keys");
document.querySelector("[data-keys]")?.addEventListener("click", () => sheet.showModal());

document.querySelector("[data-print]")?.addEventListener("click", () => window.print());

const keys = {
  ...setUpStage(viewer),
  "?": () => (sheet?.open ? sheet.close() : sheet?.showModal()),
  c: nextDrawing,
  l: toggleLungs,
  o: () => showMap && (showMap.checked = !showMap.checked),
  1: () => choose(views[0]),
  2: () => choose(views[1]),
  n: () => document.querySelector("[data-new-reading]").click(),
  j: () => document.querySelector(".neighbours [rel='next']")?.click(),
  k: () => document.querySelector(".neighbours [rel='prev']")?.click(),
};

// Single keys can get in the way of speech input, so they can be switched off (WCAG 2.1.4).
const useKeys = document.querySelector("#use-keys");
if (useKeys) {
  useKeys.checked = recall("keys") !== "off";
  useKeys.addEventListener("change", () => remember("keys", useKeys.checked ? "on" : "off"));
}

// Where letters are written, or choose from a list, they are no commands.
const WRITTEN_IN = "textarea, select, input:not([type='radio'], [type='checkbox'], [type='range'])";

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (!useKeys?.checked || event.target.matches(WRITTEN_IN)) return;
  if (sheet?.open && event.key !== "?") return;
  const act = keys[event.key.toLowerCase()];
  if (!act || (event.repeat && !/^[-+=]$/.test(event.key))) return;
  event.preventDefault();
  act();
});

// A picture that does not come says so, instead of a broken image under an outline.
function sayMissing(image) {
  const note = document.createElement("p");
  note.className = "message refusal";
  note.setAttribute("role", "alert");
  note.textContent = image.classList.contains("overlay")
    ? say("The map could not be loaded. Reload the page to try again.")
    : say("The film could not be loaded. Reload the page to try again.");
  image.closest(".stack").replaceChildren(note);
}

for (const image of document.querySelectorAll(".stack img")) {
  if (image.complete && image.naturalWidth === 0) sayMissing(image);
  else image.addEventListener("error", () => sayMissing(image));
}
