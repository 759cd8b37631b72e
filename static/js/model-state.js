// The line that says whether the model is ready, kept true while the model loads.

const POLL_EVERY_MS = 1500;

const line = document.querySelector("[data-ready-url]");

export function isLoading() {
  return line?.dataset.state === "loading";
}

async function ask(url) {
  try {
    const answer = await fetch(url, { cache: "no-store" });
    return answer.ok;
  } catch {
    return false;
  }
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS));
}

async function watch() {
  while (!(await ask(line.dataset.readyUrl))) await pause();
  line.dataset.state = "ready";
  line.querySelector("[data-state-text]").textContent = "ready";
}

// Resolves when the model answers; at once where it is not loading.
export const ready = isLoading() ? watch() : Promise.resolve();
