"""Ctrl-C is heard, wherever it falls."""

import contextlib
import signal
import subprocess
import sys
import threading

import pytest

from clairo import interrupts, log


def press() -> None:
    signal.raise_signal(signal.SIGINT)


def swallow() -> None:
    with contextlib.suppress(KeyboardInterrupt):
        press()


def test_it_is_raised_on_the_spot() -> None:
    with interrupts.heard(), pytest.raises(interrupts.Interrupted):
        press()


def test_one_that_was_swallowed_is_heard_as_the_step_goes_on() -> None:
    with interrupts.heard(), log.step("counting") as step:
        step.advance()
        swallow()
        with pytest.raises(interrupts.Interrupted):
            step.advance()


def test_one_that_was_swallowed_is_heard_as_the_next_step_begins() -> None:
    with interrupts.heard():
        swallow()
        with pytest.raises(interrupts.Interrupted), log.step("counting"):
            pass


def test_a_block_that_must_not_be_cut_short_runs_to_its_end() -> None:
    ended = []

    def block() -> None:
        with interrupts.deferred():
            press()
            ended.append(True)

    with interrupts.heard(), pytest.raises(interrupts.Interrupted):
        block()
    assert ended


def test_afterwards_all_is_as_it_was() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts.heard():
        swallow()
    assert signal.getsignal(signal.SIGINT) is before
    with log.step("counting") as step:
        step.advance()


def test_where_it_is_ignored_it_stays_so() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.heard(), log.step("counting") as step:
            press()
            step.advance()
    finally:
        signal.signal(signal.SIGINT, before)


def test_a_thread_beside_the_main_one_leaves_signals_alone() -> None:
    before, seen = signal.getsignal(signal.SIGINT), []

    def work() -> None:
        with interrupts.heard():
            seen.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]


def test_the_exit_code_is_kept_when_the_interrupt_passes_through_code_made_from_text() -> None:
    script = """
import signal, sys
from clairo import interrupts
try:
    with interrupts.heard():
        exec("signal.raise_signal(signal.SIGINT)")
except KeyboardInterrupt:
    sys.exit(130)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 130
