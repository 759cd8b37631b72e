// The line that says whether the model is ready, kept true while the model loads.

const POLL_EVERY_MS = 1500;

const line = document.querySelector("[data-ready-url]");

export function isLoading() {
  return line?.dataset.state === "loading";
}

// "ready", "loading", or the sentence that says why no film can be read.
async function ask(url) {
  try {
    const answer = await fetch(url, { cache: "no-store" });
    if (answer.ok) return "ready";
    const problem = await answer.json();
    return problem.code === "model_not_ready" ? "loading" : problem.detail;
  } catch {
    return "loading"; // The server may be starting; ask again.
  }
}

function pause() {
  return new Promise((resolve) => setTimeout(resolve, POLL_EVERY_MS));
}

async function watch() {
  let answer = await ask(line.dataset.readyUrl);
  while (answer === "loading") {
    await pause();
    answer = await ask(line.dataset.readyUrl);
  }
  line.dataset.state = answer === "ready" ? "ready" : "failed";
  line.querySelector("[data-state-text]").textContent = answer;
}

// Resolves when the model has loaded, well or badly; at once where it is not loading.
export const ready = isLoading() ? watch() : Promise.resolve();
