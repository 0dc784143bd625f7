"use strict";
/* Filters and shows transcripts. All text of tasks and models enters the page as textContent. */
const data = JSON.parse(document.getElementById("data").textContent);
const PAGE_SIZE = 50;
const PREVIEW_CHARS = 160;
const KINDS = data.paths.length > 1
  ? [["helped", "▲ only the team right"], ["hurt", "▼ only the other right"], ["both_right", "✓ both right"],
     ["both_wrong", "✗ both wrong"], ["unmeasured", "? not measured"]]
  : [["right", "✓ right"], ["wrong", "✗ wrong"], ["unmeasured", "? not measured"]];
const LABELS = Object.fromEntries(KINDS);
const STATUS = { correct: "✓ correct", wrong: "✗ wrong", no_answer: "∅ no answer",
  timeout: "? timeout", error: "? error" };
const byId = (id) => document.getElementById(id);
const searchText = new Map();
let shown = [];
let numDrawn = 0;

function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

function kindOf(item, path) {
  const joint = item.episodes[0].reward;
  if (data.paths.length === 1) return joint === null ? "unmeasured" : joint > 0 ? "right" : "wrong";
  const other = item.episodes[path].reward;
  if (joint === null || other === null) return "unmeasured";
  if (joint > 0) return other > 0 ? "both_right" : "helped";
  return other > 0 ? "hurt" : "both_wrong";
}

function textOf(index) {
  if (!searchText.has(index)) {
    const item = data.items[index];
    const task = data.tasks[item.task];
    const said = item.episodes.flatMap((e) => [...e.messages.map((m) => m[1]), e.answer ?? "", e.detail]);
    searchText.set(index, [task.id, task.question, ...task.passages, task.gold, ...said].join("\n").toLowerCase());
  }
  return searchText.get(index);
}

function state() {
  const kind = document.querySelector("input[name=kind]:checked");
  return { path: Number(byId("path").value), kind: kind.value, group: byId("group").value,
    query: byId("query").value.trim().toLowerCase() };
}

function isInGroup(task, group) {
  return !group || task.groups.includes(group);
}

function update() {
  const wanted = state();
  const counts = Object.fromEntries([["all", 0], ...KINDS.map(([name]) => [name, 0])]);
  shown = [];
  data.items.forEach((item, index) => {
    if (!isInGroup(data.tasks[item.task], wanted.group)) return;
    if (wanted.query && !textOf(index).includes(wanted.query)) return;
    const kind = kindOf(item, wanted.path);
    counts.all += 1;
    counts[kind] += 1;
    if (wanted.kind === "all" || wanted.kind === kind) shown.push([index, kind]);
  });
  for (const [name, count] of Object.entries(counts)) byId(`count-${name}`).textContent = `(${count})`;
  byId("found").textContent = `${shown.length} of ${data.items.length} transcripts`;
  byId("list").replaceChildren();
  numDrawn = 0;
  drawMore();
  const address = new URLSearchParams();
  if (wanted.kind !== "all") address.set("kind", wanted.kind);
  if (data.paths.length > 2) address.set("path", data.paths[wanted.path]);
  if (wanted.group) address.set("group", wanted.group);
  if (wanted.query) address.set("q", byId("query").value.trim());
  history.replaceState(null, "", `#${address}`);
}

function drawMore() {
  const wanted = state();
  const next = shown.slice(numDrawn, numDrawn + PAGE_SIZE);
  byId("list").append(...next.map(([index, kind]) => card(index, kind, wanted.path)));
  numDrawn += next.length;
  byId("more").hidden = numDrawn >= shown.length;
}

function card(index, kind, path) {
  const item = data.items[index];
  const task = data.tasks[item.task];
  const preview = task.question.slice(0, PREVIEW_CHARS).replace(/\s+/g, " ");
  const cut = task.question.length > PREVIEW_CHARS ? " …" : "";
  const sample = data.num_samples > 1 ? `, sample ${item.sample + 1}` : "";
  const head = element("summary", {},
    element("span", { class: `badge ${kind}` }, LABELS[kind]), " ",
    element("span", { class: "name" }, `${task.id}${sample}`), " ",
    element("span", { class: "preview", dir: "auto" }, preview + cut));
  const details = element("details", {}, head);
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(body(item, task, path));
  });
  return element("li", {}, details);
}

function body(item, task, path) {
  const order = [0, ...(path ? [path] : []), ...data.paths.keys()];
  const episodes = [...new Set(order)].map((place) => episode(item.episodes[place], data.paths[place]));
  return element("div", { class: "body" },
    element("h3", {}, "Question"), said(task.question),
    ...task.passages.flatMap((text, n) => [element("h3", {}, `Passage ${n + 1}`), said(text)]),
    element("p", {}, "Gold answer: ", element("code", { dir: "auto" }, task.gold || "none")),
    element("div", { class: "episodes" }, ...episodes));
}

function episode(e, path) {
  const answer = e.answer === null ? "" : element("code", { dir: "auto" }, e.answer);
  const heading = path === "joint" ? "whole team" : path;
  const section = element("div", { role: "group", "aria-label": heading }, element("h3", {}, heading),
    element("p", {}, element("span", { class: `badge ${e.status}` }, STATUS[e.status]), " ", answer));
  if (e.detail) section.append(element("p", { class: "muted" }, e.detail));
  e.messages.forEach(([agent, text], place) => {
    const given = place < e.num_shared ? " (as in the whole team)"
      : place < e.num_given ? " (given, not said)" : "";
    section.append(element("h4", {}, agent + given), said(text));
  });
  return section;
}

function said(text) {
  return text === "" ? element("p", { class: "muted" }, "(empty)")
    : element("pre", { dir: "auto", tabindex: "0" }, text);
}

function choices() {
  const names = [["all", "all"], ...KINDS];
  byId("kinds").append(...names.map(([name, label]) => element("label", {},
    element("input", { type: "radio", name: "kind", value: name, ...(name === "all" && { checked: "" }) }),
    ` ${label} `, element("span", { id: `count-${name}`, class: "muted" }))));
  data.paths.forEach((path, place) => {
    if (place) byId("path").append(element("option", { value: place }, path));
  });
  if (data.paths.length === 1) byId("path").append(element("option", { value: 0 }, "joint"));
  byId("path-field").hidden = data.paths.length < 3;
  byId("group").append(element("option", { value: "" }, "all tasks"),
    ...data.groups.map((group) => element("option", { value: group }, group)));
  byId("group-field").hidden = data.groups.length < 2;
}

function readAddress() {
  const address = new URLSearchParams(location.hash.slice(1));
  const path = data.paths.indexOf(address.get("path"));
  if (path > 0) byId("path").value = path;
  if (data.groups.includes(address.get("group"))) byId("group").value = address.get("group");
  if (Object.hasOwn(LABELS, address.get("kind"))) {
    document.querySelector(`input[value=${address.get("kind")}]`).checked = true;
  }
  byId("query").value = address.get("q") ?? "";
}

let waiting = 0;
choices();
readAddress();
byId("filters").addEventListener("submit", (event) => event.preventDefault());
byId("filters").addEventListener("change", update);
byId("query").addEventListener("input", () => {
  clearTimeout(waiting);
  waiting = setTimeout(update, 200);
});
byId("more").addEventListener("click", () => {
  const first = numDrawn;
  drawMore();
  byId("list").children[first]?.querySelector("summary").focus();
});
new IntersectionObserver((seen) => seen.some((entry) => entry.isIntersecting)
  && numDrawn > 0 && numDrawn < shown.length && drawMore(), { rootMargin: "600px" }).observe(byId("more"));
update();
