"""Benches by name: one line each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence


def _advice(arguments: Sequence[str]) -> int:
    from baselines.bench.advice.command import main

    return main(arguments)


def _ahead(arguments: Sequence[str]) -> int:
    from baselines.bench.ahead import main

    return main(arguments)


def _credit(arguments: Sequence[str]) -> int:
    from baselines.bench.credit.command import main

    return main(arguments)


def _decoder(arguments: Sequence[str]) -> int:
    from baselines.bench.decoder import main

    return main(arguments)


def _environment(arguments: Sequence[str]) -> int:
    from baselines.bench.environment_speed import main

    return main(arguments)


def _exactness(arguments: Sequence[str]) -> int:
    from baselines.bench.exactness import main

    return main(arguments)


def _scaling(arguments: Sequence[str]) -> int:
    from baselines.bench.scaling import main

    return main(arguments)


def _learning(arguments: Sequence[str]) -> int:
    from baselines.bench.learning import main

    return main(arguments)


def _pilots(arguments: Sequence[str]) -> int:
    from baselines.bench.credit.pilots_command import main

    return main(arguments)


def _map(arguments: Sequence[str]) -> int:
    from baselines.bench.map.command import main

    return main(arguments)


def _sampler(arguments: Sequence[str]) -> int:
    from baselines.bench.sampler_speed import main

    return main(arguments)


def _step(arguments: Sequence[str]) -> int:
    from baselines.bench.step import main

    return main(arguments)


def _verifier(arguments: Sequence[str]) -> int:
    from baselines.bench.verifier_speed import main

    return main(arguments)


BENCHES: Mapping[str, Callable[[Sequence[str]], int]] = {
    "advice": _advice,
    "ahead": _ahead,
    "credit": _credit,
    "decoder": _decoder,
    "environment": _environment,
    "exactness": _exactness,
    "scaling": _scaling,
    "learning": _learning,
    "pilots": _pilots,
    "map": _map,
    "sampler": _sampler,
    "step": _step,
    "verifier": _verifier,
}
"""Functions of the command-line arguments by name; each imports its bench when called."""
