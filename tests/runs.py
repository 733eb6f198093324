"""A small run of the training loop, and how to stop one, for tests of what is around the loop."""

import signal

from gan_jax import Config, Network
from gan_jax.training import loop as training

RING = Config(
    dataset="ring8",
    conditioning="projection",
    latents=4,
    generator=Network("mlp", width=8, depth=1),
    discriminator=Network("mlp", width=8, depth=1),
    batch_size=16,
    steps=12,
    log_every=4,
    diagnose_every=0,
    sample_every=12,
    checkpoint_every=4,
    keep=5,
)


def stopped_after(monkeypatch, step):
    """Until the end of ``monkeypatch``: SIGTERM arrives in the first update that begins at ``step``
    or later, which is made alone.
    """
    advance, due = training._advance, [True]

    def signalled(steps, state, n):
        now = int(state.step) >= step and bool(due) and due.pop()
        result = advance(steps, state, 1 if now else n)
        if now:
            signal.raise_signal(signal.SIGTERM)
        return result

    monkeypatch.setattr(training, "_advance", signalled)
