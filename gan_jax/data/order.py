"""Order, mirroring and choice of the examples, each element computed alone: no permutation is
stored, on host or device.
"""

from __future__ import annotations

from types import ModuleType

import numpy as np

ROUNDS = 24
_GOLDEN = 0x9E3779B9  # 2^32 / golden ratio: consecutive multiples are spread evenly


def words(seed: int) -> np.ndarray:
    """The 64 low bits of a seed as uint32 ``[2]``, low word first: how a seed travels to the
    device.
    """
    return np.array([seed & 0xFFFFFFFF, seed >> 32 & 0xFFFFFFFF], np.uint32)


def salted(seed, salt: int):
    """The seed, as its `words` ``[2]`` uint32, of one of several independent orders.

    0 gives the seed itself. The low word stays, so that a salted seed is no other seed of 32 bits.
    """
    with np.errstate(over="ignore"):
        return seed ^ np.array([0, _mix(np.uint32(salt), np)], np.uint32)


def counted(number, size: int, n: int, xp: ModuleType = np):
    """Positions within an epoch, and epochs, of the draws ``number * size`` to ``(number + 1) *
    size - 1`` of a set, which is gone through again and again.

    Args:
      number: of numpy, a Python int, however large; of jax.numpy, ``()`` integers for which
        ``(number + 1) * size`` stays below 2^32.
      size: draws.
      n: examples an epoch, at most 2^31.
      xp: ``numpy`` or ``jax.numpy``.

    Returns:
      Positions in [0, n) and epochs modulo 2^32, each ``[size]`` uint32.
    """
    if xp is np:
        epoch, first = divmod(number * size, n)  # Python integers, which do not overflow
        epoch, first = xp.uint32(epoch % 2**32), xp.uint32(first)
    else:
        start = number.astype(xp.uint32) * xp.uint32(size)
        epoch, first = start // xp.uint32(n), start % xp.uint32(n)
    position = first + xp.arange(size, dtype=xp.uint32)
    return position % xp.uint32(n), epoch + position // xp.uint32(n)


def shuffled(position, n: int, seed, epoch, xp: ModuleType = np):
    """Where ``position`` goes in the ``epoch``-th permutation of ``range(n)``.

    The swap-or-not shuffle (Hoang, Morris & Rogaway 2012, "An enciphering scheme based on a card
    shuffle", figure 1) with murmur3's finalizer as its round function. Pure uint32 arithmetic:
    numpy on the host and jax.numpy inside a compiled function give the same integers.

    Args:
      position: integers in [0, n), any shape.
      n: number of examples, at most 2^31.
      seed: any Python int, of which the 64 low bits count, or its `words`.
      epoch: non-negative integers below 2^32 that broadcast against ``position``.
      xp: ``numpy`` or ``jax.numpy``.

    Returns:
      uint32 in [0, n), the shape of ``position``; for one epoch a permutation.
    """
    with np.errstate(over="ignore"):  # meant modulo 2^32, of which numpy warns for scalars
        x, n, key = xp.asarray(position, xp.uint32), xp.uint32(n), _key(seed, epoch, xp)
        for i in range(ROUNDS):
            pivot = _mix(key ^ xp.uint32((2 * i + 1) * _GOLDEN & 0xFFFFFFFF), xp)
            coin = _mix(key ^ xp.uint32((2 * i + 2) * _GOLDEN & 0xFFFFFFFF), xp)
            partner = (pivot % n + n - x) % n
            swap = _mix(xp.maximum(x, partner) ^ coin, xp) >> xp.uint32(31)
            x = xp.where(swap == 1, partner, x)
        return x


def mirrored(position, seed, epoch, xp: ModuleType = np):
    """Whether the example at ``position`` of an epoch is seen in a mirror: bool, true for half of
    them; as `shuffled`.
    """
    with np.errstate(over="ignore"):
        return (
            _mix(_key(seed, epoch, xp) ^ ~xp.asarray(position, xp.uint32), xp) >> xp.uint32(31) == 1
        )


def chosen(index, n: int, seed, stream, xp: ModuleType = np):
    """A draw from ``range(n)`` with replacement for each ``index``; another ``stream`` of the same
    seed draws independently.

    Uniform up to a share of ``n / 2^32``. Arguments as for `shuffled`; returns uint32 of the shape
    of ``index``.
    """
    with np.errstate(over="ignore"):
        return _mix(_key(seed, stream, xp) ^ xp.asarray(index, xp.uint32), xp) % xp.uint32(n)


def _key(seed, epoch, xp: ModuleType):
    low, high = words(seed) if isinstance(seed, int) else seed
    key = xp.uint32(0)
    for word in (low, high, xp.asarray(epoch, xp.uint32)):
        key = _mix((key + xp.uint32(_GOLDEN)) ^ word, xp)
    return key


def _mix(x, xp: ModuleType):
    """The finalizer of MurmurHash3 (Appleby 2011): a bijection of uint32 in which every bit affects
    every other.
    """
    x = (x ^ (x >> xp.uint32(16))) * xp.uint32(0x85EBCA6B)
    x = (x ^ (x >> xp.uint32(13))) * xp.uint32(0xC2B2AE35)
    return x ^ (x >> xp.uint32(16))
