"""A child process of a test: begun when no other thread holds a lock, ended with the test."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any


@contextmanager
def forked(work: Callable[[], Any]) -> Iterator[int]:
    """The id of a process that does the work."""
    for thread in threading.enumerate():  # of pools that are ending
        if thread is not threading.current_thread() and (
            not thread.daemon or thread.name == "QueueFeederThread"
        ):
            thread.join(10)
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(1)
    try:
        yield child
    finally:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
