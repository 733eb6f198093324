"""Toy GANs of six kinds, built from objects alone, whose shapes differ as much as those of
StyleGAN, stacked GANs, audio, text, image-to-image and latent editing do.
"""

from __future__ import annotations

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax

from gan_jax import (
    Augment,
    Batch,
    Context,
    Critique,
    Fake,
    Feedback,
    Frozen,
    Gan,
    Memory,
    Modality,
    Player,
    Schedule,
    Term,
    Vectors,
)
from gan_jax.devices import batch_axis
from gan_jax.parts.augment import instance_noise
from gan_jax.parts.losses import least_squares, nonsaturating
from gan_jax.parts.priors import Normal, Nothing
from gan_jax.parts.regularizers import r1, sign_real
from gan_jax.parts.regularizers.making import memoryless, with_memory

B = 16
SGD = optax.sgd(0.05)


class Score(nn.Module):
    """A small discriminator of the first leaf of ``x``, flattened, and of the condition."""

    width: int = 16

    @nn.compact
    def __call__(self, x, y, *, train):
        inputs = [a.reshape(len(a), -1).astype(jnp.float32) for a in jax.tree.leaves((x, y))]
        h = nn.tanh(nn.Dense(self.width)(jnp.concatenate(inputs, axis=-1)))
        return Critique(nn.Dense(1)(h)[:, 0], {"features": h})


def ring(n=64, seed=0):
    rng = np.random.default_rng(seed)
    angle = rng.integers(0, 8, n) * np.pi / 4
    points = np.stack([np.cos(angle), np.sin(angle)], 1) + 0.05 * rng.normal(size=(n, 2))
    return points.astype(np.float32), (np.arange(n) % 3).astype(np.int32)


# (a) Style: a mapping network, path length in w, and an augmentation that follows D.


class Style(nn.Module):
    def setup(self):
        self.to_w, self.hidden, self.to_x = nn.Dense(4), nn.Dense(8), nn.Dense(2)

    def __call__(self, z, y, *, train):
        w = self.mapping(z, y, train=train)
        return Fake(self.synthesis(w, y, train=train), extras={"w": w})

    def mapping(self, z, y, *, train):
        return nn.tanh(self.to_w(z))

    def synthesis(self, w, y, *, train):
        return self.to_x(nn.tanh(self.hidden(w)))


@with_memory(lambda: jnp.zeros(()))
def path_length(memory, context: Context, *, decay: float = 0.01):
    """Karras et al. 2020, section 3.2."""
    w, x = context.fake.extras["w"], context.fake.x
    noise = batch_axis.draw(jax.random.normal, context.key, x.shape) / x.shape[1] ** 0.5
    made = lambda w: context.generate(w, context.fake.y, method="synthesis")
    slope = jax.grad(lambda w: jnp.sum(made(w) * noise))(w)
    lengths = jnp.sqrt(jnp.sum(jnp.square(slope), axis=1) + 1e-12)
    mean = memory + decay * (batch_axis.whole(lengths).mean() - memory)
    return jnp.square(lengths - mean), mean


def style(target=0.4, rate=0.02):
    strength = Feedback("d/sign_real", target, rate, high=5.0)
    return Gan(
        Player(Style(), optax.adam(1e-3), (Term("path", path_length(), 0.1, every=2),)),
        Player(Score(), optax.adam(1e-2), (Term("sign_real", sign_real(), 0.0),)),
        nonsaturating, Normal(3), Vectors((2,)),
        augments=(Augment("noise", instance_noise, strength),),
    )  # fmt: skip


# (b) Two stacked levels over a frozen encoder: y -> h, h -> x, and both at once.


class Encoder(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.tanh(nn.Dense(3)(x))


class Level(nn.Module):
    size: int

    @nn.compact
    def __call__(self, z, y, *, train):
        y = jax.nn.one_hot(y, 3) if jnp.issubdtype(y.dtype, jnp.integer) else y
        return nn.Dense(self.size)(nn.tanh(nn.Dense(8)(jnp.concatenate([z, y], axis=1))))


class Levels(nn.Module):
    def setup(self):
        self.top, self.bottom = Level(3), Level(2)

    def __call__(self, z, y, *, train):
        h = self.top(z[:, :4], y, train=train)
        return {"h": h, "x": self.bottom(z[:, 4:], h, train=train)}


class ScoreOfLevels(nn.Module):
    """A score of each level, ``[b, 2]``."""

    def setup(self):
        self.top, self.bottom = Score(), Score()

    def __call__(self, x, y, *, train):
        critiques = self.top(x["h"], y, train=train), self.bottom(x["x"], x["h"], train=train)
        return Critique(jnp.stack([c.score for c in critiques], axis=1))


@memoryless
def conditional(context: Context):
    """The encoder recovers the condition (Huang et al. 2017, section 3.3)."""
    fake = context.fake.x["x"] if isinstance(context.fake.x, dict) else context.fake.x
    wanted = context.fake.x["h"] if isinstance(context.fake.x, dict) else context.fake.y
    return jnp.sum(jnp.square(context.frozen["encoder"](fake) - wanted), axis=1)


class HiddenAndPoint(Modality):
    """``{"h": [b, 3], "x": [b, 2]}``."""

    def check(self, field, x):
        assert {k: v.shape[1:] for k, v in x.items()} == {"h": (3,), "x": (2,)}


def stacked():
    """The GANs of the three stages, and the encoder's variables."""
    encoder = Frozen("encoder", Encoder())
    variables = Encoder().init(jax.random.key(7), jnp.zeros((1, 2)))
    shared = dict(loss=nonsaturating, prior=Normal(4), frozen=(encoder,))
    term = (Term("conditional", conditional(), 1.0),)
    top = Gan(
        Player(Level(3), SGD), Player(Score(), SGD), modality=Vectors((3,)), num_classes=3,
        prepare=_hidden_as_example, **shared,
    )  # fmt: skip
    bottom = Gan(
        Player(Level(2), SGD, term), Player(Score(), SGD), modality=Vectors((2,)),
        prepare=_hidden_as_condition, **shared,
    )  # fmt: skip
    joint = Gan(
        Player(Levels(), SGD, term), Player(ScoreOfLevels(), SGD), modality=HiddenAndPoint(()),
        num_classes=3, prepare=_both_levels, **(shared | {"prior": Normal(8)}),
    )  # fmt: skip
    return top, bottom, joint, {"encoder": variables}


def _hidden_as_example(batch, frozen, key):
    return Batch(frozen["encoder"](batch.x), batch.y)


def _hidden_as_condition(batch, frozen, key):
    return Batch(batch.x, frozen["encoder"](batch.x))


def _both_levels(batch, frozen, key):
    return Batch({"h": frozen["encoder"](batch.x), "x": batch.x}, batch.y)


# (c) A signal: 1-D convolutions, stored as 16-bit samples.


class Signals(Modality):
    name, stored, bounded = "signals", np.int16, True

    def to_network(self, x):
        return x.astype(jnp.float32) / 32768 if x.dtype == jnp.int16 else x


class Wave(nn.Module):
    @nn.compact
    def __call__(self, z, y, *, train):
        x = nn.relu(nn.Dense(16 * 4)(z)).reshape(-1, 16, 4)
        x = nn.relu(nn.ConvTranspose(4, (5,), (2,))(x))
        return nn.tanh(nn.ConvTranspose(1, (5,), (2,))(x))


class ScoreOfWave(nn.Module):
    """A score of each of 16 places, ``[b, 16]``."""

    @nn.compact
    def __call__(self, x, y, *, train):
        x = nn.leaky_relu(nn.Conv(4, (5,), (2,))(x))
        return Critique(nn.Conv(1, (5,), (2,))(nn.leaky_relu(x))[..., 0])


def signal():
    return Gan(
        Player(Wave(), SGD, average=100.0), Player(ScoreOfWave(), SGD, (Term("r1", r1(), 0.1),)),
        least_squares, Normal(4), Signals((64, 1)),
    )  # fmt: skip


# (d) Sequences of tokens, by relaxed samples and by the score-function estimator.


@dataclasses.dataclass(frozen=True)
class Tokens(Modality):
    """``[..., length]`` int32, seen by networks as one-hot ``[..., length, words]``."""

    words: int = 5
    name, stored = "sequences", np.int32

    def to_network(self, x):
        integer = jnp.issubdtype(x.dtype, jnp.integer)
        return jax.nn.one_hot(x, self.words) if integer else x


class Writer(nn.Module):
    """Logits ``[b, length, words]`` that depend on the latents."""

    length: int = 4
    words: int = 5

    @nn.compact
    def __call__(self, z, y, *, train):
        return nn.Dense(self.length * self.words)(z).reshape(-1, self.length, self.words)


class Gumbel(nn.Module):
    """One-hot samples with the gradient of relaxed ones (Jang et al. 2017)."""

    @nn.compact
    def __call__(self, z, y, *, train, temperature):
        logits = Writer()(z, y, train=train)
        if not train:
            return jax.nn.one_hot(logits.argmax(-1), logits.shape[-1])
        noise = batch_axis.draw(jax.random.gumbel, self.make_rng("noise"), logits.shape)
        soft = jax.nn.softmax((logits + noise) / temperature)
        hard = jax.nn.one_hot(soft.argmax(-1), soft.shape[-1])
        return hard + soft - jax.lax.stop_gradient(soft)


class Sampled(nn.Module):
    """One-hot samples without a gradient, and their log-probabilities ``[b]``."""

    length: int = 4
    words: int = 5

    @nn.compact
    def __call__(self, z, y, *, train):
        logits = nn.log_softmax(Writer(self.length, self.words)(z, y, train=train))
        if not train:
            return jax.nn.one_hot(logits.argmax(-1), self.words)
        noise = batch_axis.draw(jax.random.gumbel, self.make_rng("noise"), logits.shape)
        hard = jax.nn.one_hot((logits + noise).argmax(-1), self.words)
        return Fake(hard, extras={"log_prob": jnp.sum(hard * logits, axis=(1, 2))})


@with_memory(lambda: jnp.zeros(()))
def reinforce(memory, context: Context, *, decay: float = 0.9):
    """``-(reward - baseline) log p`` with D's score as the reward (Williams 1992). The baseline is
    learned: the moving average of earlier rewards.
    """
    reward = jax.lax.stop_gradient(context.fake_critique.score)
    mean = batch_axis.whole(reward).mean()
    penalty = -(reward - memory) * context.fake.extras["log_prob"]
    return penalty, decay * memory + (1 - decay) * mean


def writing(by_gumbel=True, length=4, words=5):
    temperature = {"temperature": Schedule(2.0, 0.5, 10)}
    gumbel = Player(Gumbel(), SGD, numbers=temperature)
    terms = (Term("reinforce", reinforce(), 1.0),)
    sampled = Player(Sampled(length, words), SGD, terms, loss_weight=0.0)
    return Gan(
        gumbel if by_gumbel else sampled, Player(Score(), SGD), nonsaturating, Normal(3),
        Tokens((length, words), words),
    )  # fmt: skip


# (e) A cycle: two generators and two discriminators, unpaired domains, pools of earlier fakes.


class Cycle(nn.Module):
    def setup(self):
        self.to_a, self.to_b = Level(2), Level(2)

    def __call__(self, z, y, *, train):
        nothing = jnp.zeros((len(y["a"]), 0))
        a = self.to_a(nothing, y["b"], train=train)
        b = self.to_b(nothing, y["a"], train=train)
        back = {"a": self.to_a(nothing, b, train=train), "b": self.to_b(nothing, a, train=train)}
        return Fake({"a": a, "b": b}, extras={"back": back})


class ScoreOfDomains(nn.Module):
    def setup(self):
        self.a, self.b = Score(), Score()

    def __call__(self, x, y, *, train):
        scores = (getattr(self, name)(x[name], (), train=train).score for name in "ab")
        return Critique(jnp.stack(list(scores), axis=1))


@memoryless
def cycle(context: Context):
    """``|F(G(a)) - a| + |G(F(b)) - b|`` (Zhu et al. 2017, equation 2)."""
    back, real = context.fake.extras["back"], context.real.x
    return sum(jnp.abs(back[name] - real[name]).mean(1) for name in "ab")


class Domains(Modality):
    """``{"a": [b, 2], "b": [b, 2]}``."""

    def check(self, field, x):
        assert {k: v.shape[1:] for k, v in x.items()} == {"a": (2,), "b": (2,)}


def _pooled(memory, fake, key):
    """Half of the fakes are exchanged for those of a pool (Shrivastava et al. 2017)."""
    now = batch_axis.whole(fake.x)
    b = len(now["a"])
    place_key, coin_key = jax.random.split(key)
    place = jax.random.permutation(place_key, len(memory["a"]))[:b]
    swap = jax.random.bernoulli(coin_key, 0.5, (b, 1))
    shown = jax.tree.map(lambda pool, x: jnp.where(swap, pool[place], x), memory, now)
    memory = jax.tree.map(
        lambda pool, x: pool.at[place].set(jnp.where(swap, x, pool[place])), memory, now
    )
    return fake._replace(x=batch_axis.own(shown)), memory


def _empty_pool(x):
    return jax.tree.map(lambda a: jnp.zeros((2 * B, *a.shape[1:])), x)


def _itself(batch, frozen, key):
    return Batch(batch.x, batch.x)


def domains():
    return Gan(
        Player(Cycle(), SGD, (Term("cycle", cycle(), 10.0),)),
        Player(ScoreOfDomains(), SGD, memory=Memory(_empty_pool, _pooled)),
        least_squares, Nothing(), Domains(()), prepare=_itself,
    )  # fmt: skip
