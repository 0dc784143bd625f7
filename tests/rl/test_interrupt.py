from __future__ import annotations

import signal
import threading
from contextlib import suppress

import pytest

from baselines.train.interrupt import stop_requests

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def _handlers_of_the_test_run_return():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS)
def test_stop_requests_turns_the_first_signal_into_a_request(number):
    heard = []
    with stop_requests(lambda: heard.append("stop")) as request:
        assert (request.number, request.exit_code) == (None, 0)
        signal.raise_signal(number)
        assert (request.number, request.exit_code) == (number, 128 + number)
    assert heard == ["stop"]


@pytest.mark.parametrize("second", SIGNALS)
def test_stop_requests_interrupts_at_the_second_signal(second):
    heard = []
    with stop_requests(lambda: heard.append("stop")):
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt) as raised:
            signal.raise_signal(second)
    assert heard == ["stop"]
    assert getattr(raised.value, "exit_code", 130) == 128 + second


def test_stop_requests_leaves_a_signal_ignored_that_nohup_ignores():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with stop_requests(lambda: None) as request:
        signal.raise_signal(signal.SIGHUP)
        assert request.number is None
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_stop_requests_puts_the_handlers_back_also_after_an_error():
    before = [signal.getsignal(number) for number in SIGNALS]
    with suppress(ZeroDivisionError), stop_requests(lambda: None):
        assert not set(before) & {signal.getsignal(number) for number in SIGNALS}
        raise ZeroDivisionError
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_stop_requests_catches_nothing_outside_the_main_thread():
    before = [signal.getsignal(number) for number in SIGNALS]
    found = []

    def run():
        with stop_requests(lambda: None) as request:
            found.append((request.number, [signal.getsignal(number) for number in SIGNALS]))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [(None, before)]
