// The search box: asks while people type, and again each second for a while, so that what is sent now turns up.
import { element, moment, put } from "./words.js";

const PAUSE_MS = 200;
const AGAIN_MS = 1000;
/** Nobody looks at the same words for longer. */
const AGAIN_FOR_MS = 120_000;

let flow = "";
let timer = 0;
let typed = 0;
let asked = 0;
let shown = "";

/** Searches what that flow has written. */
export function begin(name) {
  flow = name;
  const query = document.getElementById("query");
  query.addEventListener("input", () => later(PAUSE_MS, true));
  document.getElementById("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    later(0, true);
  });
  document.addEventListener("visibilitychange", () => later(0, false));
}

function later(ms, byHand) {
  clearTimeout(timer);
  if (byHand) typed = Date.now();
  timer = setTimeout(ask, ms);
}

async function ask() {
  const words = document.getElementById("query").value.trim();
  const number = ++asked;
  if (!words) {
    show([], "");
    put("search-state", "Newest first. A message shows up about a second after it was sent.");
    return;
  }
  if (document.hidden) return;
  let answer;
  try {
    const response = await fetch(`api/search?flow=${encodeURIComponent(flow)}&q=${encodeURIComponent(words)}`, { signal: AbortSignal.timeout(5000) });
    answer = await response.json();
  } catch {
    answer = { error: "the flow does not answer" };
  }
  if (number !== asked) return;
  if (answer.error) {
    show([], "");
    put("search-state", `Can't search right now: ${answer.error}`);
  } else {
    show(answer.hits, words);
    const found = answer.hits.length === 20 ? "The newest 20" : `${answer.hits.length} found`;
    put("search-state", answer.hits.length ? found : "Nothing found yet; looking again each second.");
    put("search-note", `${answer.took_ms} ms`);
  }
  if (Date.now() - typed < AGAIN_FOR_MS) later(AGAIN_MS, false);
}

function show(hits, words) {
  const now = JSON.stringify([hits, words]);
  if (now === shown) return;
  shown = now;
  document.getElementById("hits").replaceChildren(...hits.map((hit) => item(hit, words)));
}

function item({ text, time, words: names }, words) {
  const made = element("li");
  const about = element("p", "about");
  for (const [name, value] of names.sort(([one], [other]) => rank(one) - rank(other))) {
    const part = element("span");
    const shown = element("b", "", value);
    shown.title = value;
    part.append(element("i", "", label(name)), shown);
    about.append(part);
  }
  if (time) {
    const when = element("time", "quiet", moment(/^\d+$/.test(time) ? Number(time) : time) || time);
    when.dateTime = time;
    about.append(when);
  }
  made.append(marked(text, words), about);
  return made;
}

/** Who and where first, then what else there is, ids last. */
function rank(name) {
  const order = ["senderId", "conversationId"].indexOf(name);
  return order >= 0 ? order : name === "id" ? 9 : 5;
}

/** `conversationId` is a conversation to people. */
function label(name) {
  const words = name.replace(/Id$/, "").replaceAll(/([a-z])([A-Z])/g, "$1 $2").toLowerCase();
  return words || name;
}

/** The text with the searched words in it marked. */
function marked(text, words) {
  const made = element("p", "text");
  const sought = words.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
  for (const piece of text.split(/([\p{L}\p{N}]+)/u)) {
    const hit = sought.some((word) => piece.toLowerCase().startsWith(word));
    made.append(hit ? element("mark", "", piece) : piece);
  }
  return made;
}
