// Many films: sent a few at a time, each with its progress, its verdict, its own error. The page of
// the batch is the server's; this script sends, and shows what the server cannot know: what waits,
// and the files' names, which stay in this tab (sessionStorage) and are gone with it.

import { countMembers, isArchive, pathOf } from "./files.js";
import { say } from "./texts.js";

const AT_ONCE = 3;
const LOOK_AGAIN_MS = 1500;
const NO_ANSWER_S = 5;

const text = (tag, className, content) => {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = content;
  return element;
};

const names = {
  key: (batch) => `reader.batch.${batch}`,
  recall(batch) {
    try {
      return JSON.parse(sessionStorage.getItem(this.key(batch))) ?? [];
    } catch {
      return [];
    }
  },
  remember(batch, list) {
    try {
      sessionStorage.setItem(this.key(batch), JSON.stringify(list));
    } catch {
      // Storage may be forbidden or full; after a reload the files then go by their numbers.
    }
  },
};

function newBatch() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const fileNumber = (position) => say("File {number}", { number: position });

// The name where the line says no reference.
function putName(line, name) {
  const label = line.querySelector("[data-name]");
  if (name && label.textContent === fileNumber(line.dataset.position)) label.textContent = name;
}

function lineFor(position, name, words) {
  const line = document.createElement("li");
  line.value = position;
  line.dataset.position = position;
  line.dataset.outcome = "waiting";
  const entry = text("div", "entry", "");
  const label = text("span", "entry-name", name || fileNumber(position));
  label.dataset.name = "";
  entry.append(label, text("span", "soft", words));
  line.append(text("span", "thumbnail missing", ""), entry);
  return line;
}

function sayOn(line, words, share) {
  line.querySelector(".soft").textContent = words;
  let bar = line.querySelector("progress");
  if (!bar) {
    bar = document.createElement("progress");
    bar.setAttribute("aria-label", line.querySelector("[data-name]").textContent);
    line.querySelector(".entry").append(bar);
  }
  if (share === null) bar.removeAttribute("value");
  else bar.value = share;
}

// One file to its place; resolves with status, text and the Retry-After, 0 for no answer at all.
function post(address, body, onProgress) {
  return new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("Accept", "application/problem+json, text/html;q=0.5");
    request.upload.addEventListener("progress", (event) => onProgress(event.loaded / event.total));
    request.addEventListener("loadend", () =>
      resolve({
        status: request.status,
        text: request.responseText,
        isLine: (request.getResponseHeader("Content-Type") ?? "").startsWith("text/html"),
        retryAfterS: Number(request.getResponseHeader("Retry-After")) || NO_ANSWER_S,
      }),
    );
    request.send(body);
  });
}

class Batch {
  constructor(id, form, address) {
    this.id = id;
    this.fields = new FormData(form);
    this.address = address;
    this.files = []; // by position, from 1 on; an archive's places are empty but for its first
    this.names = [];
    this.total = 0;
    this.adding = Promise.resolve();
    this.waiting = [];
    this.busy = 0;
    this.settled = 0;
    this.pausedUntil = 0;
    this.maxBytes = Number(form.dataset.maxMegabytes) * 2 ** 20;
  }

  async open() {
    const page = await (await fetch(this.address)).text();
    const own = new DOMParser().parseFromString(page, "text/html");
    history.pushState({ batch: this.id }, "", this.address);
    document.title = own.title;
    document.querySelector("main").replaceChildren(...own.querySelector("main").children);
    document.querySelector(".places [aria-current]")?.removeAttribute("aria-current");
    this.root = document.querySelector("[data-batch]");
    this.root.querySelector("[data-batch-empty]")?.remove();
    this.lines = this.root.querySelector(".batch-lines");
    this.root.querySelector("#batch-title").focus();
    this.root.querySelector("[data-batch-stop]").addEventListener("click", () => this.stop());
    this.lines.addEventListener("click", (event) => this.turn(event));
    window.addEventListener("popstate", () => location.reload());
    window.addEventListener("beforeunload", (event) => this.isDone || event.preventDefault());
  }

  get isDone() {
    return this.waiting.length === 0 && this.busy === 0;
  }

  add(files) {
    this.adding = this.adding.then(() => this.addAll(files));
    return this.adding;
  }

  // The directory of a disc is sent before what lies in its folder: the answer says what to send.
  async addAll(files) {
    let rest = [...files];
    for (const directory of files.filter((file) => /^dicomdir$/i.test(file.name))) {
      const folder = pathOf(directory).slice(0, -directory.name.length);
      const inside = rest.filter((file) => file !== directory && pathOf(file).startsWith(folder));
      rest = rest.filter((file) => file !== directory && !inside.includes(file));
      await this.queue(directory, { inside, folder });
    }
    for (const file of rest) await this.queue(file);
    this.go();
  }

  async queue(file, disc = null) {
    const packed = await isArchive(file);
    const span = packed ? await countMembers(file) : 1;
    if (this.files.length + span > Number(this.root.dataset.most)) {
      this.sayWait(say("Only the first {most} files are taken.", { most: this.root.dataset.most }));
      return;
    }
    const position = this.files.length + 1;
    const line = lineFor(position, file.name, say("Waiting"));
    if (packed) {
      delete line.dataset.position; // its films' lines will have it
      line.dataset.archive = position;
    }
    this.lines.append(line);
    this.files.push(file, ...Array(span - 1).fill(null));
    this.names.push(file.name, ...Array(span - 1).fill(""));
    this.total += span;
    this.waiting.push({ position, turn: 0, packed, span, disc });
    names.remember(this.id, this.names);
  }

  go() {
    this.showState();
    while (this.busy < AT_ONCE && this.waiting.length > 0) {
      const job = this.waiting.shift();
      this.busy += 1;
      this.send(job).finally(() => {
        this.busy -= 1;
        this.go();
      });
    }
  }

  async send(job) {
    const { position, turn, packed } = job;
    const file = this.files[position - 1];
    for (;;) {
      await this.untilWelcome();
      const line = this.lineOf(job);
      if (this.stopped) {
        line.querySelector(".soft").textContent = say("Not sent");
        return;
      }
      sayOn(line, say("Sending"), 0);
      const watch = packed && setInterval(() => this.lookAgain(job).catch(() => {}), LOOK_AGAIN_MS);
      const answer = await post(`${this.address}/${position}`, this.body(file, turn), (share) =>
        sayOn(line, share < 1 ? say("Sending") : say("Reading"), share < 1 ? share : null),
      );
      clearInterval(watch);
      if (answer.status === 429 || answer.status === 503 || answer.status === 0) {
        this.pause(answer);
        sayOn(line, say("Waiting for the server"), 0);
        continue;
      }
      await this.settle(job, answer);
      return;
    }
  }

  lineOf({ position, packed }) {
    return packed ? this.lines.querySelector(`[data-archive="${position}"]`) : this.line(position);
  }

  // While an archive is read: its films' lines, as far as the page that the server has shows them.
  async lookAgain(job) {
    const page = new DOMParser().parseFromString(await (await fetch(this.address)).text(), "text/html");
    const waiting = this.lineOf(job);
    for (const line of page.querySelectorAll(".batch-lines > li")) {
      const place = Number(line.dataset.position) - job.position;
      if (waiting && place >= 0 && place < job.span && !this.line(line.dataset.position)) waiting.before(line);
    }
    this.showState();
  }

  body(file, turn) {
    const body = new FormData();
    for (const [name, value] of this.fields) if (typeof value === "string") body.set(name, value);
    body.set("turn", String(turn));
    // One that is too large is not sent: its size alone says why it is refused.
    if (file.size > this.maxBytes) body.set("bytes", String(file.size));
    else body.set("image", file);
    return body;
  }

  // What the server answers is the file's line, or those of an archive's films, or a problem that it
  // does not keep.
  async settle(job, answer) {
    const { position, packed, span, disc } = job;
    const line = this.lineOf(job);
    const parsed = answer.isLine && new DOMParser().parseFromString(answer.text, "text/html");
    const own = parsed ? [...parsed.querySelectorAll("li")] : [];
    if (own.length === 0) {
      const refused = lineFor(position, this.files[position - 1].name, "");
      refused.dataset.outcome = "refused";
      refused.querySelector(".soft").textContent = this.problem(answer);
      own.push(refused);
    }
    for (const one of own) {
      const place = Number(one.dataset.position);
      if (packed) {
        this.line(place)?.remove(); // seen before the answer, without its name
        const name = one.querySelector("[data-name]").textContent;
        this.names[place - 1] = name === fileNumber(place) ? "" : name;
      }
      putName(one, this.names[place - 1]);
      const button = one.querySelector("[data-turn-line]");
      if (button) button.hidden = packed; // the film itself is not at hand
    }
    this.settled += own.length;
    this.total -= span - own.length;
    names.remember(this.id, this.names);
    line.replaceWith(...own);
    if (disc) await this.takeFrom(disc, own[0].dataset.films);
  }

  async takeFrom({ inside, folder }, listed) {
    const wanted = listed && new Set(JSON.parse(listed).map((path) => path.toLowerCase()));
    const files = inside.filter(
      (file) => !wanted || wanted.has(pathOf(file).slice(folder.length).toLowerCase()),
    );
    for (const file of files) await this.queue(file);
    const left = inside.length - files.length;
    if (left) this.sayWait(say("{left} files beside the disc’s directory are none of the X-ray pictures that it lists, and were left aside.", { left }));
  }

  problem(answer) {
    try {
      return JSON.parse(answer.text).detail;
    } catch {
      return say("The server gave no answer that can be read. Send this file again.");
    }
  }

  // Everything waits as long as the server asks for, not only the film that it said so of.
  pause(answer) {
    this.pausedUntil = Math.max(this.pausedUntil, Date.now() + answer.retryAfterS * 1000);
    const reason = answer.status === 0 ? say("The server cannot be reached.") : this.problem(answer);
    this.sayWait(say("{reason} Going on by itself in {seconds} s.", { reason, seconds: answer.retryAfterS }));
  }

  async untilWelcome() {
    while (Date.now() < this.pausedUntil && !this.stopped) {
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    if (this.pausedUntil && Date.now() >= this.pausedUntil) {
      this.pausedUntil = 0;
      this.sayWait("");
    }
  }

  sayWait(words) {
    const place = this.root.querySelector("[data-batch-wait]");
    place.textContent = words;
    place.hidden = words === "";
  }

  stop() {
    this.stopped = true;
    for (const job of this.waiting.splice(0)) {
      this.lineOf(job).querySelector(".soft").textContent = say("Not sent");
    }
    this.sayWait("");
    this.showState();
  }

  turn(event) {
    const button = event.target.closest("[data-turn-line]");
    if (!button) return;
    const line = button.closest("li");
    const position = Number(line.dataset.position);
    this.stopped = false;
    this.settled -= 1;
    line.replaceWith(lineFor(position, this.files[position - 1].name, say("Waiting")));
    this.waiting.push({ position, turn: Number(button.dataset.turnLine), packed: false, span: 1 });
    this.go();
  }

  line(position) {
    return this.lines.querySelector(`[data-position="${position}"]`);
  }

  showState() {
    const refused = this.lines.querySelectorAll("[data-outcome='refused']").length;
    const read = this.lines.querySelectorAll("[data-outcome='read']").length;
    const all = this.total;
    const unread = all - read - refused;
    this.root.querySelector("[data-batch-state]").textContent =
      this.isDone || !unread
        ? say("{all} files: {read} read, {refused} not read", { all, read, refused })
        : say("{all} files: {read} read, {refused} not read, {unread} to go", { all, read, refused, unread });
    const progress = this.root.querySelector("[data-batch-progress]");
    progress.hidden = this.isDone;
    progress.querySelector("progress").value = all ? this.settled / all : 0;
    document.title = document.title.replace(/^(\(\d+ \/ \d+\) )?/, this.isDone ? "" : `(${this.settled} / ${all}) `);
    if (this.isDone && !this.stopped && all) this.complete();
  }

  // The server's own head of the page: counts, and the ways on.
  async complete() {
    const answer = await fetch(this.address);
    if (!answer.ok) return;
    const own = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of [".worklist-links", ".batch-counts"]) {
      const fresh = own.querySelector(part);
      const old = this.root.querySelector(part);
      if (!fresh) continue;
      if (old) old.replaceWith(fresh);
      else this.lines.before(fresh);
    }
  }
}

let current = null;

// Begin a batch with the form's answers, or add to the one that this page shows.
export async function sendTogether(form, files) {
  if (!current) {
    const id = newBatch();
    current = new Batch(id, form, `${form.dataset.batches}${id}`);
    await current.open();
  }
  current.add(files);
}

// A page of a batch that the server sent: names, and the files that never went out.
const shown = document.querySelector("[data-batch]");
if (shown) {
  const kept = names.recall(shown.dataset.batch);
  const lines = shown.querySelector(".batch-lines");
  kept.forEach((name, index) => {
    const line = lines.querySelector(`[data-position="${index + 1}"]`);
    if (line) {
      putName(line, name);
      return;
    }
    if (name === "") return; // a place of an archive
    const unsent = lineFor(index + 1, name, say("Not here: it was deleted, or the page was closed before it was sent. Send it again."));
    const next = [...lines.children].find((one) => Number(one.dataset.position) > index + 1);
    lines.insertBefore(unsent, next ?? null);
  });
  if (kept.length) shown.querySelector("[data-batch-empty]")?.remove();
}
