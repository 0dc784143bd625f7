"use strict";
/* One task in detail: all its rollouts, one of them message by message, and replays beside it. */
const MAX_ROWS = 64; // of the table of rollouts

/* Whether both advantages have a sign, as disagreement.py counts it, and not the same. */
function isOpposed(group, rollout, turn) {
  const [own, shared] = [group.advantage[rollout][turn], group.shared[rollout][turn]];
  const [least, leastShared] = group.least.map((ofAgents) => ofAgents[SPEAKERS[turn]]);
  return Math.abs(own) > least && Math.abs(shared) > leastShared && own * shared < 0;
}

/* Return the rollout whose advantages are farthest from the shared ones times the slopes. */
function farthest(group, slopes, agent) {
  let [best, found] = [-1, 0];
  group.advantage.forEach((row, rollout) => {
    const parts = row.map((value, turn) => (agent === "" || AGENTS[SPEAKERS[turn]] === agent
      ? (value - slopes[SPEAKERS[turn]] * group.shared[rollout][turn]) ** 2 : 0));
    const distance = parts.reduce((sum, part) => sum + part, 0);
    if (distance > best + 1e-9) [best, found] = [distance, rollout];
  });
  return found;
}

/* Return what can be shown beside a rollout: replays of it or of its task, and recounts. */
function comparisons(group, rollout) {
  const found = group.replays
    .filter((own) => own.rollout === -1 || own.rollout === rollout)
    .map((own) => {
      const names = own.without.map((agent) => AGENTS[agent]);
      const last = own.kept.at(-1);
      if (!names.length) {
        return { key: `after ${TURNS[last]}`, agents: [AGENTS[SPEAKERS[last]]], replays: own,
          label: `continued after ${TURNS[last]}` };
      }
      const isFirst = own.kept.every((turn, place) => turn === place);
      const kept = isFirst ? `after ${TURNS[last]}`
        : `with the same ${own.kept.map((turn) => TURNS[turn]).join(" and ")}`;
      return { key: `without ${names.join("+")}`, agents: names, replays: own,
        label: `without ${names.join(" and ")}${own.kept.length ? `, ${kept}` : ""}` };
    });
  const recounts = (group.recounts ?? []).map((rewards, agent) => ({
    key: `recount ${AGENTS[agent]}`, agents: [AGENTS[agent]], left: agent,
    reward: rewards[rollout], label: `recounted without ${AGENTS[agent]}` }));
  return [...found, ...recounts];
}

function outcome(reward, answer) {
  const line = element("span", { class: outcomeClass(reward) }, rewardText(reward));
  if (answer === null) return [line, " ", element("span", { class: "muted" }, "no answer")];
  return [line, ", answer ", element("code", { dir: "auto" }, answer)];
}

function spoken(text) {
  return text === "" ? element("p", { class: "muted" }, "(an empty message)")
    : element("pre", { dir: "auto", tabindex: "0" }, text ?? "");
}

/* The table of all rollouts of a task; its buttons choose one. */
function rolloutTable(group, answers, selected, choose) {
  const head = element("tr", {}, element("th", { scope: "col" }, "rollout"),
    element("th", { scope: "col" }, "outcome"),
    ...TURNS.map((turn) => element("th", { scope: "col" }, turn)));
  const first = selected - (selected % MAX_ROWS);
  const rows = group.rewards.slice(first, first + MAX_ROWS).map((reward, row) => {
    const rollout = first + row;
    const button = element("button", { type: "button", "aria-pressed": String(rollout === selected),
      "aria-label": `Rollout ${rollout + 1}` }, String(rollout + 1));
    button.addEventListener("click", () => choose(rollout));
    const cells = TURNS.map((_, turn) => shade(element("td", {},
      signed(group.advantage[rollout][turn]), isOpposed(group, rollout, turn) ? " ⇄" : ""),
    group.advantage[rollout][turn], "advantage"));
    return element("tr", rollout === selected ? { class: "selected" } : {},
      element("th", { scope: "row" }, button),
      element("td", {}, ...outcome(reward, answers[rollout])), ...cells);
  });
  return element("div", { class: "scroll", role: "group", tabindex: "0",
    "aria-label": "Advantages of the rollouts" }, ...parts(group.rewards.length, first, choose),
  element("table", { class: "numbers rollouts" },
    element("caption", {}, "Advantage of each message; ⇄ against the "
      + "reward: of the other sign than under shared reward, both above 5 % of their root mean square in the step"),
    element("thead", {}, head), element("tbody", {}, ...rows)));
}

/* Of a large group only a part has rows: a field to choose which. */
function parts(total, first, choose) {
  if (total <= MAX_ROWS) return [];
  const starts = Array.from({ length: Math.ceil(total / MAX_ROWS) }, (_, part) => part * MAX_ROWS);
  const select = element("select", {}, ...starts.map((start) => element("option",
    { value: start, ...(start === first && { selected: "" }) },
    `${start + 1} to ${Math.min(total, start + MAX_ROWS)}`)));
  select.addEventListener("change", () => choose(Number(select.value)));
  return [element("label", { class: "small" }, `Rollouts of ${total}: `, select)];
}

/* A message of the whole team, with its numbers. */
function creditedMessage(group, rollout, turn, text, vote) {
  const [credit, own] = [group.credit[rollout][turn], group.advantage[rollout][turn]];
  const numbers = element("dl", { class: "chips" });
  for (const [name, value] of [["credit", credit], ["advantage", own],
    ["under shared reward", group.shared[rollout][turn]]]) {
    const chip = element("dd", {}, signed(value));
    if (Object.hasOwn(SCALE, name)) shade(chip, value, name);
    numbers.append(element("div", {}, element("dt", {}, name), chip));
  }
  const node = element("div", { class: "message", role: "group", "aria-label": TURNS[turn] },
    element("h4", {}, TURNS[turn]), numbers);
  if (isOpposed(group, rollout, turn)) {
    node.append(element("p", { class: "flag" }, own < 0
      ? "⇄ Against the reward: the shared reward alone would encourage this message."
      : "⇄ Against the reward: the shared reward alone would discourage this message."));
  }
  if (vote !== undefined) {
    node.append(element("p", { class: "small" }, "vote: ",
      vote === null ? "abstained" : element("code", { dir: "auto" }, vote)));
  }
  node.append(spoken(text));
  const edge = element("span", { class: "edge", "aria-hidden": "true" });
  node.prepend(shade(edge, credit, "credit"));
  return shade(node, own, "advantage");
}

/* Return a name for each message: its speaker, numbered as the turns are if it speaks again. */
function messageNames(speakers) {
  return speakers.map((speaker, place) => {
    const number = speakers.slice(0, place + 1).filter((other) => other === speaker).length;
    const isOnly = speakers.filter((other) => other === speaker).length === 1;
    return isOnly ? AGENTS[speaker] : `${AGENTS[speaker]}#${number}`;
  });
}

/* Return the headline and the episodes of a comparison. */
async function comparedEpisodes(own, group, rollout, texts) {
  if (own.replays === undefined) return recounted(own, group, rollout, texts);
  const { replays } = own;
  const answers = await textsOf(replays.answers);
  const known = replays.rewards.filter((reward) => reward !== null);
  const right = known.filter((reward) => reward > 0).length;
  const count = replays.kept.length;
  const told = count === 1 ? "Another message is that" : `${count} other messages are those`;
  const teamRight = group.rewards.filter((reward) => reward > 0).length;
  const summary = element("p", {}, `${right} of ${known.length} episodes right${count
    ? `. ${told} of this rollout.` : `; of the whole team ${teamRight} of ${group.rewards.length}.`}`);
  const episodes = await Promise.all(replays.messages.map(async (numbers, number) => {
    const said = await textsOf(numbers);
    const names = messageNames(replays.speakers.slice(0, said.length));
    return element("div", { class: "episode", role: "group", "aria-label": `Episode ${number + 1}` },
      element("p", {}, ...outcome(replays.rewards[number], answers[number])),
      ...said.flatMap((text, place) =>
        [element("h4", {}, names[place]), spoken(text)]));
  }));
  return [summary, ...episodes];
}

async function recounted(own, group, rollout, texts) {
  const votes = await textsOf(group.votes[rollout]);
  const counts = new Map();
  votes.forEach((vote, voter) => {
    if (voter !== own.left && group.votes[rollout][voter] >= 0) {
      counts.set(vote, (counts.get(vote) ?? 0) + 1);
    }
  });
  const most = Math.max(0, ...counts.values());
  const winner = [...counts].find(([, count]) => count === most)?.[0] ?? null;
  const tally = [...counts].map(([vote, count]) => `${vote}: ${count}`).join(", ") || "no votes";
  return [element("p", {}, ...outcome(own.reward, winner)),
    element("p", { class: "muted small" },
      `The same messages without this vote (${tally}); the first of a tie wins.`),
    ...votes.flatMap((vote, voter) => (voter === own.left ? [] : [element("div",
      { class: "episode", role: "group", "aria-label": AGENTS[voter] },
      element("h4", {}, AGENTS[voter]), spoken(texts[voter]))]))];
}
