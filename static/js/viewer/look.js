// How the films of the page are looked at: one state, so that pictures side by side move together.

import { recallHere, rememberHere } from "../memory.js";

export const FURTHEST = 12; // times the fitted size

export const ARROWS = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
};

// Where a film lies is the film's own; how its greys are shown is kept for the next one in this tab.
export const look = {
  zoom: 1,
  x: 0, // how far the film is moved, as a share of the picture's box
  y: 0,
  turn: 0, // quarters, clockwise
  inverted: recallHere("inverted") === "on",
  preset: recallHere("preset") ?? "read",
  window: parse(recallHere("window")), // by hand: [low, high], 0 and 1 being the film's as it was read
  tool: recallHere("tool") ?? "move",
};

const listeners = new Set();
let waiting = 0;

export function onLook(listener) {
  listeners.add(listener);
}

// Draws once a frame, however many events there were.
export function change(changes) {
  Object.assign(look, changes);
  if (!waiting) waiting = requestAnimationFrame(tell);
}

function tell() {
  waiting = 0;
  rememberHere("inverted", look.inverted ? "on" : "off");
  rememberHere("preset", look.preset);
  rememberHere("window", JSON.stringify(look.window));
  rememberHere("tool", look.tool);
  for (const listener of listeners) listener();
}

function parse(text) {
  try {
    const window = JSON.parse(text);
    return Array.isArray(window) && window.length === 2 && window[0] < window[1] ? window : [0, 1];
  } catch {
    return [0, 1];
  }
}
