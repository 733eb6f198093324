"""What a process of the benchmark's suite calls in tests: no task needs JAX."""

import os
import signal
import time


def call(function, options):
    """The options as values, unless the function ends the process, fails or takes long."""
    if function == "environment":
        versions = dict.fromkeys(("jax", "jaxlib", "flax", "optax", "orbax-checkpoint"), "1.2")
        about = {"device": "abacus", "backend": "cpu", "cores": 1, "processor": "beads"}
        return versions | about | {"python": "3", "time": "now", "git_revision": None}
    if function == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if function == "fail":
        raise MemoryError("out of beads")
    if function == "wait":
        time.sleep(60)
    return dict(options)
