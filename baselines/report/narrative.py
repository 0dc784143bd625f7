"""Three questions about a run, answered as far as the tests of its paired differences allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from baselines.common.stats.paired import PairedDifference
from baselines.common.wording import plural, tie_note
from baselines.report.held_out import EFFECTS, RunRecord, comparison
from baselines.report.outcomes import each_adds, each_change
from baselines.report.run_audit import AgentAudit
from baselines.report.wording import (
    MAX_NAMED,
    correlation,
    critic_weights,
    listed,
    names_of,
    percent,
    percent_with_interval,
    points,
    points_with_p,
)

MAX_COMPARED = 3
"""Maximum number of removals with one sentence each; the table lists all of them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A question about a run, with the answer in sentences; the first one is the verdict."""

    question: str
    sentences: tuple[str, ...]


def answers(run: RunRecord, audits: Mapping[str, AgentAudit]) -> list[Answer]:
    """Return whether the team learned, whether each agent helps, and whether credit differs."""
    return [
        Answer("Did the team learn?", tuple(_learned(run))),
        Answer("Does each agent help?", tuple(_helps(run, list(audits)))),
        Answer("Was the credit informative?", tuple(_informative(run, audits))),
    ]


def remarks(run: RunRecord) -> list[str]:
    """Return what the answers leave out: reused samples, unmeasured answers, and an early end."""
    found = list(_reused(run))
    last = run.latest
    if last and last.num_unmeasured:
        answers_ = plural(last.num_unmeasured, "held-out answer")
        found.append(f"{answers_} could not be verified and are excluded.")
    if run.has_only_counts and run.before:
        found.append(
            "Only the counts before and after training are known, not which tasks they are: the "
            "p-value of their difference is an upper bound."
        )
    if run.config.get("topology") == "vote" and (note := tie_note(run.removals)):
        found.append(note)
    if run.torn and run.status == "finished":
        found.append(
            f"The last line of {listed(run.torn)} is incomplete and left out, although the run has "
            f"finished: restore the file."
        )
    if run.status == "interrupted":
        found.append(f"The run was interrupted after {plural(run.steps_done, 'step')}.")
    elif run.status == "unfinished":
        total = run.config.get("steps")
        of = f" of {total}" if isinstance(total, int) else ""
        found.append(f"The run has not finished: step {run.steps_done}{of} is its latest.")
    return found


def _reused(run: RunRecord) -> Iterator[str]:
    """Yield what was trained on besides the rollouts of each step."""
    if run.config.get("train_on") == "all":
        yield "The messages of replays were training samples as well (--train-on all)."
    if not run.config.get("retrospect"):
        return
    known = [row.get("retrospect/sign_probability") for row in run.rows]
    judged = [value for value in known if value is not None]
    tokens, probe = (
        sum(row.get(f"cost/tokens_{kind}") or 0.0 for row in run.rows)
        for kind in ("generated", "probe")
    )
    cost = f"the probe set took {100.0 * probe / max(tokens, 1.0):.1f} % of the sampled tokens"
    if not judged:
        yield f"No update has been judged on the probe set (--retrospect); {cost}."
        return
    yield (
        f"In {len(judged):,} of {plural(len(known), 'step')}, the last update was judged on a "
        f"probe set (--retrospect): mean sign probability {sum(judged) / len(judged):.2f}; {cost}."
    )


def credit_sentence(agent: str, audit: AgentAudit) -> str:
    """Return how the advantage of an agent relates to the shared one over the run."""
    if not audit.signal_rate.value:
        return f"{agent} had no signal: its advantage was zero in every group."
    if audit.is_shared_so_far:
        return critic_weights({agent: audit.critic_weight or 0.0})
    if audit.is_degenerate:
        return (
            f"The credit of {agent} is the shared reward, rescaled: in every group its advantage "
            f"is a multiple of the shared one (degenerate credit)."
        )
    if audit.is_practically_shared:
        return f"The credit of {agent} is practically the shared reward."
    return f"The credit of {agent} differs from the shared reward."


def _learned(run: RunRecord) -> list[str]:
    team = comparison(run, "joint")
    if team.before is None and team.after is None:
        return ["There was no evaluation on held-out tasks."]
    if team.before is None or team.after is None or run.after is None:
        when = "before training" if team.after is None else f"after {_steps(run)}"
        rate = team.before if team.after is None else team.after
        assert rate is not None
        return [f"Held-out accuracy {when} is {percent_with_interval(rate)}."]
    before, after = percent(team.before), percent(team.after)
    way = f"from {before} to {after} in {_steps(run)}"
    if team.change is None:
        return [f"Held-out accuracy went {way}, on different tasks: the difference is unknown."]
    numbers = points_with_p(team.change, at_most=run.has_only_counts)
    verb = {"higher": "rose", "lower": "fell"}.get(team.change.verdict)
    if verb is None:
        went = f"is {before} before and after {_steps(run)}" if before == after else f"went {way}"
        return [f"Inconclusive: held-out accuracy {went}, {numbers}."]
    return [f"Held-out accuracy {verb} {way}: {numbers}."]


def _steps(run: RunRecord) -> str:
    return plural(run.after.step if run.after else run.steps_done, "step")


def _helps(run: RunRecord, agents: Sequence[str]) -> list[str]:
    """Compare the whole team with the team without an agent, in the latest evaluation."""
    added = each_adds(run.latest)
    if not added:
        return ["No agent was removed in an evaluation."]
    if len(added) > MAX_COMPARED:
        said = _grouped(added)
        return [*said, *(_adjusted(added) if any(", p <" in text for text in said) else [])]
    losses = each_change(run.before, run.after, "without")
    said = [
        *(_effect_sentence(name, found, losses.get(name)) for name, found in added.items()),
        *_adjusted(added),
    ]
    left = [agent for agent in agents if agent not in "+".join(added).split("+")]
    if left:
        said.append(f"{listed(left)} {'was' if len(left) == 1 else 'were'} not removed.")
    return said


def _adjusted(added: Mapping[str, PairedDifference]) -> list[str]:
    """Return how the p-values of several agents are adjusted."""
    return [f"p-values: Holm over {len(added)} tests."] if len(added) > 1 else []


def _effect_sentence(removed: str, added: PairedDifference, lost: PairedDifference | None) -> str:
    name, numbers = names_of(removed), points_with_p(added)
    found, is_one = EFFECTS[added.verdict], "+" not in removed
    if found == "inconclusive":
        return f"Inconclusive: {name} {'adds' if is_one else 'add'} {numbers}."
    verb = found if is_one else found[:-1]
    sentence = f"{name} {verb}: {'it adds' if is_one else 'they add'} {numbers}."
    if found == "helps" and lost is not None and lost.verdict == "lower":
        sentence += (
            f" Part of this is a loss: accuracy without {name} fell in training by {points(lost)}."
        )
    return sentence


def _grouped(added: Mapping[str, PairedDifference]) -> list[str]:
    """Return one sentence per effect, for teams with many agents."""
    found: dict[str, list[str]] = {}
    for name, difference in added.items():
        found.setdefault(EFFECTS[difference.verdict], []).append(name)
    said = []
    for kind in filter(found.__contains__, EFFECTS.values()):
        names = found[kind]
        values = [100.0 * added[name].value for name in names]
        span = f"{min(values):+.1f} to {max(values):+.1f} points"
        who = listed([names_of(name) for name in names])
        if kind == "inconclusive":
            said.append(f"Inconclusive: {who} ({span}).")
        else:
            verb = kind if len(names) == 1 else kind[:-1]
            said.append(f"{who} {verb}: {span}, p < 0.05 each.")
    return said


def _informative(run: RunRecord, audits: Mapping[str, AgentAudit]) -> list[str]:
    if not audits:
        return ["No credit was measured."]
    if run.config.get("allocator") == "shared":
        return ["Every agent has the shared reward, as set with --allocator shared."]
    return credit_sentences(audits)


def credit_sentences(audits: Mapping[str, AgentAudit]) -> list[str]:
    """Return whose credit differs from the shared reward, and the correlations that tell it."""
    silent = [agent for agent, audit in audits.items() if not audit.signal_rate.value]
    waiting = {a: own.critic_weight or 0.0 for a, own in audits.items() if own.is_shared_so_far}
    shared = [a for a, own in audits.items() if own.is_practically_shared and a not in waiting]
    own = [agent for agent in audits if agent not in (*silent, *shared, *waiting)]
    said = []
    if own:
        said.append(f"The credit of {listed(own)} differs from the shared reward.")
    if shared:
        said.append(f"The credit of {listed(shared)} is practically the shared reward.")
    if waiting:
        said.append(critic_weights(waiting))
    if silent:
        said.append(f"The advantage of {listed(silent)} was zero in every group.")
    return [*said, *_correlations(audits)]


def _correlations(audits: Mapping[str, AgentAudit]) -> list[str]:
    """Return the correlation of each agent, or the range of those of a large team."""
    known = {agent: a.correlation for agent, a in audits.items() if a.correlation is not None}
    if not known:
        return []
    if len(known) > MAX_NAMED:
        low, high = (end(found.value for found in known.values()) for end in (min, max))
        text = f"{correlation(low)} to {correlation(high)}"
    else:
        text = ", ".join(
            f"{agent} {correlation(own.value, own.low, own.high)}" for agent, own in known.items()
        )
    return [f"Correlation with the shared advantage: {text}."]
