// One film of the page: its picture, what lies over it, and the canvas that shows it through a window.

import { loadLevels } from "./levels.js";
import { FURTHEST, look } from "./look.js";
import { makePainter } from "./painter.js";

export class Pane {
  constructor(stack, onLevels) {
    this.stack = stack;
    stack.tabIndex = 0; // for the arrow keys
    this.image = stack.querySelector("img");
    this.film = { width: Number(stack.dataset.width), height: Number(stack.dataset.height) };
    this.spacing = stack.dataset.spacing ? stack.dataset.spacing.split(" ").map(Number) : null;
    this.levels = null;
    this.onLevels = onLevels;
    this.caption = document.createElement("span");
    this.caption.className = "figures-of-view";
    this.caption.setAttribute("aria-hidden", "true"); // it changes with every step of a drag
    stack.append(this.caption);
    new ResizeObserver(() => this.draw()).observe(stack);
  }

  get isShown() {
    return this.stack.clientWidth > 0 && this.image?.isConnected;
  }

  // Of the film fitted into its box and turned: screen pixels to a film pixel.
  get fitted() {
    const { clientWidth: width, clientHeight: height } = this.stack;
    const { width: w, height: h } = look.turn % 2 ? turned(this.film) : this.film;
    return Math.min(width / w, height / h);
  }

  get scale() {
    return look.zoom * this.fitted;
  }

  // The zoom at which a pixel of the film is one of the screen.
  get oneToOne() {
    return 1 / (this.fitted * devicePixelRatio);
  }

  clamp(zoom) {
    return Math.min(Math.max(zoom, Math.min(1, this.oneToOne)), Math.max(FURTHEST, this.oneToOne));
  }

  // Not so far that the film leaves its box.
  held(zoom, x, y) {
    const { width, height } = look.turn % 2 ? turned(this.film) : this.film;
    const scale = zoom * this.fitted;
    const most = (side, box) => Math.max(0, (side * scale - box) / 2 / box);
    const [mx, my] = [most(width, this.stack.clientWidth), most(height, this.stack.clientHeight)];
    return { zoom, x: Math.min(mx, Math.max(-mx, x)), y: Math.min(my, Math.max(-my, y)) };
  }

  // Zoomed about a point of the box, in pixels from its middle, which stays where it is.
  zoomed(zoom, px = 0, py = 0) {
    const { clientWidth: width, clientHeight: height } = this.stack;
    const to = this.clamp(zoom);
    const share = to / look.zoom;
    return this.held(
      to,
      (px - share * (px - look.x * width)) / width,
      (py - share * (py - look.y * height)) / height,
    );
  }

  // From pixels of the box to pixels of the film, and back.
  toFilm(px, py) {
    const { clientWidth: width, clientHeight: height } = this.stack;
    const dx = (px - width / 2 - look.x * width) / this.scale;
    const dy = (py - height / 2 - look.y * height) / this.scale;
    const [cos, sin] = QUARTERS[look.turn];
    return [this.film.width / 2 + cos * dx + sin * dy, this.film.height / 2 - sin * dx + cos * dy];
  }

  toBox(fx, fy) {
    const { clientWidth: width, clientHeight: height } = this.stack;
    const [dx, dy] = [fx - this.film.width / 2, fy - this.film.height / 2];
    const [cos, sin] = QUARTERS[look.turn];
    return [
      width / 2 + look.x * width + (cos * dx - sin * dy) * this.scale,
      height / 2 + look.y * height + (sin * dx + cos * dy) * this.scale,
    ];
  }

  // The window in force, in levels; null while the picture is shown as it was read.
  get window() {
    if (look.preset === "read") return null;
    if (!this.levels) return null;
    if (look.preset !== "hand") return this.levels[look.preset];
    return look.window.map((share) => this.fromShare(share));
  }

  fromShare(share) {
    const [low, high] = this.levels.read;
    return low + share * (high - low);
  }

  toShare(level) {
    const [low, high] = this.levels.read;
    return (level - low) / (high - low);
  }

  draw() {
    if (!this.isShown) return;
    const { clientWidth: width, clientHeight: height } = this.stack;
    const fit = this.fitted / Math.min(width / this.film.width, height / this.film.height);
    this.stack.style.setProperty(
      "--look",
      `translate(${look.x * width}px, ${look.y * height}px) rotate(${90 * look.turn}deg) scale(${look.zoom * fit})`,
    );
    this.stack.style.setProperty("--look-scale", String(look.zoom * fit));
    const window = this.window;
    if (window) this.paint(window);
    else if (look.preset !== "read") this.load();
    this.canvas?.classList.toggle("unused", !window);
  }

  paint(window) {
    if (!this.canvas) {
      this.canvas = document.createElement("canvas");
      this.canvas.className = "windowed";
      this.canvas.setAttribute("aria-hidden", "true"); // the picture under it has the text
      this.image.after(this.canvas);
      this.painter = makePainter(this.canvas, this.levels);
    }
    const width = Math.round(this.stack.clientWidth * devicePixelRatio);
    const height = Math.round(this.stack.clientHeight * devicePixelRatio);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      this.canvas.width = width;
      this.canvas.height = height;
    }
    const start = this.toFilm(0, 0);
    const along = ([x, y]) => [(x - start[0]) / devicePixelRatio, (y - start[1]) / devicePixelRatio];
    this.painter({ start, across: along(this.toFilm(1, 0)), down: along(this.toFilm(0, 1)) }, window);
  }

  // Once; what cannot be had is said, and the picture stays as it was read.
  load() {
    this.loading ??= loadLevels(this.stack, this.image).then(
      (levels) => {
        this.levels = levels;
        this.draw();
        this.onLevels(this);
      },
      () => this.onLevels(null),
    );
    return this.loading;
  }
}

const QUARTERS = [
  [1, 0],
  [0, 1],
  [-1, 0],
  [0, -1],
];

function turned({ width, height }) {
  return { width: height, height: width };
}
