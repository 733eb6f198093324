"""Ctrl-C and SIGTERM: training stops between two calls of the compiled loop, and compilation can be
interrupted.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator

ONE_KEY_PRESS = 0.5
"""Seconds within which two signals count as one."""


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set. A second signal kills, unless it is the same signal
    passed on by a parent such as uv.
    """
    stop, first = threading.Event(), 0.0
    if threading.current_thread() is not threading.main_thread():
        yield stop  # Python lets only the main thread handle signals
        return

    def handle(number, frame):
        nonlocal first
        if not stop.is_set():
            stop.set()
            first = time.monotonic()
        elif time.monotonic() - first > ONE_KEY_PRESS:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    former = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def interruptibly(work: Callable[[], None]) -> None:
    """Runs long work inside XLA in another thread, so that this thread receives signals. SIGTERM
    then acts like Ctrl-C.
    """
    errors = []

    def run():
        try:
            work()
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
