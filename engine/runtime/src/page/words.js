// Numbers and times as people read them, and elements that hold text and nothing else.

const GROUPED = new Intl.NumberFormat("en-US");
const SHARE = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 3 });

export const count = (number) => (number == null ? "–" : GROUPED.format(number));

/** At most five characters: 9,999, then 12.3k, 4.56M. */
export function compact(number) {
  if (number == null) return "–";
  for (const [size, unit] of [[1e9, "B"], [1e6, "M"], [1e4, "k"]]) {
    if (number >= size) return SHARE.format(number / (unit === "k" ? 1e3 : size)) + unit;
  }
  return GROUPED.format(number >= 10 ? Math.round(number) : Math.round(number * 10) / 10);
}

export function bytes(number) {
  if (number == null) return "–";
  for (const [size, unit] of [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]]) {
    if (number >= size) return `${SHARE.format(number / size)} ${unit}`;
  }
  return `${number} B`;
}

/** A latency: 0 is below what is measured. */
export function latency(ms) {
  if (ms == null) return "–";
  if (ms < 1) return "<1 ms";
  if (ms < 10_000) return `${GROUPED.format(ms)} ms`;
  return span(ms);
}

/** A time that has passed, in whole units. */
export function span(ms) {
  if (ms == null) return "–";
  const seconds = Math.floor(ms / 1000);
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} days`;
}

export function share(part, whole) {
  if (!whole || !part) return part ? "" : "0 %";
  const percent = (100 * part) / whole;
  if (percent < 0.1) return "<0.1 %";
  return `${percent >= 99.95 && part < whole ? "99.9" : percent.toFixed(percent < 99.95 ? 1 : 0)} %`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
const DAY = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

export const clock = (unixMs) => CLOCK.format(new Date(unixMs));

/** Time of day, with the date when it is not today's. */
export function moment(unixMs) {
  const then = new Date(unixMs);
  if (Number.isNaN(then.getTime())) return "";
  return then.toDateString() === new Date().toDateString() ? clock(unixMs) : `${DAY.format(then)}, ${clock(unixMs)}`;
}

/** An element with text in it. Whatever comes from a record goes through here, and stays text. */
export function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text != null) made.textContent = text;
  return made;
}

export function put(id, text) {
  const found = document.getElementById(id);
  if (found.textContent !== text) found.textContent = text;
}

export function row(...cells) {
  const made = element("tr");
  made.append(...cells);
  return made;
}

export const cell = (text, className) => element("td", className, text);
