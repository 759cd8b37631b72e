// The films of a page and the tools above them. Returns what the keys do.

import { locale, percent, say } from "../texts.js";
import { change, look, onLook } from "./look.js";
import { makeMeasure } from "./measure.js";
import { Pane } from "./pane.js";
import { followPointer } from "./pointer.js";
import { followArrows, move, window as windowing } from "./tools.js";

const STEP = 1.25;
const PRESETS = ["read", "full", "lungs", "dense"];

export function setUpStage(viewer) {
  const bar = viewer.querySelector(".tools");
  if (!bar) return {};
  const part = (name) => bar.querySelector(`[data-${name}]`);
  const status = part("status");
  const announce = (text) => {
    status.textContent = text;
  };
  const panes = [...viewer.querySelectorAll(".stack[data-film]")].map((stack) => new Pane(stack, heard));
  const main = () => panes.find((pane) => pane.isShown) ?? panes[0];
  const rulers = new Map(
    panes.map((pane) => [pane, pane.spacing ? makeMeasure(pane, announce) : null]),
  );

  const tools = {
    move,
    window: windowing,
    measure: (pane, x, y) => rulers.get(pane)?.drag(pane, x, y) ?? move(pane),
  };
  for (const pane of panes) {
    followPointer(pane, tools);
    followArrows(pane, rulers.get(pane) ?? { key: () => false });
  }

  // The levels came, or did not.
  function heard(pane) {
    if (pane === null) {
      announce(say("The film’s grey levels could not be loaded. It is shown as it was read."));
      change({ preset: "read" });
    } else change({});
  }

  const zoomBy = (factor) => change(main().zoomed(look.zoom * factor));
  const acts = {
    in: () => zoomBy(STEP),
    out: () => zoomBy(1 / STEP),
    fit: () => change({ zoom: 1, x: 0, y: 0 }),
    one: () => change(main().zoomed(main().oneToOne)),
    invert: () => change({ inverted: !look.inverted }),
    rotate: () => change({ turn: (look.turn + 1) % 4, zoom: 1, x: 0, y: 0 }),
    reset: () => {
      change({ zoom: 1, x: 0, y: 0, turn: 0, inverted: false, preset: "read", window: [0, 1] });
      for (const ruler of rulers.values()) ruler?.clear();
      announce(say("The film is shown as it was read"));
    },
    full: () =>
      document.fullscreenElement ? document.exitFullscreen() : viewer.requestFullscreen(),
  };
  for (const button of bar.querySelectorAll("[data-act]")) {
    button.addEventListener("click", acts[button.dataset.act]);
  }
  if (!document.fullscreenEnabled) part("act='full'")?.remove();

  const radios = [...bar.querySelectorAll("input[name='tool']")];
  if (!radios.some((radio) => radio.value === look.tool)) change({ tool: "move" });
  for (const radio of radios) {
    radio.addEventListener("change", () => change({ tool: radio.value }));
  }
  const preset = part("preset");
  preset.addEventListener("change", () => change({ preset: preset.value }));

  function show() {
    for (const pane of panes) {
      pane.draw();
      pane.caption.textContent = figures(pane);
    }
    viewer.classList.toggle("inverted", look.inverted);
    viewer.classList.toggle("enlarged", look.zoom > 1 || look.tool !== "move");
    viewer.dataset.tool = look.tool;
    for (const radio of radios) radio.checked = radio.value === look.tool;
    part("act='invert'").setAttribute("aria-pressed", String(look.inverted));
    preset.querySelector("[value='hand']").hidden = look.preset !== "hand";
    preset.value = look.preset;
  }
  onLook(show);
  change({});

  const choose = (tool) => () => radios.some((radio) => radio.value === tool) && change({ tool });
  return {
    "+": acts.in,
    "=": acts.in,
    "-": acts.out,
    0: acts.fit,
    9: acts.one,
    i: acts.invert,
    r: acts.rotate,
    f: () => document.fullscreenEnabled && acts.full(),
    v: choose("move"),
    w: choose("window"),
    d: choose("measure"),
    p: () => change({ preset: PRESETS[(PRESETS.indexOf(look.preset) + 1) % PRESETS.length] }),
    x: acts.reset,
  };
}

// Window and level as a PACS writes them, and how large a film pixel is on the screen.
function figures(pane) {
  const size = percent(pane.scale * devicePixelRatio);
  const window = pane.window;
  if (!window) return size;
  const [low, high] = window.map(Math.round);
  const number = (value) => value.toLocaleString(locale);
  return `W ${number(high - low)} L ${number(Math.round((low + high) / 2))} · ${size}`;
}
