// What this browser remembers of a person's preferences. Never anything about a film.

export function recall(name) {
  try {
    return localStorage.getItem(`reader.${name}`);
  } catch {
    return null;
  }
}

export function remember(name, value) {
  try {
    localStorage.setItem(`reader.${name}`, value);
  } catch {
    // Storage may be forbidden; the choice then lasts as long as the page.
  }
}

// For this tab alone: an inverted film must not surprise anybody tomorrow.
export function recallHere(name) {
  try {
    return sessionStorage.getItem(`reader.${name}`);
  } catch {
    return null;
  }
}

export function rememberHere(name, value) {
  try {
    sessionStorage.setItem(`reader.${name}`, value);
  } catch {
    // As above.
  }
}
