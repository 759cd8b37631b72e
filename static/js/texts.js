// The scripts' texts in the language of the page: the server puts those of other languages than
// English on <html>, by the English ones.

const texts = JSON.parse(document.documentElement.dataset.texts ?? "{}");

// The language for figures and moments; digits as everywhere on the pages.
const { lang } = document.documentElement;
export const locale = lang === "en" ? "en-GB" : `${lang}-u-nu-latn`;

// {name} in a text stands for a value.
export function say(text, values = {}) {
  return (texts[text] ?? text).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export function percent(share) {
  if (lang === "en") return `${Math.round(100 * share)} %`;
  return new Intl.NumberFormat(locale, { style: "percent" }).format(share);
}
