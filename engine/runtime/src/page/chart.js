// Lines over time, as SVG: a second is a point, a gap is a gap, and a hatched stretch is a sink that was down.
import { clock, element } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 190;
const MARGIN = { top: 10, right: 10, bottom: 24, left: 50 };

function shape(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text != null) made.textContent = text;
  return made;
}

/** From 0 to a round number above the largest value. */
export function linear(values) {
  const most = Math.max(10, ...values);
  const step = [1, 2, 2.5, 5, 10].map((digit) => digit * 10 ** Math.floor(Math.log10(most / 4))).find((size) => size * 4 >= most);
  const ticks = [0, 1, 2, 3, 4].map((index) => index * step);
  return { at: (value) => value / (4 * step), ticks };
}

/** Powers of ten from 1 ms to above the largest value, at least to 100 ms. */
export function logarithmic(values) {
  const most = Math.max(100, ...values);
  const decades = Math.ceil(Math.log10(most) - 1e-9);
  const ticks = Array.from({ length: decades + 1 }, (_, power) => 10 ** power);
  return { at: (value) => Math.log10(Math.max(value, 1)) / decades, ticks };
}

export class Chart {
  /** `series`: [{name, key, className, area}]; `scale`: of values; `write`, `writeTick`: a value as text. */
  constructor(container, { title, series, scale, write, writeTick = write }) {
    Object.assign(this, { container, title, series, scale, write, writeTick });
    this.samples = [];
    this.seconds = 120;
    this.chosen = null;
    this.legend = element("ul", "legend");
    this.values = series.map(({ name, className }) => {
      const entry = element("li");
      const line = shape("svg", { width: 22, height: 8, "aria-hidden": "true", class: "key" });
      line.append(shape("path", { d: "M1 4H21", class: `line ${className}` }));
      const value = element("b");
      entry.append(line, element("span", "", name), value);
      this.legend.append(entry);
      return value;
    });
    this.when = element("li", "quiet when");
    this.legend.append(this.when);
    this.svg = shape("svg", { height: HEIGHT, role: "img", tabindex: 0, class: "plot" });
    container.append(this.legend, this.svg);
    this.svg.addEventListener("pointermove", (event) => this.choose(event.offsetX));
    this.svg.addEventListener("pointerleave", () => this.release());
    this.svg.addEventListener("blur", () => this.release());
    this.svg.addEventListener("keydown", (event) => this.walk(event));
    new ResizeObserver(() => this.draw()).observe(container);
  }

  show(samples, seconds) {
    this.samples = samples;
    this.seconds = seconds;
    this.draw();
  }

  get width() {
    return Math.max(200, this.container.clientWidth);
  }

  x(unixMs) {
    const room = this.width - MARGIN.left - MARGIN.right;
    return MARGIN.left + room * (1 - (this.end - unixMs) / (this.seconds * 1000));
  }

  y(value) {
    return HEIGHT - MARGIN.bottom - this.measure.at(value) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  }

  draw() {
    this.end = this.samples.at(-1)?.unix_ms ?? Date.now();
    this.shown = this.samples.filter((sample) => sample.unix_ms > this.end - this.seconds * 1000);
    const values = this.shown.flatMap((sample) => this.series.map(({ key }) => sample[key])).filter((value) => value != null);
    this.measure = this.scale(values);
    this.svg.setAttribute("width", this.width);
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${HEIGHT}`);
    this.svg.replaceChildren(this.hatching(), ...this.axes(), ...this.outages(), ...this.lines(values.length), ...this.cursor());
    this.read(values.length);
  }

  hatching() {
    const defs = shape("defs", {});
    const pattern = shape("pattern", { id: `${this.container.id}-hatch`, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" });
    pattern.append(shape("rect", { width: 2, height: 6, class: "hatch" }));
    defs.append(pattern);
    return defs;
  }

  axes() {
    const right = this.width - MARGIN.right;
    const bottom = HEIGHT - MARGIN.bottom;
    const parts = this.measure.ticks.flatMap((tick) => {
      const y = this.y(tick);
      return [
        shape("line", { x1: MARGIN.left, x2: right, y1: y, y2: y, class: "rule" }),
        shape("text", { x: MARGIN.left - 8, y: y + 4, class: "tick end" }, this.writeTick(tick)),
      ];
    });
    const step = this.seconds > 300 ? 120 : this.width > 420 ? 30 : 60;
    for (let back = 0; back <= this.seconds; back += step) {
      const x = this.x(this.end - back * 1000);
      const text = back === 0 ? "now" : back % 60 === 0 ? `−${back / 60} min` : `−${back} s`;
      const side = back === 0 ? "end" : back === this.seconds ? "start" : "middle";
      parts.push(shape("text", { x, y: bottom + 17, class: `tick ${side}` }, text));
    }
    return parts;
  }

  outages() {
    const stretches = [];
    for (const { unix_ms, sink_down } of this.shown) {
      const last = stretches.at(-1);
      if (!sink_down) continue;
      if (last && unix_ms - last.until < 2500) last.until = unix_ms;
      else stretches.push({ from: unix_ms - 1000, until: unix_ms });
    }
    return stretches.flatMap(({ from, until }) => {
      const [left, right] = [Math.max(MARGIN.left, this.x(from)), this.x(until)];
      const height = HEIGHT - MARGIN.top - MARGIN.bottom;
      const area = shape("rect", { x: left, y: MARGIN.top, width: Math.max(1, right - left), height, fill: `url(#${this.container.id}-hatch)` });
      const fits = right - left > 64;
      return fits ? [area, shape("text", { x: left + 6, y: MARGIN.top + 14, class: "tick outage" }, "sink down")] : [area];
    });
  }

  lines(found) {
    if (!found) {
      const at = { x: (this.width + MARGIN.left) / 2, y: HEIGHT / 2, class: "tick middle" };
      return [shape("text", at, this.shown.length ? "Nothing was delivered in this time." : "The first seconds are being counted.")];
    }
    return this.series.flatMap(({ key, className, area }) => {
      let path = "";
      let before = null;
      const runs = [];
      for (const sample of this.shown) {
        const value = sample[key];
        if (value == null) {
          before = null;
          continue;
        }
        const point = `${this.x(sample.unix_ms).toFixed(1)} ${this.y(value).toFixed(1)}`;
        const joins = before != null && sample.unix_ms - before < 2500;
        path += joins ? `L${point}` : `M${point}l0 0`;
        if (joins) runs.at(-1).push(point);
        else runs.push([point]);
        before = sample.unix_ms;
      }
      const line = shape("path", { d: path, class: `line ${className}` });
      if (!area) return [line];
      const base = this.y(this.measure.ticks[0]);
      const floor = (point) => `${point.split(" ")[0]} ${base}`;
      const fill = runs.map((run) => `M${floor(run[0])}L${run.join("L")}L${floor(run.at(-1))}Z`).join("");
      return [shape("path", { d: fill, class: `area ${className}` }), line];
    });
  }

  cursor() {
    const sample = this.sample();
    if (!sample || this.chosen == null) return [];
    const x = this.x(sample.unix_ms);
    return [shape("line", { x1: x, x2: x, y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, class: "cursor" })];
  }

  /** The chosen second, or the last one. */
  sample() {
    if (this.chosen == null) return this.shown.at(-1);
    const distance = (sample) => Math.abs(sample.unix_ms - this.chosen);
    return this.shown.reduce((best, sample) => (best && distance(best) <= distance(sample) ? best : sample), null);
  }

  read(found) {
    const sample = this.sample();
    this.series.forEach(({ key }, index) => {
      this.values[index].textContent = sample ? this.write(sample[key]) : "–";
    });
    this.when.textContent = this.chosen == null || !sample ? "" : `at ${clock(sample.unix_ms)}`;
    const now = this.series.map(({ name }, index) => `${name} ${this.values[index].textContent}`).join(", ");
    this.svg.setAttribute("aria-label", found ? `${this.title}: ${now}. Arrow keys go through the seconds.` : `${this.title}: nothing yet.`);
  }

  choose(offset) {
    const room = this.width - MARGIN.left - MARGIN.right;
    this.chosen = this.end - (1 - (offset - MARGIN.left) / room) * this.seconds * 1000;
    this.draw();
  }

  walk(event) {
    const step = { ArrowLeft: -1000, ArrowRight: 1000, PageUp: -10_000, PageDown: 10_000 }[event.key];
    if (step == null && event.key !== "Escape") return;
    event.preventDefault();
    if (step == null) return this.release();
    const first = this.shown[0]?.unix_ms ?? this.end;
    this.chosen = Math.min(this.end, Math.max(first, (this.chosen ?? this.end) + step));
    this.draw();
  }

  release() {
    if (this.chosen == null) return;
    this.chosen = null;
    this.draw();
  }
}
