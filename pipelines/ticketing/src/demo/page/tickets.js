// How tickets and orders stand, with what is left of each order's time.
import { askEverySecond, part, say } from "./asking.js";
import { clock, count, element, put, span } from "./words.js";

/** A countdown goes on between two answers. */
const TICK_MS = 250;
/** From here on an order is about to expire. */
const SOON_MS = 4000;

const MONEY = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const money = (price) => MONEY.format(price / 100);

/** The demo's clock may be another than the browser's. */
let ahead = 0;
let expiresAfter = 0;

function show(scene) {
  ahead = scene.now_unix_ms - Date.now();
  expiresAfter = scene.expires_after_ms;
  const { counts } = scene;
  if (scene.over) say("good", "over", `It is over: ${count(counts.paid)} of ${count(counts.tickets)} tickets are sold.`);
  else if (!counts.tickets) say("busy", "begins", "The services are getting ready; the first tickets are about to be put up for sale.");
  else say("good", "goes_on", `${count(counts.paid)} tickets sold of ${count(counts.tickets)}, ${count(scene.waiting + scene.paying)} orders under way.`);
  put("updated", `as of ${clock(scene.now_unix_ms)}`);
  put("on-sale", count(scene.on_sale));
  put("waiting", count(scene.waiting));
  put("paying", count(scene.paying));
  for (const name of ["paid", "expired", "cancelled", "failed", "refused"]) put(name, count(counts[name]));
  put("expires-after", `not paid within ${span(expiresAfter)}`);
  list("orders", scene.orders, order);
  list("news", scene.news, news);
  list("tickets", scene.tickets, ticket);
  const under = scene.waiting + scene.paying;
  put("orders-note", scene.orders.length < under ? `${scene.orders.length} of ${count(under)}, next to expire first` : "next to expire first");
  put("tickets-note", counts.tickets ? `the latest ${scene.tickets.length} of ${count(counts.tickets)}` : "");
  tick();
}

function list(id, things, draw) {
  part(id, things, () => {
    document.getElementById(id).replaceChildren(...things.map(draw));
    document.getElementById(`${id}-empty`).hidden = things.length > 0;
  });
}

function thing(state, what, price, who, when) {
  const made = element("li");
  made.dataset.state = state;
  const words = element("span", "who");
  words.append(element("span", "mark"), ...who);
  made.append(element("span", "what", what), element("span", "price", money(price)), words, element("span", "when", when));
  return made;
}

const word = (text) => element("span", "state-word", text);

function order({ title, price, user, stand, expires_unix_ms: expires }) {
  const paying = stand === "paying";
  const who = paying ? [word("being paid"), ` by ${user}, without a deadline`] : [word("ordered"), ` by ${user}`];
  const made = thing(stand, title, price, who, "");
  const left = element("div", "left");
  left.append(element("span"));
  made.append(left);
  if (!paying) made.dataset.expires = expires;
  return made;
}

const ENDS = {
  paid: ["got it", ""],
  expired: ["expired", " did not pay in time"],
  given_up: ["given up", " changed their mind"],
  declined: ["declined", " had no money"],
};

function news({ unix_ms: when, stand, user, title, price }) {
  const [ended, why] = ENDS[stand] ?? [stand, ""];
  const who = stand === "paid" ? [element("b", "", user), " ", word(ended)] : [word(ended), `: ${user}${why}`];
  return thing(stand, title, price, who, clock(when));
}

function ticket({ title, price, seller, state, holder }) {
  const who = state === "free" ? [word("for sale"), ` by ${seller}`] : [word(state), holder ? (state === "sold" ? ` to ${holder}` : ` by ${holder}`) : ""];
  return thing(state, title, price, who, "");
}

/** What is left of each order's time. */
function tick() {
  const now = Date.now() + ahead;
  for (const row of document.querySelectorAll("#orders [data-expires]")) {
    const left = Number(row.dataset.expires) - now;
    const bar = row.querySelector(".left");
    bar.classList.toggle("soon", left < SOON_MS);
    bar.firstChild.style.width = `${Math.max(0, Math.min(100, (100 * left) / (expiresAfter || 1)))}%`;
    const words = left > 0 ? `${Math.ceil(left / 1000)} s left` : "time is over";
    const when = row.querySelector(".when");
    if (when.textContent !== words) when.textContent = words;
  }
}

setInterval(() => {
  if (!document.hidden) tick();
}, TICK_MS);
askEverySecond({
  url: () => "api/tickets",
  show,
  silence: "The demo does not answer: it has ended, or can't be reached.",
});
