// Wheel, drag and pinch on a film. What one finger or button does is the chosen tool's.

import { change, look } from "./look.js";

const A_STEP = 1.0015; // zoom for a pixel of the wheel's way

export function followPointer(pane, tools) {
  const { stack } = pane;
  const down = new Map(); // pointers on the film: id to where they are
  let drag = null;
  let pinch = null;

  // At its fitted size a finger scrolls the page; once enlarged it moves the film.
  const place = (event) => {
    const box = stack.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  stack.addEventListener(
    "wheel",
    (event) => {
      const isOut = event.deltaY > 0;
      // A page that is scrolled comes back first, and one at its fitted size scrolls on.
      const isPages = isOut ? look.zoom <= 1 : window.scrollY > 0 && look.zoom <= 1;
      if (isPages && !event.ctrlKey && !document.fullscreenElement) return;
      event.preventDefault();
      const way = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 * event.deltaY : event.deltaY;
      const [x, y] = place(event);
      const zoom = look.zoom * A_STEP ** -(event.ctrlKey ? 5 * way : way);
      const least = isOut ? Math.min(1, pane.oneToOne) : 0;
      const near = Math.abs(zoom - 1) < 0.02 ? 1 : Math.max(zoom, least);
      change(pane.zoomed(near, x - stack.clientWidth / 2, y - stack.clientHeight / 2));
    },
    { passive: false },
  );

  stack.addEventListener("pointerdown", (event) => {
    if (event.target.closest("a, button")) return;
    down.set(event.pointerId, place(event));
    stack.setPointerCapture(event.pointerId);
    if (down.size === 2) {
      drag?.end?.();
      drag = null;
      pinch = between(down);
      return;
    }
    // The right button is the window's, whatever the tool, as on a PACS.
    const tool = event.button === 2 || event.shiftKey ? tools.window : tools[look.tool];
    drag = tool(pane, ...place(event));
  });

  stack.addEventListener("pointermove", (event) => {
    if (!down.has(event.pointerId)) return;
    const [x, y] = place(event);
    const [before, after] = [down.get(event.pointerId), [x, y]];
    down.set(event.pointerId, after);
    if (down.size === 2) {
      const now = between(down);
      const { clientWidth: width, clientHeight: height } = stack;
      const { zoom, x: mx, y: my } = pane.zoomed(
        look.zoom * (now.apart / pinch.apart),
        pinch.x - width / 2,
        pinch.y - height / 2,
      );
      change(pane.held(zoom, mx + (now.x - pinch.x) / width, my + (now.y - pinch.y) / height));
      pinch = now;
    } else drag?.move?.(x - before[0], y - before[1], x, y);
  });

  const up = (event) => {
    if (!down.delete(event.pointerId)) return;
    pinch = null;
    drag?.end?.();
    drag = null;
  };
  stack.addEventListener("pointerup", up);
  stack.addEventListener("pointercancel", up);
  stack.addEventListener("contextmenu", (event) => event.preventDefault());
  stack.addEventListener("dragstart", (event) => event.preventDefault());
  stack.addEventListener("dblclick", (event) => {
    const [x, y] = place(event);
    const to = look.zoom > 1 ? 1 : 2.5;
    change(pane.zoomed(to, x - stack.clientWidth / 2, y - stack.clientHeight / 2));
  });
}

function between(down) {
  const [[ax, ay], [bx, by]] = [...down.values()];
  return { x: (ax + bx) / 2, y: (ay + by) / 2, apart: Math.max(1, Math.hypot(ax - bx, ay - by)) };
}
