"use strict";
/* Numbers as text and as colours: blue above zero, orange below, stronger with the magnitude. */
const STRONGEST = 46; // per cent of the pure colour, so that text on it keeps its contrast
const NUM_SHADES = 5;

function signed(value, digits = 2) {
  if (value === null || value === undefined) return "–";
  const text = Math.abs(value).toFixed(digits);
  if (Number(text) === 0) return text;
  return (value > 0 ? "+" : "−") + text;
}

/* Colour the background of an element by a value; `kind` is credit or advantage. */
function shade(node, value, kind) {
  const share = Math.min(1, Math.abs(value) / SCALE[kind]);
  node.classList.add(value < 0 ? "below" : "above");
  node.style.setProperty("--strength", `${(STRONGEST * share).toFixed(1)}%`);
  return node;
}

/* Fill the legend: the colours from the most negative to the most positive value, with numbers. */
function drawLegend() {
  for (const kind of ["advantage", "credit"]) {
    const cells = [];
    for (let place = -NUM_SHADES; place <= NUM_SHADES; place += 1) {
      const value = (place / NUM_SHADES) * SCALE[kind];
      const isLabelled = place === 0 || Math.abs(place) === NUM_SHADES;
      cells.push(shade(element("span", {}, isLabelled ? signed(value, 1) : ""), value, kind));
    }
    byId(`legend-${kind}`).replaceChildren(...cells);
  }
}

function rewardText(reward) {
  if (reward === null) return "? not measured";
  return reward > 0 ? "✓ right" : "✗ wrong";
}

function outcomeClass(reward) {
  if (reward === null) return "muted";
  return reward > 0 ? "good" : "bad";
}
