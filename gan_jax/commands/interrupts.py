"""Handles Ctrl-C and SIGTERM at any moment of a command with one line and an exit code.

While a command starts, nothing has been written, and the process ends at once. While it works,
KeyboardInterrupt lets it clean up. If the exception is lost, in a callback or in compiled code that
does not return, the process ends after a few seconds anyway.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_CODE = 128 + signal.SIGINT
PATIENCE = 2.0
"""Seconds after which the process is ended if the command has not ended by itself."""
_whole_process = False


def begin() -> None:
    """Makes signals end the process at once; call it in a program's first lines, before it loads
    anything.
    """
    global _whole_process
    _whole_process = True
    for number in SIGNALS:
        signal.signal(number, lambda *_: _exit("Stopped before anything was written.", EXIT_CODE))


def finish() -> None:
    """Ignores signals from now on, because the work is done and the interpreter shuts down."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def ends_with(line: str, code: int = EXIT_CODE) -> Iterator[None]:
    """Wraps a command's work: if a signal stops it, the program prints ``line`` on stderr and ends
    with the exit code.

    Handlers that the work itself installs take precedence as long as they are installed.

    Raises:
      SystemExit: if the work raised KeyboardInterrupt.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python lets only the main thread handle signals
        return
    stopping = threading.Event()

    def stop(number, frame):
        if _whole_process and _importing(frame):
            _exit(line, code)  # modules swallow exceptions, convert them or print tracebacks
        if not stopping.is_set():  # a parent such as uv may pass on the same Ctrl-C
            stopping.set()
            sys.unraisablehook = lambda _: None  # code that swallows the exception prints nothing
            raise KeyboardInterrupt

    def ours(number: int) -> bool:
        return stopping.is_set() or signal.getsignal(number) is stop

    hook = sys.unraisablehook
    former = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        with _watchdog(ours, line, code):
            yield
    except BaseException as error:
        # Other code may have converted the exception into one of its own.
        if not stopping.is_set() and not isinstance(error, KeyboardInterrupt):
            raise
        stopping.set()
        _end(line, code)
    finally:
        sys.unraisablehook = hook
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _watchdog(ours: Callable[[int], bool], line: str, code: int) -> Iterator[None]:
    """Starts a thread that receives signals even while the main thread is inside compiled code, and
    ends the process if it does not end by itself.
    """
    read, write = socket.socketpair()
    write.setblocking(False)
    done = threading.Event()

    def watch():
        while number := read.recv(1):
            if ours(number[0]) and not done.wait(PATIENCE):
                _exit(line, code)
        read.close()

    former = signal.set_wakeup_fd(write.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
        signal.set_wakeup_fd(former)
        write.close()


def _importing(frame: FrameType | None) -> bool:
    """Whether the signal arrived while a module was being imported."""
    while frame is not None and not frame.f_code.co_filename.startswith("<frozen importlib"):
        frame = frame.f_back
    return frame is not None


def _end(line: str, code: int) -> NoReturn:
    if _whole_process:  # threads may be at work that nothing can stop, such as the compiler's
        with contextlib.suppress(OSError):
            sys.stdout.flush()
        _exit(line, code)
    print(line, file=sys.stderr, flush=True)
    raise SystemExit(code) from None


def _exit(line: str, code: int) -> NoReturn:
    after = "\n" if os.isatty(2) else ""  # the terminal shows ^C
    os.write(2, f"{after}{line}\n".encode())
    os._exit(code)
