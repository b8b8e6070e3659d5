// The live page: what the flow is doing.
import { ANSWER_MS, askEverySecond, forget, part, say } from "./asking.js";
import { Chart, linear, logarithmic } from "./chart.js";
import * as search from "./search.js";
import { bytes, cell, clock, compact, count, element, latency, put, row, share, span } from "./words.js";

const SAMPLES_MAX = 600;
/** An older latency says nothing of now. */
const RECENT_MS = 5000;

const charts = [
  new Chart(document.getElementById("rate-chart"), {
    title: "Records a second",
    series: [
      { name: "out", key: "out_per_second", className: "out", area: true },
      { name: "in", key: "in_per_second", className: "in" },
    ],
    scale: linear,
    write: compact,
  }),
  new Chart(document.getElementById("latency-chart"), {
    title: "Latency",
    series: [
      { name: "p50", key: "p50_ms", className: "p50" },
      { name: "p99", key: "p99_ms", className: "p99" },
      { name: "p99.9", key: "p99_9_ms", className: "p999" },
    ],
    scale: logarithmic,
    write: latency,
    writeTick: (ms) => (ms < 1000 ? `${ms} ms` : span(ms)),
  }),
];

/** The flow that is shown; without a name the first. */
const flow = new URLSearchParams(location.search).get("flow") ?? "";

let samples = [];
let next = 0;
let run = null;
let seconds = 120;

function show(status) {
  const { about, records, situation } = status;
  if (run !== about.started_unix_ms) {
    run = about.started_unix_ms;
    samples = [];
    forget();
  }
  next = status.first_sample + status.samples.length;
  samples = samples.concat(status.samples).slice(-SAMPLES_MAX);
  say(situation.tone, situation.case, situation.text);
  put("updated", `as of ${clock(status.now_unix_ms)}`);
  part("about", about, showAbout);
  part("flows", [status.flows, about.flow], showFlows);
  showFigures(status);
  charts.forEach((chart) => chart.show(samples, seconds));
  part("outcomes", records, showOutcomes);
  part("sinks", status.sinks, showSinks);
  part("partitions", status.partitions, showPartitions);
  part("letters", [status.letters, status.letters_by_reason, about.dead_letter_topic, about.shows_payloads], showLetters);
  part("workers", status.workers, showWorkers);
  put("process", `Thalweg ${about.version}, running for ${span(status.now_unix_ms - about.started_unix_ms)}.`);
}

function showAbout(about) {
  document.title = `${about.flow} · Thalweg`;
  put("flow", about.flow);
  const system = about.sinks[0]?.[1] ?? "";
  put("route", `${about.topic} → ${system}, as group ${about.group}`);
  const can = about.search_off == null;
  const hidden = about.search_off === "no sink of this flow can be searched";
  document.getElementById("search").hidden = hidden;
  document.getElementById("to-search").hidden = !can;
  document.getElementById("search-form").hidden = !can;
  if (!can) put("search-state", `${about.search_off}.`);
}

/** Where a process has several flows: one to choose, each with how it is. */
function showFlows([flows, shown]) {
  const nav = document.getElementById("flows");
  nav.hidden = flows.length < 2;
  nav.replaceChildren(...flows.map(({ name, tone }) => {
    const link = element("a", "", name);
    link.href = `?flow=${encodeURIComponent(name)}`;
    link.dataset.tone = tone;
    link.prepend(element("span", "mark"));
    if (name === shown) link.setAttribute("aria-current", "page");
    if (tone !== "good") link.append(element("span", "unseen", tone === "bad" ? ", has a problem" : ", is busy"));
    return link;
  }));
}

function showFigures(status) {
  const { records, about } = status;
  put("in", compact(status.in_per_second));
  put("out", compact(status.out_per_second));
  const since = status.now_unix_ms - RECENT_MS;
  const last = samples.findLast((sample) => sample.p99_ms != null && sample.unix_ms > since);
  put("p99", latency(last?.p99_ms));
  put("p-others", last ? `p50 ${latency(last.p50_ms)}, p99.9 ${latency(last.p99_9_ms)}` : "nothing was delivered lately");
  put("lag", compact(status.lag_records));
  const rate = status.out_per_second;
  const left = status.lag_records > 1000 && rate >= 1 ? `records, about ${span((status.lag_records / rate) * 1000)}` : "records";
  put("lag-note", status.lag_records == null ? "not known yet" : left);
  put("in-flight", compact(records.in_flight));
  put("parked", compact(status.parked_keys));
  put("parked-note", status.parked_keys ? "wait for a retry" : "none waits");
  put("dead", compact(records.dead_lettered));
  put("dead-note", records.dead_lettered ? `${share(records.dead_lettered, records.read)} of records` : "none so far");
  put("memory", share(status.reserved_bytes, status.records_bytes));
  put("memory-note", `${bytes(status.reserved_bytes)} of ${bytes(status.records_bytes)} for records`);
  document.getElementById("memory-note").title = `the whole process may take ${bytes(about.memory_bytes)}`;
}

const OUTCOMES = [
  ["delivered", "Delivered"],
  ["superseded", "Superseded by something newer"],
  ["duplicates", "Duplicates"],
  ["filtered", "Filtered"],
  ["dead_lettered", "Dead-lettered"],
  ["given_up", "Left to the next owner"],
  ["in_flight", "In flight"],
];

function showOutcomes(records) {
  const bar = OUTCOMES.filter(([key]) => records[key]).map(([key]) => {
    const piece = element("span", key);
    piece.style.flexGrow = records[key] / records.read;
    return piece;
  });
  document.getElementById("outcome-bar").replaceChildren(...bar);
  const rows = OUTCOMES.map(([key, name]) => {
    const head = element("th");
    head.scope = "row";
    head.append(element("span", `swatch ${key}`), name);
    return row(head, cell(count(records[key]), "number"), cell(share(records[key], records.read), "number quiet"));
  });
  document.getElementById("outcomes").replaceChildren(...rows);
  const sum = OUTCOMES.reduce((total, [key]) => total + records[key], 0);
  const head = element("th", "", "Read");
  head.scope = "row";
  const verdict = sum === records.read ? "✓ adds up" : `✗ ${count(Math.abs(sum - records.read))} astray`;
  const made = row(head, cell(count(records.read), "number"), cell(verdict, sum === records.read ? "number good" : "number bad"));
  document.getElementById("outcome-sum").replaceChildren(made);
}

const BREAKERS = {
  closed: ["good", "taking what it is sent"],
  open: ["bad", "nothing is sent until the next probe"],
  probing: ["bad", "one request is out to see if it is back"],
};

function showSinks(sinks) {
  document.getElementById("sinks").replaceChildren(...sinks.map((sink) => {
    const made = element("article", "sink");
    const [tone, words] = BREAKERS[sink.breaker];
    const title = element("h3", "", sink.system);
    title.append(element("span", "quiet", ` ${sink.name}`));
    const state = element("p", `state ${tone}`);
    state.append(element("span", "mark"), sink.down_for_ms == null ? words : `down for ${span(sink.down_for_ms)}: ${words}`);
    const facts = element("dl", "facts");
    const fact = (name, value) => {
      const pair = element("div");
      pair.append(element("dt", "", name), element("dd", "", value));
      facts.append(pair);
    };
    fact("waiting", compact(sink.effects));
    fact("in the air", count(sink.flights));
    fact("parked keys", sink.parked_keys ? `${compact(sink.parked_keys)}, ${span(sink.parked_for_ms)}` : "0");
    fact("times down", count(sink.opened));
    fact("requests", compact(sink.requests));
    fact("put off", compact(sink.retries));
    fact("overload", compact(sink.overloaded));
    made.append(title, state, facts);
    const error = sink.last_error == null ? "No error so far." : `Last error, first seen ${span(sink.last_error_age_ms)} ago: ${sink.last_error}`;
    made.append(element("p", sink.last_error == null ? "quiet" : "error", error));
    return made;
  }));
}

function showPartitions(partitions) {
  // A few records are no lag: they came in between two looks.
  const most = Math.max(1000, ...partitions.map(({ lag }) => lag ?? 0));
  document.getElementById("partitions").replaceChildren(...partitions.map((one) => {
    const head = element("th", "", String(one.number));
    head.scope = "row";
    const lag = cell("", "number lag");
    const meter = element("span", "meter");
    meter.style.width = `${(100 * (one.lag ?? 0)) / most}%`;
    lag.append(meter, element("span", "", count(one.lag)));
    return row(
      head,
      cell(String(one.worker), "roomy"),
      cell(count(one.committed), "number roomy"),
      cell(count(one.finished), "number"),
      cell(count(one.end), "number"),
      lag,
      cell(count(one.open), "number"),
    );
  }));
  const topics = [...new Set(partitions.map(({ topic }) => topic))].join(", ");
  put("partitions-note", partitions.length ? `${partitions.length} of ${topics}${stateNote(partitions)}` : "");
  empty("partitions", !partitions.length, "None here: the group has not given any to this process (yet).");
}

function stateNote(partitions) {
  const states = partitions.map(({ state }) => state).filter((state) => state != null);
  if (!states.length) return "";
  const sum = (of) => states.reduce((total, state) => total + (of(state) ?? 0), 0);
  const restoring = states.filter((state) => state.restoring).length;
  const left = restoring ? `, restoring ${restoring}: ${compact(sum((state) => state.restore_left))} records left` : "";
  const loading = states.filter((state) => state.loading).length;
  const reading = loading ? ` (reading ${loading} local snapshots)` : "";
  return `; ${compact(sum((state) => state.rows))} rows, ${compact(sum((state) => state.timers))} timers${left}${reading}`;
}

function empty(name, isEmpty, words) {
  const note = document.getElementById(`${name}-empty`);
  note.hidden = !isEmpty;
  note.textContent = words;
  note.previousElementSibling.hidden = isEmpty;
}

function showLetters([letters, reasons, topic, payloads]) {
  document.getElementById("reasons").replaceChildren(...reasons.map(([reason, number]) => {
    const chip = element("span", "chip", reason);
    chip.append(element("b", "", count(number)));
    return chip;
  }));
  document.getElementById("letters").replaceChildren(...letters.map((letter) => {
    const when = cell(letter.failed_unix_ms == null ? "–" : clock(letter.failed_unix_ms), "when");
    const why = element("td", "why");
    why.append(element("b", "", letter.reason), element("span", "", letter.message));
    if (letter.payload != null) {
      const more = element("details");
      more.append(element("summary", "", "payload"), element("pre", "", letter.payload));
      why.append(more);
    }
    const where = cell(`${letter.partition} / ${letter.offset}`, "where");
    where.title = `${letter.topic}, partition ${letter.partition}, offset ${letter.offset}`;
    return row(when, why, where, cell(letter.key ?? "(none)", "where key"));
  }));
  put("letters-note", letters.length ? `on ${topic}${payloads ? "" : "; payloads are not shown"}` : "");
  empty("letters", !letters.length, `None since the start. A record that can't be processed would go to ${topic}, with its reason, and be listed here.`);
}

function showWorkers(workers) {
  document.getElementById("workers").replaceChildren(...workers.map((worker, index) => {
    const head = element("th", "", String(index));
    head.scope = "row";
    if (!worker.joined) head.append(element("span", "quiet", " joining"));
    return row(
      head,
      ...[worker.partitions, worker.read, worker.open].map((number) => cell(count(number), "number")),
      cell(bytes(worker.reserved_bytes), "number"),
      ...[worker.held_keys, worker.rebalances, worker.commits, worker.commits_failed].map((number) => cell(count(number), "number")),
      cell(worker.commit_age_ms == null ? "none yet" : `${span(worker.commit_age_ms)} ago`, "number"),
    );
  }));
}

for (const button of document.querySelectorAll(".range button")) {
  button.addEventListener("click", () => {
    seconds = Number(button.dataset.seconds);
    for (const other of document.querySelectorAll(".range button")) {
      other.setAttribute("aria-pressed", String(other === button));
    }
    charts.forEach((chart) => chart.show(samples, seconds));
  });
}
/** A page that the pipeline has beside this one: asked for once, it does not change. */
async function linkPages() {
  const response = await fetch("api/pages", { signal: AbortSignal.timeout(ANSWER_MS) });
  const links = (await response.json()).map(({ name, title }) => {
    const link = element("a", "button", title);
    link.href = name;
    return link;
  });
  document.getElementById("theme").before(...links);
}

search.begin(flow);
// Without an answer there is no link, and the page says by itself that nobody answers.
linkPages().catch(() => {});
askEverySecond({
  url: () => `api/status?flow=${encodeURIComponent(flow)}&since=${next}`,
  show,
  silence: "The flow does not answer: it has stopped, or can't be reached.",
});
