// The grey levels of a film, as deep as the server has them, and the windows that suit them.

import { decodePng16 } from "./png16.js";

const SAMPLES = 20_000;

// {width, height, levels: Uint16Array, read, full, lungs, dense}; each window is [low, high] in levels.
export async function loadLevels(stack, image) {
  await image.decode();
  const shown = readShown(image);
  let film = shown;
  if (stack.dataset.levels) {
    const response = await fetch(stack.dataset.levels, { cache: "no-store" });
    if (!response.ok) throw new Error(`${response.status}`);
    film = await decodePng16(await response.arrayBuffer());
  }
  const sorted = sample(film, () => true);
  const full = [sorted[0], Math.max(sorted.at(-1), sorted[0] + 1)];
  return {
    ...film,
    read: film === shown ? [0, 255] : likeShown(film, shown, full),
    full,
    lungs: between(sample(film, insideOf(stack.dataset.lungs)), 0.02, 0.98, full),
    dense: between(sorted, 0.5, 1, full),
  };
}

function readShown(image) {
  const [width, height] = [image.naturalWidth, image.naturalHeight];
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const levels = new Uint16Array(width * height);
  for (let i = 0; i < levels.length; i++) levels[i] = data[4 * i];
  return { width, height, levels };
}

// Which levels the picture of 8 bits shows as black and as white: the straight line through it.
function likeShown(film, shown, full) {
  const step = Math.max(1, Math.floor(film.levels.length / SAMPLES));
  let [n, sx, sy, sxx, sxy] = [0, 0, 0, 0, 0];
  for (let i = 0; i < film.levels.length; i += step) {
    const [x, y] = [film.levels[i], shown.levels[i]];
    if (y <= 8 || y >= 247) continue;
    n += 1;
    sx += x;
    sy += y;
    sxx += x * x;
    sxy += x * y;
  }
  const slope = (n * sxy - sx * sy) / (n * sxx - sx * sx);
  if (!(slope > 0)) return full;
  const low = (sx - sy / slope) / n;
  return [low, low + 255 / slope];
}

// Levels of a grid over the film, in order.
function sample({ width, height, levels }, isMeant) {
  const step = Math.max(1, Math.round(Math.sqrt(levels.length / SAMPLES)));
  const found = [];
  for (let y = step >> 1; y < height; y += step) {
    for (let x = step >> 1; x < width; x += step) {
      if (isMeant(x / width, y / height)) found.push(levels[y * width + x]);
    }
  }
  return found.sort((a, b) => a - b);
}

function between(sorted, low, high, otherwise) {
  if (sorted.length < 100) return otherwise;
  const at = (share) => sorted[Math.round(share * (sorted.length - 1))];
  return [at(low), Math.max(at(high), at(low) + 1)];
}

// Whether a point lies in one of the polygons (even and odd crossings).
function insideOf(text) {
  const polygons = JSON.parse(text || "[]");
  return (x, y) =>
    polygons.some((corners) => {
      let inside = false;
      for (let i = 0, j = corners.length - 1; i < corners.length; j = i++) {
        const [[ax, ay], [bx, by]] = [corners[i], corners[j]];
        if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) inside = !inside;
      }
      return inside;
    });
}
