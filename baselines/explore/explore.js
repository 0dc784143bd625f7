"use strict";
/* What is shown is a state, which the address holds after "#"; every change of it draws the page. */
const ROW_HEIGHT = 64;
const NO_DISTANCE = 5e-4; // what is shown as 0.00 by rounding alone, and less
const NUM_LINKS = 12; // to other steps of a task
const FILTERS = {
  all: () => true,
  mixed: (item) => item.right > 0 && item.right < item.total,
  right: (item) => item.right === item.total,
  wrong: (item) => item.right === 0,
  opposed: (item, agent) => opposedOf(item, agent) > 0,
};
const ORDERS = {
  // Of equal ones, those first from which something was learned.
  disagreement: (a, b, agent) => Math.round(1e3 * (distanceOf(b, agent) - distanceOf(a, agent)))
    || FILTERS.mixed(b) - FILTERS.mixed(a),
  hardest: (a, b) => a.right / a.total - b.right / b.total,
  step: () => 0, // the order in which they were played
};
const DEFAULTS = { step: STEPS[0], task: "", rollout: "", agent: "", filter: "all", q: "",
  sort: "disagreement", scope: "step", versus: "" };
const state = { ...DEFAULTS };
let index = { items: [], byStep: [], tasks: [], slopes: [], least: [] };
let shown = [];
let list = null;
let timeline = null;
let cards = [];
let drawing_number = 0;
let announcing = 0;
let typing = 0;
let changing = ""; // the control whose changes share one entry of the history

function distanceOf(item, agent) {
  return agent === "" ? Math.max(...item.distance) : item.distance[AGENTS.indexOf(agent)];
}

function opposedOf(item, agent) {
  return agent === "" ? item.opposed.reduce((sum, count) => sum + count, 0)
    : item.opposed[AGENTS.indexOf(agent)];
}

/* The last recorded step that is not after a step. */
function placeOf(step) {
  const later = STEPS.findIndex((own) => own > step);
  return later < 0 ? STEPS.length - 1 : Math.max(0, later - 1);
}

async function readIndex() {
  const columns = await inflated(DATA.index);
  const names = ["step", "place", "task", "right", "total", "distance", "opposed"];
  const items = columns.step.map((_, number) =>
    Object.fromEntries(names.map((name) => [name, columns[name][number]])));
  const byStep = STEPS.map(() => []);
  for (const item of items) byStep[item.step].push(item);
  const ofTask = new Map();
  for (const item of items) {
    const id = columns.tasks[item.task][0];
    ofTask.set(id, [...(ofTask.get(id) ?? []), item.step]);
  }
  index = { ...columns, items, byStep, ofTask };
}

/* Read the state from the address; what is unknown has its default. */
function readAddress() {
  const given = Object.fromEntries(new URLSearchParams(location.hash.slice(1)));
  Object.assign(state, DEFAULTS);
  for (const name of ["task", "q", "versus"]) state[name] = given[name] ?? "";
  if (Number(given.step) > 0) state.step = STEPS[placeOf(Number(given.step))];
  if (/^\d+$/.test(given.rollout ?? "")) state.rollout = String(Number(given.rollout));
  if (AGENTS.includes(given.agent)) state.agent = given.agent;
  if (Object.hasOwn(FILTERS, given.filter)) state.filter = given.filter;
  if (Object.hasOwn(ORDERS, given.sort)) state.sort = given.sort;
  if (given.scope === "all") state.scope = "all";
}

/* Return the address of a state: what is not as usual, and the step. */
function addressOf(values) {
  const parts = Object.entries(values)
    .filter(([name, value]) => name === "step" || value !== DEFAULTS[name]);
  return `#${new URLSearchParams(parts)}`;
}

function writeAddress(isNewEntry) {
  const hash = addressOf(state);
  if (hash === location.hash) return;
  try {
    history[isNewEntry ? "pushState" : "replaceState"](null, "", hash);
  } catch {
    // A page embedded as the text of a frame, as in a notebook, has no address of its own.
  }
}

/* Change the state. The back button leads to where it was before, past all changes by one control
   that is being dragged or typed in. */
function change(values, control = "") {
  Object.assign(state, values);
  writeAddress(control === "" || control !== changing);
  changing = control;
  return draw();
}

function drawControls() {
  const place = placeOf(state.step);
  byId("step").value = place;
  byId("step").setAttribute("aria-valuetext", `step ${state.step}`);
  byId("step-name").textContent = `step ${state.step}`;
  byId("earlier").disabled = place === 0;
  byId("later").disabled = place === STEPS.length - 1;
  for (const name of ["agent", "filter", "sort", "scope"]) byId(name).value = state[name];
  if (document.activeElement !== byId("q")) byId("q").value = state.q;
  timeline.show(state.step);
}

/* Return the items of the list; null if another drawing has begun meanwhile. */
async function filtered(number) {
  const place = placeOf(state.step);
  const from = state.scope === "all" ? index.items : index.byStep[place];
  let items = from.filter((item) => FILTERS[state.filter](item, state.agent));
  const wanted = state.q.trim().toLowerCase();
  if (wanted) {
    const found = [];
    for (const item of items) {
      const isNamed = index.tasks[item.task].join("\n").toLowerCase().includes(wanted);
      if (isNamed || await mentions((await groupsOf(item.step))[item.place], wanted)) found.push(item);
      if (number !== drawing_number) return null;
    }
    items = found;
  }
  return items.sort((a, b) => ORDERS[state.sort](a, b, state.agent) || a.step - b.step
    || a.place - b.place);
}

async function draw() {
  drawing_number += 1;
  const number = drawing_number;
  drawControls();
  const place = placeOf(state.step);
  const groups = await groupsOf(place);
  if (number !== drawing_number) return;
  for (const card of cards) card.show(state.step, groups);
  drawAccuracy(groups);
  const items = await filtered(number);
  if (items === null || number !== drawing_number) return;
  shown = items;
  const isChosen = (item) => item.step === place && index.tasks[item.task][0] === state.task;
  let selected = items.findIndex(isChosen);
  const chosen = items[selected] ?? index.byStep[place].find(isChosen)
    ?? items.find((item) => item.step === place) ?? items[0] ?? null;
  selected = items.indexOf(chosen);
  list.show(items, selected);
  byId("found").textContent = `${items.length.toLocaleString("en")} of ${(state.scope === "all"
    ? index.items : index.byStep[place]).length.toLocaleString("en")} tasks`;
  byId("nothing").hidden = items.length > 0;
  byId("agreed").hidden = items.some((item) => distanceOf(item, state.agent) > NO_DISTANCE);
  if (chosen === null) byId("detail").replaceChildren(element("p", { class: "muted" }, "No task is selected."));
  else await drawDetail(chosen, number);
  announce(items.length);
  // Decoded before the slider gets there.
  setTimeout(() => [place + 1, place - 1].filter((own) => STEPS[own] !== undefined).forEach(groupsOf), 100);
}

function drawAccuracy(groups) {
  const all = measured("accuracy", null, state.step);
  const rewards = groups.flatMap((group) => group.rewards);
  const right = rewards.filter((reward) => reward > 0).length;
  byId("accuracy").textContent = `${right} of ${rewards.length} recorded rollouts right`
    + (all === null ? "" : `; ${(100 * all).toFixed(0)} % of all rollouts of the step`);
}

function announce(count) {
  clearTimeout(announcing);
  announcing = setTimeout(() => {
    byId("status").textContent = `Step ${state.step}: ${count} tasks. ${byId("title")?.textContent ?? ""}`;
  }, 400);
}

function drawItem(item) {
  const [id, question] = index.tasks[item.task];
  const distance = distanceOf(item, state.agent);
  const amount = element("span", { class: "amount" }, element("span", { class: "bar" }), distance.toFixed(2));
  amount.firstChild.style.width = `${Math.min(100, (100 * distance) / SCALE.advantage)}%`;
  const where = state.scope === "all" ? `step ${STEPS[item.step]} · ` : "";
  const hasOpposed = opposedOf(item, state.agent) > 0;
  return [
    element("span", { class: "line" },
      element("span", { class: item.right === item.total ? "good" : item.right ? "some" : "bad" },
        `${item.right}/${item.total} right`),
      hasOpposed ? element("span", { class: "opposed" }, "⇄ opposed") : "", amount),
    element("span", { class: "line small" }, element("span", { class: "name" }, where, id), " ",
      element("bdi", {}, question)),
  ];
}

async function drawDetail(item, number) {
  const group = { ...(await groupsOf(item.step))[item.place], least: index.least[item.step] };
  const wished = state.rollout === "" ? -1 : Number(state.rollout) - 1;
  const rollout = wished in group.rewards ? wished : farthest(group, index.slopes[item.step], state.agent);
  const [question, ...texts] = await textsOf([group.question, ...group.messages[rollout]]);
  const answers = await textsOf(group.answers);
  const votes = group.votes ? await textsOf(group.votes[rollout]) : [];
  const [id, , gold] = index.tasks[item.task];
  const options = comparisons(group, rollout);
  const versus = options.find((own) => own.key === state.versus)
    ?? options.find((own) => own.agents.includes(state.agent)) ?? options[0];
  const beside = versus ? await comparedEpisodes(versus, group, rollout, texts) : [nothingBeside()];
  if (number !== drawing_number) return;
  byId("detail").replaceChildren(
    element("h2", { id: "title" }, id),
    element("p", { class: "question", dir: "auto" }, question),
    element("p", { class: "small" }, "Gold answer ", element("code", { dir: "auto" }, gold), ` · step ${STEPS[item.step]}`,
      ` · ${item.right} of ${item.total} rollouts right`),
    otherSteps(item, id),
    rolloutTable(group, answers, rollout, (chosen) => change({ task: id, rollout: String(chosen + 1) })
      .then(() => byId("detail").querySelector("[aria-pressed=true]")?.focus())),
    element("div", { class: "pair" },
      element("section", { "aria-label": "Whole team" },
        element("h3", {}, `Rollout ${rollout + 1} of the whole team`),
        element("p", {}, ...outcome(group.rewards[rollout], answers[rollout])),
        ...texts.map((text, turn) => creditedMessage(group, rollout, turn, text, votes[turn]))),
      element("section", { "aria-label": "Comparison" }, chooser(options, versus, id), ...beside)));
}

function nothingBeside() {
  return element("p", { class: "muted" }, "No episode without an agent was played for this task: the "
    + "credit did not need it, or it could not change the update.");
}

function chooser(options, versus, id) {
  if (!versus) return element("h3", {}, "Without an agent");
  const select = element("select", { id: "versus" }, ...options.map((own) =>
    element("option", { value: own.key, ...(own === versus && { selected: "" }) }, own.label)));
  select.addEventListener("change", () => change({ task: id, versus: select.value })
    .then(() => byId("versus")?.focus()));
  return element("h3", {}, element("label", { for: "versus" }, "The same task "), select);
}

/* Links to the nearest other steps in which a task was played. */
function otherSteps(item, id) {
  const steps = [...new Set(index.ofTask.get(id))].filter((place) => place !== item.step)
    .sort((a, b) => Math.abs(a - item.step) - Math.abs(b - item.step)).slice(0, NUM_LINKS)
    .sort((a, b) => a - b);
  if (!steps.length) return "";
  const links = steps.map((place) => element("a", { href:
    addressOf({ ...state, step: STEPS[place], task: id, rollout: "" }) }, String(STEPS[place])));
  return element("p", { class: "small" }, "The same task at step ",
    ...links.flatMap((link, place) => (place ? [", ", link] : [link])));
}

function listen() {
  byId("step").addEventListener("input", () =>
    change({ step: STEPS[Number(byId("step").value)], rollout: "" }, "step"));
  for (const id of ["step", "q"]) byId(id).addEventListener("change", () => { changing = ""; });
  for (const [id, by] of [["earlier", -1], ["later", 1]]) {
    byId(id).addEventListener("click", () =>
      change({ step: STEPS[placeOf(state.step) + by] ?? state.step, rollout: "" }));
  }
  for (const name of ["agent", "filter", "sort", "scope"]) {
    byId(name).addEventListener("change", () => change({ [name]: byId(name).value }));
  }
  byId("q").addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(() => change({ q: byId("q").value }, "q"), 150);
  });
  byId("controls").addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("popstate", () => { readAddress(); draw(); });
}

async function start() {
  if (!canDecompress) {
    byId("failed").hidden = false;
    return;
  }
  await readIndex();
  byId("explorer").hidden = false; // before sizes are read
  timeline = new Timeline(byId("timeline"));
  cards = AGENTS.map((agent) => new AgentCard(agent));
  byId("cards").append(...cards.map((card) => card.node));
  byId("agent").append(...AGENTS.map((agent) => element("option", { value: agent }, agent)));
  byId("step").max = STEPS.length - 1;
  byId("ends").replaceChildren(...[`step ${STEPS[0]}`, "accuracy in training, 0 to 1",
    `step ${LAST_STEP}`].map((text) => element("span", {}, text)));
  list = new WindowedList(byId("tasks"), ROW_HEIGHT, { draw: drawItem, choose: (item) =>
    change({ step: STEPS[item.step], task: index.tasks[item.task][0], rollout: "" }) });
  drawLegend();
  readAddress();
  listen();
  await draw();
}

start().catch((error) => {
  byId("failed").hidden = false;
  throw error;
});
