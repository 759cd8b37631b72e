// The home page's form: drop films anywhere, paste one, or choose them; then say what is going on.
// The form is posted as it would be without this script, so both ways end on the same page; sent
// by fetch, though, so that a refused film is still in hand and can be turned without asking again.

import { sendTogether } from "./batch.js";
import { filesOf, isArchive, withoutLitter } from "./files.js";
import { isLoading, ready } from "./model-state.js";
import { say } from "./texts.js";

const form = document.querySelector("form.upload");
const input = form.querySelector("input[type='file']");
const button = form.querySelector("button[type='submit']");
const state = form.querySelector("[data-upload-state]");
const refusal = document.querySelector("[data-refusal]");
const buttonText = button.textContent;
const refusedFilm = refusal.querySelector("[data-refused]");
const turnButton = refusal.querySelector("[data-turn]");
const maxMegabytes = Number(form.dataset.maxMegabytes);

function describe(file) {
  const kilobytes = file.size / 1024;
  const size =
    kilobytes < 1024
      ? say("{size} kB", { size: Math.ceil(kilobytes) })
      : say("{size} MB", { size: (kilobytes / 1024).toFixed(1) });
  return `${file.name}, ${size}`;
}

function refuse(title, detail) {
  refusal.querySelector("h2").textContent = title;
  refusal.querySelector("#refusal").textContent = detail;
  refusedFilm.textContent = "";
  turnButton.hidden = true;
  refusal.hidden = false;
  refusal.focus();
}

// Large files are refused here as well, to spare an upload whose end is known.
function isTooLarge(file) {
  if (file.size <= maxMegabytes * 2 ** 20) return false;
  const size = (file.size / 2 ** 20).toFixed(1);
  refuse(
    say("The file is too large"),
    say("{name} has {size} MB; at most {most} MB are accepted. Export the film at a lower resolution or as JPEG.", {
      name: file.name,
      size,
      most: maxMegabytes,
    }),
  );
  return true;
}

function showChoice() {
  const [file, ...others] = input.files;
  const number = input.files.length;
  const one = file ? say("Chosen: {file}", { file: describe(file) }) : "";
  state.textContent = others.length ? say("Chosen: {number} files", { number }) : one;
  button.textContent = others.length ? say("Read {number} films", { number }) : buttonText;
}

function showBusy(text) {
  form.dataset.busy = "";
  button.disabled = true;
  button.textContent = text;
  state.textContent = input.files[0] ? describe(input.files[0]) : "";
}

function showIdle() {
  delete form.dataset.busy;
  button.disabled = false;
  showChoice();
}

async function take(given) {
  const files = [...given]; // before anything is waited for: a clipboard's list is emptied after
  if (form.hasAttribute("data-busy") || files.length === 0) return;
  if (files.length > 1 || !form.isConnected || (await isArchive(files[0]))) {
    sendTogether(form, files); // also where the page has become that of a batch
    return;
  }
  const transfer = new DataTransfer();
  transfer.items.add(files[0]);
  input.files = transfer.files;
  showChoice();
  form.requestSubmit(button);
}

// Sends the form; a refusal comes back as JSON, and the film stays chosen.
async function send(turn = 0) {
  showBusy(say("Reading…"));
  const body = new FormData(form);
  body.set("turn", String(turn));
  let answer;
  try {
    answer = await fetch(form.action, {
      method: "POST",
      body,
      headers: { Accept: "application/problem+json, text/html;q=0.5" },
    });
  } catch {
    form.submit(); // The browser's own way; it says what is wrong with the connection.
    return;
  }
  if (answer.ok) {
    location.assign(answer.url);
    return;
  }
  const problem = await answer.json();
  showIdle();
  refuse(problem.title, problem.detail);
  refusal.dataset.code = problem.code;
  const reference = form.elements.reference.value.trim();
  refusedFilm.textContent = [reference, input.files[0]?.name].filter(Boolean).join(", ");
  if (problem.turn) {
    turnButton.hidden = false;
    turnButton.onclick = () => {
      refusal.hidden = true;
      send(problem.turn);
    };
  }
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  refusal.hidden = true;
  const [file, ...others] = input.files;
  const isBatch = others.length > 0 || (file && (await isArchive(file)));
  if (form.hasAttribute("data-busy")) return;
  if (isBatch) {
    sendTogether(form, [...input.files]);
    return;
  }
  if (file && isTooLarge(file)) return;
  if (!isLoading()) {
    send();
    return;
  }
  showBusy(say("Waiting for the model…"));
  ready.then(() => send());
});

input.addEventListener("change", () => {
  refusal.hidden = true;
  showChoice();
});

form.querySelector("[data-folder]").addEventListener("change", (event) => {
  const files = withoutLitter(event.target.files);
  if (files.length === 0) refuse(say("The folder is empty"), say("There is no file in it. Choose another one."));
  else take(files);
});

// A page that comes back from the browser's history must not still say that it is busy.
window.addEventListener("pageshow", showIdle);

window.addEventListener("paste", (event) => {
  if (!event.clipboardData?.files.length) return;
  event.preventDefault();
  take(event.clipboardData.files);
});

function carriesFiles(event) {
  return event.dataTransfer?.types.includes("Files") ?? false;
}

const root = document.documentElement;
let depth = 0; // dragenter and dragleave fire for every element on the way

window.addEventListener("dragenter", (event) => {
  if (!carriesFiles(event)) return;
  depth += 1;
  root.dataset.dragging = "";
});

window.addEventListener("dragleave", (event) => {
  if (!carriesFiles(event)) return;
  depth = Math.max(0, depth - 1);
  if (depth === 0) delete root.dataset.dragging;
});

window.addEventListener("dragover", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
});

window.addEventListener("drop", (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  depth = 0;
  delete root.dataset.dragging;
  filesOf(event.dataTransfer).then(take);
});
