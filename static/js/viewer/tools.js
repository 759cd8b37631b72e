// What dragging on a film does, and the arrow keys while it has the focus.

import { ARROWS, change, look } from "./look.js";

const NARROWEST = 0.004; // of the window the film was read in: one grey of a screen

export function move(pane) {
  return {
    move(dx, dy) {
      const { clientWidth: width, clientHeight: height } = pane.stack;
      change(pane.held(look.zoom, look.x + dx / width, look.y + dy / height));
    },
  };
}

// As on a PACS: to the side for the width, up and down for the level.
export function window(pane) {
  pane.load();
  const size = 1.5 * Math.min(pane.stack.clientWidth, 600);
  return {
    move(dx, dy) {
      shift(pane, dx / size, dy / size);
    },
  };
}

export function shift(pane, wider, lighter) {
  if (!pane.levels) return;
  const [low, high] = (pane.window ?? pane.levels.read).map((level) => pane.toShare(level));
  const width = Math.max(NARROWEST, (high - low) * Math.exp(2 * wider));
  const level = (low + high) / 2 + lighter * Math.max(0.5, high - low);
  change({ preset: "hand", window: [level - width / 2, level + width / 2] });
}

// Arrow keys on a film that has the focus: what dragging would do.
export function followArrows(pane, measure) {
  pane.stack.addEventListener("keydown", async (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (look.tool === "measure" && measure.key(event)) {
      event.preventDefault();
      return;
    }
    const way = ARROWS[event.key];
    if (!way) return;
    event.preventDefault();
    const [dx, dy] = way;
    if (look.tool === "window") {
      await pane.load();
      shift(pane, 0.04 * dx, 0.03 * dy);
    } else change(pane.held(look.zoom, look.x - 0.08 * dx, look.y - 0.08 * dy));
  });
}
