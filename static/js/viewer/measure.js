// Distances on a film whose file says how large a pixel is. They are drawn, and not kept.

import { locale, say } from "../texts.js";
import { ARROWS, look, onLook } from "./look.js";

const SVG = "http://www.w3.org/2000/svg";

export function makeMeasure(pane, announce) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.classList.add("measures");
  drawing.setAttribute("aria-hidden", "true"); // said in the status line
  pane.stack.append(drawing);
  const lines = []; // [[x, y], [x, y]] in film pixels
  let cursor = null; // of the keyboard

  const length = ([[ax, ay], [bx, by]]) =>
    Math.hypot((bx - ax) * pane.spacing[1], (by - ay) * pane.spacing[0]);
  const text = (line) => `${inMillimetres(length(line))} mm`;

  function draw() {
    if (!pane.isShown) return;
    drawing.replaceChildren(...lines.flatMap(lineOf), ...(cursor ? [crossAt(cursor)] : []));
  }

  function lineOf(line) {
    const [[ax, ay], [bx, by]] = line.map((point) => pane.toBox(...point));
    const label = make("text", { x: bx + 8, y: by - 8 });
    label.textContent = text(line);
    return [make("line", { x1: ax, y1: ay, x2: bx, y2: by }), label];
  }

  function crossAt(point) {
    const [x, y] = pane.toBox(...point);
    return make("path", { d: `M${x - 9} ${y}h18M${x} ${y - 9}v18` });
  }

  function begin(point) {
    lines.push([point, point]);
  }

  function end() {
    const last = lines.at(-1);
    if (!last) return;
    if (length(last) > 0) announce(say("Distance {length}", { length: text(last) }));
    else lines.pop();
    draw();
  }

  // Returns whether the key was one of the measure's.
  function key(event) {
    cursor ??= pane.toFilm(pane.stack.clientWidth / 2, pane.stack.clientHeight / 2);
    const step = event.shiftKey ? 1 : 10; // pixels of the screen
    const [dx, dy] = (ARROWS[event.key] ?? [0, 0]).map((way) => way * step);
    if (event.key === "Enter") {
      if (cursor.isOpen) end();
      else begin([...cursor]);
      cursor.isOpen = !cursor.isOpen;
    } else if (event.key === "Delete" || event.key === "Backspace") {
      lines.pop();
      cursor = null;
      announce(say("The last distance was removed"));
    } else if (dx || dy) {
      const isOpen = cursor.isOpen;
      const [x, y] = pane.toBox(...cursor);
      cursor = pane.toFilm(x + dx, y + dy);
      cursor.isOpen = isOpen;
      if (isOpen) lines.at(-1)[1] = [...cursor];
    } else return false;
    draw();
    return true;
  }

  onLook(() => {
    if (look.tool !== "measure") cursor = null;
    draw();
  });
  new ResizeObserver(draw).observe(pane.stack);

  return {
    key,
    clear() {
      lines.length = 0;
      cursor = null;
      draw();
    },
    drag(_, x, y) {
      begin(pane.toFilm(x, y));
      return {
        move(_dx, _dy, toX, toY) {
          lines.at(-1)[1] = pane.toFilm(toX, toY);
          draw();
        },
        end,
      };
    },
  };
}

function inMillimetres(length) {
  const digits = length < 100 ? 1 : 0;
  return new Intl.NumberFormat(locale, {
    minimumFractionDigits: digits,
    maximumFractionDigits: digits,
    useGrouping: false,
  }).format(length);
}

function make(name, attributes) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}
