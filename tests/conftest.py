"""Settings of all tests: one thread, hypothesis without a time limit, figures on request."""

from __future__ import annotations

import gc
import multiprocessing.context
import os
import signal
import sys
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, settings

from tests.rl.warm import COVERAGE, WARM_COVERAGE, stop, warm_context

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read by torch when a test imports it

# Shells make background processes ignore Ctrl-C, and nohup a closed terminal.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

# Time limits would fail on a loaded machine. Most properties hold for each of many methods, so
# that a few examples of each are hundreds of the property.
settings.register_profile(
    "local",
    deadline=None,
    max_examples=100 if "CCPO_SLOW" in os.environ else 30,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("ci", settings.get_profile("local"), derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")

gc.disable()  # imported and collected objects live until the end


def pytest_collection(session: pytest.Session) -> None:
    """Keep a single coverage measurement in a process of pytest-xdist.

    Coverage starts automatically there, and pytest-cov starts it again: when a test pauses the
    second (no_cover), the first would continue.
    """
    plugin = session.config.pluginmanager.getplugin("_cov")
    if "PYTEST_XDIST_WORKER" not in os.environ or getattr(plugin, "cov_controller", None) is None:
        return
    from coverage import Coverage

    plugin.cov_controller.pause()
    while (other := Coverage.current()) is not None:
        other.stop()
    plugin.cov_controller.resume()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the modules that are marked `first`.

    A process without tests takes some from the end of another's: the fixtures of a module are then
    made in both.
    """
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


def pytest_collection_finish() -> None:
    """Freeze existing objects, and collect garbage from here on."""
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="session")
def _one_torch_thread() -> None:
    if "torch" in sys.modules:  # do not import torch in runs without it
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True, scope="session")
def _push_nothing_to_the_disk() -> Iterator[None]:
    """Skip the milliseconds of each push: no power is cut while tests run."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _handle: None)
        yield


@pytest.fixture(autouse=True, scope="module")
def _draw_on_request(request: pytest.FixtureRequest) -> Iterator[None]:
    """Omit figures from reports, unless a module is marked with `figures`: they take seconds."""
    page = sys.modules.get("baselines.report.run_page")
    if page is None:
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        if request.node.get_closest_marker("figures"):
            from matplotlib.figure import Figure

            patch.setattr(Figure, "savefig", untraced(Figure.savefig))
        else:
            patch.setattr(page, "plots", lambda *_args, **_kwargs: {})
        yield


def untraced(function: Callable[..., None]) -> Callable[..., None]:
    """Return a function of another package that runs without the tracer of coverage.

    Its millions of calls are not measured in any case, and the tracer sees each of them.
    """

    def call(*args: object, **kwargs: object) -> None:
        tracer = sys.gettrace()
        sys.settrace(None)
        try:
            function(*args, **kwargs)
        finally:
            sys.settrace(tracer)

    return call


@pytest.fixture(autouse=True, scope="module")
def _measure_interpreters_on_request(request: pytest.FixtureRequest) -> Iterator[None]:
    """Start the interpreters of a module without coverage, unless it is marked `interpreters`.

    Each would take a third of a second more, for lines that tests in this process run as well.
    """
    with pytest.MonkeyPatch.context() as patch:
        value = os.environ.get(COVERAGE)
        if value is not None and not request.node.get_closest_marker("interpreters"):
            patch.delenv(COVERAGE)
            patch.setenv(WARM_COVERAGE, value)
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_process_is_left() -> Iterator[None]:
    yield
    stop()


@pytest.fixture
def warm_pools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make pools fork workers from a warm process instead of spawning them."""
    monkeypatch.setitem(multiprocessing.context._concrete_contexts, "spawn", warm_context())


@pytest.fixture
def patient_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let comparisons in workers wait for a busy machine; their time limits are tested apart."""
    from ccpo_env.verifiers.math import verifier

    monkeypatch.setattr(verifier, "MAX_WORKER_S", 60.0)
    monkeypatch.setattr(verifier, "MAX_UNFINISHED_S", 60.0)
