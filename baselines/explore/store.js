"use strict";
/* The data of the page. The groups of each step are a compressed chunk that is decoded when they are
   first shown; it holds the texts that no earlier step has. Texts are only ever shown as text. */
const DATA = JSON.parse(document.getElementById("data").textContent);
const { agents: AGENTS, turns: TURNS, speakers: SPEAKERS, steps: STEPS, scale: SCALE } = DATA;
const canDecompress = typeof DecompressionStream === "function";
const strings = [];
const decoded = new Map(); // place of a step -> its groups
const pending = new Map(); // place of a step -> promise of them
const searchable = new Map(); // group -> its texts in lower case

async function inflated(text) {
  const raw = atob(text);
  const bytes = new Uint8Array(raw.length);
  for (let place = 0; place < raw.length; place += 1) bytes[place] = raw.charCodeAt(place);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).json();
}

async function decode(place) {
  const chunk = await inflated(DATA.chunks[place]);
  chunk.strings.forEach((text, number) => { strings[DATA.firsts[place] + number] = text; });
  decoded.set(place, chunk.groups);
  return chunk.groups;
}

/* Return the groups of a step, by its place in STEPS. */
function groupsOf(place) {
  if (!pending.has(place)) pending.set(place, decode(place));
  return pending.get(place);
}

/* Return the texts of these numbers; null for -1. */
async function textsOf(numbers) {
  const places = new Set(numbers.filter((n) => n >= 0 && strings[n] === undefined).map(chunkWith));
  await Promise.all([...places].map(groupsOf));
  return numbers.map((n) => (n < 0 ? null : strings[n]));
}

function chunkWith(number) {
  let low = 0;
  let high = DATA.firsts.length - 1;
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (DATA.firsts[middle] <= number) low = middle;
    else high = middle - 1;
  }
  return low;
}

/* Return whether a group's question, messages or answers contain a text in lower case. */
async function mentions(group, wanted) {
  if (!searchable.has(group)) {
    const replayed = group.replays.flatMap((own) => [...own.messages.flat(), ...own.answers]);
    const numbers = [group.question, ...group.messages.flat(), ...group.answers, ...replayed];
    const texts = await textsOf([...new Set(numbers)].filter((number) => number >= 0));
    searchable.set(group, texts.join("\n").toLowerCase());
  }
  return searchable.get(group).includes(wanted);
}

const byId = (id) => document.getElementById(id);

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function drawing(tag, attributes = {}, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
