"use strict";
/* Drawings: the accuracy over training above the slider, and a card of each agent. */
const WIDE = 1000; // units of the timeline's width
const NUM_BINS = 25; // odd: credit of 0 has a bar of its own, neither blue nor orange
const PRACTICALLY_SHARED = 0.98; // correlation of an advantage with the shared one
const ROW_OF_STEP = new Map(DATA.audit.steps.map((step, place) => [step, place]));
const [FIRST_STEP, LAST_STEP] = [STEPS[0], STEPS[STEPS.length - 1]];

function stepX(step) {
  return LAST_STEP === FIRST_STEP ? WIDE / 2
    : (WIDE * (step - FIRST_STEP)) / (LAST_STEP - FIRST_STEP);
}

/* Return the points of a metric as SVG polylines, with gaps where it was not measured. */
function curves(values, low, high, height) {
  const lines = [[]];
  DATA.audit.steps.forEach((step, place) => {
    const value = values[place];
    if (step < FIRST_STEP || step > LAST_STEP) return;
    if (value === null) lines.push([]);
    else {
      const y = height - 2 - ((height - 4) * (value - low)) / (high - low);
      lines[lines.length - 1].push(`${stepX(step).toFixed(1)},${y.toFixed(1)}`);
    }
  });
  return lines.filter((line) => line.length).map((line) => drawing("polyline",
    { points: line.length === 1 ? `${line[0]} ${line[0]}` : line.join(" "), class: "curve" }));
}

function plot(height, children, label) {
  return drawing("svg", { viewBox: `0 0 ${WIDE} ${height}`, preserveAspectRatio: "none",
    role: "img", "aria-label": label }, ...children);
}

function marker(height) {
  return drawing("line", { y1: 0, y2: height, x1: 0, x2: 0, class: "now" });
}

function moveMarker(line, step) {
  line.setAttribute("transform", `translate(${stepX(step)} 0)`);
}

function measured(name, agent, step) {
  const columns = agent === null ? DATA.audit : DATA.audit.agents[agent];
  return columns[name]?.[ROW_OF_STEP.get(step)] ?? null;
}

class Timeline {
  constructor(box) {
    this.now = marker(60);
    const known = DATA.audit.accuracy.filter((value) => value !== null);
    const label = known.length ? "Accuracy of the rollouts in training over the steps, from "
      + `${known[0].toFixed(2)} to ${known[known.length - 1].toFixed(2)}` : "No accuracy yet";
    box.append(plot(60, [...curves(DATA.audit.accuracy, 0, 1, 60), this.now], label));
  }

  show(step) {
    moveMarker(this.now, step);
  }
}

/* One agent: histogram of its credit, and the audit of its advantage, at a step. */
class AgentCard {
  constructor(agent) {
    this.agent = agent;
    this.turns = TURNS.map((_, turn) => turn).filter((turn) => AGENTS[SPEAKERS[turn]] === agent);
    this.bars = Array.from({ length: NUM_BINS }, (_, bin) => {
      const value = ((bin + 0.5) / NUM_BINS) * 2 - 1;
      const bar = drawing("rect", { x: (WIDE * bin) / NUM_BINS + 3, width: WIDE / NUM_BINS - 6 });
      if (2 * bin + 1 === NUM_BINS) {
        bar.classList.add("none");
        return bar;
      }
      return shade(bar, 2 * value * SCALE.credit, "credit");
    });
    const zero = drawing("line", { x1: WIDE / 2, x2: WIDE / 2, y1: 0, y2: 100, class: "zero" });
    this.histogram = plot(100, [...this.bars, zero], "");
    this.now = marker(44);
    const correlation = DATA.audit.agents[agent].correlation_vs_shared;
    this.line = plot(44, [...curves(correlation, -1, 1, 44), this.now],
      `Correlation of ${agent}'s advantage with the shared one over the steps`);
    this.facts = element("dl", {});
    this.said = element("p", { class: "muted small" });
    const axis = element("div", { class: "axis", "aria-hidden": "true" },
      ...[-SCALE.credit, 0, SCALE.credit].map((value) => element("span", {}, signed(value, 1))));
    this.node = element("section", { class: "card", "aria-label": agent },
      element("h3", {}, agent), element("div", {}, this.histogram, axis, this.said),
      element("div", {}, this.facts,
        element("div", { class: "axis" }, "correlation, −1 to 1"), this.line));
  }

  show(step, groups) {
    const values = groups.flatMap((group) =>
      group.credit.flatMap((row) => this.turns.map((turn) => row[turn]))).sort((a, b) => a - b);
    const counts = new Array(NUM_BINS).fill(0);
    for (const value of values) {
      const share = (value / SCALE.credit + 1) / 2;
      counts[Math.min(NUM_BINS - 1, Math.max(0, Math.floor(share * NUM_BINS)))] += 1;
    }
    const most = Math.max(1, ...counts);
    this.bars.forEach((bar, bin) => {
      const height = (96 * counts[bin]) / most;
      bar.setAttribute("height", height);
      bar.setAttribute("y", 100 - height);
    });
    const at = (share) => signed(values[Math.round(share * (values.length - 1))]);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const text = `credit of ${values.length} messages: mean ${signed(mean)}, `
      + `quartiles ${at(0.25)}, ${at(0.5)}, ${at(0.75)}`;
    this.said.textContent = text;
    this.histogram.setAttribute("aria-label", `Distribution of the ${text}`);
    this.facts.replaceChildren(...auditFacts(this.agent, step).flatMap(([name, value]) =>
      [element("dt", {}, name), element("dd", {}, value)]));
    moveMarker(this.now, step);
  }
}

function auditFacts(agent, step) {
  const degenerate = measured("degenerate", agent, step);
  const correlation = measured("correlation_vs_shared", agent, step);
  const words = { 0: "no", 1: "yes: it ranks as the shared reward does" };
  const isShared = correlation !== null && Math.abs(correlation) > PRACTICALLY_SHARED;
  return [
    ["slope", signed(measured("slope_vs_shared", agent, step))],
    ["correlation", signed(correlation, 3) + (isShared ? ": practically the shared reward" : "")],
    ["degenerate", words[degenerate] ?? "–"],
  ];
}
