// Asks the flow once a second how it stands, says so when it does not answer, and pauses while nobody looks.
import { clock, put, span } from "./words.js";

const INTERVAL_MS = 1000;
/** An answer comes within milliseconds, or not at all. */
export const ANSWER_MS = 4000;

let timer = 0;
let answered = null;
let announced = "";
const drawn = new Map();

/** Shows the answers of what `url` says; `silence` is said when there is none. */
export function askEverySecond({ url, show, silence }) {
  const ask = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const response = await fetch(url(), { signal: AbortSignal.timeout(ANSWER_MS) });
      if (!response.ok) throw new Error(`it answers ${response.status}`);
      const facts = await response.json();
      answered = Date.now();
      document.body.classList.remove("stale");
      show(facts);
    } catch {
      silent(silence);
    }
    clearTimeout(timer);
    timer = setTimeout(ask, INTERVAL_MS);
  };
  document.addEventListener("visibilitychange", ask);
  ask();
}

/** What is shown is from before, and says so. */
function silent(silence) {
  document.body.classList.add("stale");
  const since = answered ? ` What is shown is from ${clock(answered)}, ${span(Date.now() - answered)} ago.` : "";
  say("bad", "no_answer", silence + since);
  put("updated", "Asking again each second.");
}

/** The sentence at the top. It is read out when the case changes, not with every second's numbers. */
export function say(tone, kind, text) {
  document.getElementById("situation").dataset.tone = tone;
  put("sentence", text);
  if (announced !== kind) put("announcement", text);
  announced = kind;
}

/** Draws a part of the page only when what it shows has changed: what people select or open stays. */
export function part(name, facts, draw) {
  const now = JSON.stringify(facts);
  if (drawn.get(name) === now) return;
  drawn.set(name, now);
  draw(facts);
}

/** Another run of the flow: everything is drawn anew. */
export function forget() {
  drawn.clear();
}
