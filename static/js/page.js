// Every page: the theme switch, and times in the reader's own time zone.

import { locale } from "./texts.js";
import { recall, remember } from "./memory.js";

function offerThemes() {
  const root = document.documentElement;
  const switches = document.querySelectorAll("input[name='theme']");
  const chosen = recall("theme") ?? "auto";
  for (const radio of switches) {
    radio.checked = radio.value === chosen;
    radio.addEventListener("change", () => {
      remember("theme", radio.value);
      if (radio.value === "auto") delete root.dataset.theme;
      else root.dataset.theme = radio.value;
    });
  }
}

function localiseTimes() {
  const format = new Intl.DateTimeFormat(locale, {
    dateStyle: "medium",
    timeStyle: "long", // to the second, with the zone: films are told apart, and paper travels
  });
  for (const element of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.getTime())) continue;
    element.title = element.textContent.trim();
    element.textContent = format.format(moment);
  }
}

offerThemes();
localiseTimes();
