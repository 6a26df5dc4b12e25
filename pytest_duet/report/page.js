"use strict";
// Draws the charts as they come into view, filters rows, and gives the embedded data back as files.

const data = JSON.parse(document.getElementById("data").textContent);
const charts = JSON.parse(document.getElementById("charts").textContent);
const dark = matchMedia("(prefers-color-scheme: dark)");
// Beyond so many points, a canvas, since an SVG has an element for each; and no intervals, which would be one dark band.
const MANY_MARKS = 2000;
const LEGEND_COLUMN = 220; // pixels
const MIB = 2 ** 20;
const views = new Map(); // what was drawn, by element

const conditions = ({ subject, device, labels }) => ({ ...labels, subject, device });

const chosen = () => {
  const off = {};
  for (const box of document.querySelectorAll("#filters input:not(:checked)")) (off[box.name] ??= new Set()).add(box.value);
  return (its) => Object.entries(off).every(([name, values]) => !values.has(its[name]));
};

// The points of each benchmark, as places in the columns.
const places = data.benchmarks.map(() => []);
data.points.benchmark.forEach((benchmark, place) => places[benchmark].push(place));

const position = (run) => ({
  run,
  when: data.runs.when[run],
  date: data.runs.when[run].slice(0, 16).replace("T", " "),
  name: data.runs.name[run],
  commit: data.runs.commit[run],
  state: data.runs.state[run],
});

function trend(number) {
  const metric = document.getElementById("metric").value;
  const scale = data.metrics[metric].unit === "B" ? 1 / MIB : 1;
  const { run: runs, low, high, seconds, metrics } = data.points;
  const values = metrics[metric] ?? seconds;
  const points = places[number].filter((place) => values[place] !== null).map((place) => ({
    ...position(runs[place]),
    value: values[place] * scale,
    low: metric === "seconds" ? low[place] : null,
    high: metric === "seconds" ? high[place] : null,
  }));
  const { window: band, changes, breaks } = data.benchmarks[number];
  const at = (run) => (data.runs.when.every(Boolean) ? data.runs.when[run] : run);
  const timed = metric === "seconds";
  if (points.length > MANY_MARKS) for (const point of points) delete point.low;
  return {
    points,
    window: band && timed ? [{ first: at(band.first), last: at(band.last), low: band.low, high: band.high }] : [],
    changes: timed ? changes.map(({ run, ratio }) => ({ ...position(run), text: `level ${((ratio - 1) * 100).toFixed(1)} % since ${data.runs.name[run]}` })) : [],
    breaks: breaks.map(({ run, text }) => ({ ...position(run), text })),
  };
}

function ratios(keep) {
  const points = [];
  data.points.ratio.forEach((ratio, place) => {
    const row = data.benchmarks[data.points.benchmark[place]];
    const run = data.points.run[place];
    if (ratio === null || !keep(conditions(row))) return;
    points.push({ ...position(run), subject: row.subject, benchmark: row.benchmark, ratio });
  });
  return { points };
}

// The rows that are made of the columns; all others are embedded as they are.
const MADE = { trend: (element) => trend(Number(element.dataset.benchmark)), ratio: (element, keep) => ratios(keep) };

function rowsOf(element) {
  const { rows, where } = charts.specs[element.dataset.chart];
  const keep = chosen();
  if (rows in MADE) return MADE[rows](element, keep);
  const wanted = Object.entries(where);
  return { rows: data[rows].filter((row) => keep(conditions(row)) && wanted.every(([field, value]) => row[field] === value)) };
}

// Without the layers that have nothing to show, such as the intervals of single trials.
function withoutEmptyLayers(spec, datasets) {
  if (!spec.layer) return spec;
  const shows = ({ data: { name } = spec.data, encoding = {} }) => {
    const fields = ["x", "x2", "y", "y2"].map((channel) => encoding[channel]?.field).filter(Boolean);
    return datasets[name].some((row) => fields.every((field) => row[field] !== null && row[field] !== undefined));
  };
  return { ...spec, layer: spec.layer.filter(shows) };
}

// With a legend of those that this chart shows, which have the same colours in all charts.
function withOwnLegend(spec, datasets) {
  const own = new Set(Object.values(datasets).flat().map((row) => row.subject));
  for (const { encoding: { color } = {} } of [spec, ...(spec.layer ?? [])]) {
    if (color?.field === "subject" && color.legend) color.legend.values = color.scale.domain.filter((name) => own.has(name));
  }
  return spec;
}

function withMetric(spec) {
  const { text, value } = document.getElementById("metric").selectedOptions[0];
  for (const { encoding = {} } of spec.layer) {
    if (encoding.y?.field === "value") encoding.y.title = text;
    for (const shown of encoding.tooltip ?? []) if (shown.field === "value") shown.title = text;
    if (value !== "seconds") encoding.tooltip = encoding.tooltip?.filter(({ field }) => field !== "low" && field !== "high");
  }
  return spec;
}

async function draw(element) {
  const datasets = rowsOf(element);
  const marks = Math.max(...Object.values(datasets).map((rows) => rows.length));
  views.get(element)?.finalize?.();
  if (marks === 0) {
    element.textContent = "Nothing is chosen, or known.";
    element.dataset.drawn = 0;
    views.set(element, {});
    return;
  }
  const { spec: whole, rows } = charts.specs[element.dataset.chart];
  let spec = withOwnLegend(withoutEmptyLayers(structuredClone(whole), datasets), datasets);
  if (rows === "trend") spec = withMetric(spec);
  const config = dark.matches ? charts.dark : charts.light;
  const columns = Math.max(1, Math.floor(element.clientWidth / LEGEND_COLUMN));
  try {
    const result = await vegaEmbed(element, { ...spec, datasets }, {
      actions: false,
      config: { ...config, legend: { ...config.legend, columns } },
      renderer: marks > MANY_MARKS ? "canvas" : "svg",
      tooltip: { theme: dark.matches ? "dark" : "light" },
    });
    views.set(element, result);
    // What a chart says, its label, its caption and its table say; thousands of marks would only drown a screen reader.
    element.querySelector("svg, canvas")?.setAttribute("aria-hidden", "true");
    element.dataset.drawn = marks;
  } catch (error) {
    element.textContent = `This chart could not be drawn: ${error.message}`;
    throw error;
  }
}

// One after the other, with a pause for the reader's scrolling.
let queue = Promise.resolve();
const pause = () => new Promise((resume) => setTimeout(resume));
const drawNext = (element) => {
  const failed = (error) => setTimeout(() => { throw error; }); // seen in the console, and the others are drawn
  queue = queue.then(pause).then(() => draw(element)).catch(failed);
};

const seen = new IntersectionObserver((entries) => {
  for (const { isIntersecting, target } of entries) {
    if (!isIntersecting) continue;
    seen.unobserve(target);
    drawNext(target);
  }
}, { rootMargin: "300px" });

function redraw(which = () => true) {
  for (const element of document.querySelectorAll(".chart")) {
    if (!which(element)) continue;
    // One that is hidden has no width to be drawn at; it is drawn when it comes into view again.
    if (views.has(element) && element.offsetParent) drawNext(element);
    else seen.observe(element);
  }
}

function filter() {
  const keep = chosen();
  for (const element of document.querySelectorAll("[data-filters]")) element.hidden = !keep(JSON.parse(element.dataset.filters));
  redraw((element) => element.dataset.chart !== "trend");
}

function save(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

function csv() {
  const quote = (value) => {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`; // a spreadsheet would run it
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const { run: runs, benchmark: benchmarks, metrics, ...others } = data.points;
  const columns = { ...others, ...metrics };
  const lines = [["run", "when", "commit", "branch", "state", "benchmark", "subject", ...Object.keys(columns)]];
  runs.forEach((run, place) => {
    const { benchmark, subject } = data.benchmarks[benchmarks[place]];
    const { name, when, commit, branch, state } = data.runs;
    lines.push([name[run], when[run], commit[run], branch[run], state[run], benchmark, subject, ...Object.values(columns).map((column) => column[place])]);
  });
  return lines.map((line) => line.map(quote).join(",")).join("\n") + "\n";
}

document.getElementById("download-json").addEventListener("click", () => save("report.json", "application/json", document.getElementById("data").textContent));
document.getElementById("download-csv").addEventListener("click", () => save("report.csv", "text/csv", csv()));
document.getElementById("filters")?.addEventListener("change", filter);
document.getElementById("metric")?.addEventListener("change", () => redraw((element) => element.dataset.chart === "trend"));
dark.addEventListener("change", () => redraw());
// The link to the section that is read, which is the last whose heading has passed the upper third.
const links = [...document.querySelectorAll("nav a")];
const headings = links.map((link) => document.getElementById(link.hash.slice(1)));
const mark = () => {
  const passed = headings.filter((heading) => heading.getBoundingClientRect().top < innerHeight / 3).length;
  links.forEach((link, place) => (place === passed - 1 ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current")));
};
addEventListener("scroll", mark, { passive: true });
mark();
let width = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === width) return; // a telephone's address bar came or went
  width = innerWidth;
  redraw();
});
addEventListener("beforeprint", () => document.querySelectorAll(".chart").forEach((element) => views.has(element) || drawNext(element)));
redraw();
