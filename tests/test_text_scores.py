"""Scores of texts against definitions that are written down again, and against closed forms."""

import collections
import math

import numpy as np
import pytest

from gan_jax.commands.study import main as study
from gan_jax.metrics import bleu, ngrams
from gan_jax.metrics.grammars import scan_commands
from gan_jax.metrics.texts import TEXT_SCORES, RealTexts, as_keys, classifier, ladder, text_scores

WORDS = 4


def texts(*rows, length=6):
    return np.array([row + [0] * (length - len(row)) for row in rows], np.int32)


def random_texts(n, seed, length=6):
    rng = np.random.default_rng(seed)
    lengths = rng.integers(1, length + 1, n)
    lengths[:2] = length  # one text without padding, and its copy
    rows = [rng.integers(1, WORDS, k).tolist() for k in lengths]
    return texts(rows[0], *rows[:-1], length=length)


def ended_lists(tokens):
    return [[t for t in row if t] + [0] for row in tokens.tolist()]


def witten_bell(fitted, context, token, order):
    """P(token | context), from a recount of all texts."""
    if order == 0:
        return 1 / WORDS
    followers = collections.Counter()
    for row in ended_lists(fitted):
        row = [-1] * (order - 1) + row
        for i in range(order - 1, len(row)):
            if row[i - order + 1 : i] == context[len(context) - order + 1 :]:
                followers[row[i]] += 1
    lower = witten_bell(fitted, context, token, order - 1)
    n, kinds = followers.total(), len(followers)
    return (followers[token] + kinds * lower) / (n + kinds) if n else lower


def test_the_language_model_is_that_of_witten_and_bell():
    fitted, scored, order = random_texts(12, 0), random_texts(4, 1), 3
    logs, text = ngrams.log_probabilities(fitted, scored, WORDS, order)
    expected, place = [], []
    for number, row in enumerate(ended_lists(scored)):
        for i, token in enumerate(row):
            context = ([-1] * (order - 1) + row[:i])[-(order - 1) :]
            expected.append(math.log2(witten_bell(fitted, context, token, order)))
            place.append(number)
            all_tokens = [witten_bell(fitted, context, t, order) for t in range(WORDS)]
            assert math.isclose(sum(all_tokens), 1)
    np.testing.assert_allclose(logs, expected)
    assert text.tolist() == place
    five = ngrams.log_probabilities(fitted, scored, WORDS, 5)[0]
    assert math.isclose(ngrams.bits(fitted, scored, WORDS), -five.mean())


def test_divergences_of_known_distributions():
    a, b = texts([1, 1, 1]), texts([2, 2])
    assert ngrams.divergence(a, a, 2) == 0
    # P: 3/4 of 1 and 1/4 the end; Q: 2/3 of 2 and 1/3 the end
    p, q = np.array([3 / 4, 0, 1 / 4]), np.array([0, 2 / 3, 1 / 3])
    kl = lambda x: sum(u * math.log2(u / v) for u, v in zip(x, (p + q) / 2, strict=True) if u)
    assert math.isclose(ngrams.divergence(a, b, 1), (kl(p) + kl(q)) / 2)
    assert ngrams.divergence(a, b, 2) == 1
    assert ngrams.divergence(a, b, 6) == 1  # no text is long enough


def test_samplers_follow_the_counts():
    training = texts([1, 2], [1, 2], [1, 3], [2], length=2)
    drawn = ngrams.sampler(training, WORDS, 2)(4_000, 0)
    shares = collections.Counter(map(tuple, drawn.tolist()))
    # 1 follows the beginning in 3 of 4, 2 follows 1 in 2 of 3, and the end follows 2 and 3.
    expected = {(1, 2): 1 / 2, (1, 3): 1 / 4, (2, 0): 1 / 4}
    assert shares.keys() == expected.keys()
    for own, share in expected.items():
        assert abs(shares[own] / 4_000 - share) < 0.04
    uniform = ngrams.sampler(training, WORDS, 0)(1_000, 0)
    assert set(uniform[:, 0].tolist()) == {0, 1, 2, 3} and not uniform[uniform[:, 0] == 0].any()
    single = ngrams.sampler(training, WORDS, 1)(4_000, 0)
    assert abs((single[:, 0] == 0).mean() - 4 / 11) < 0.04  # 4 ends in 11 tokens


def plain_bleu(sample, others, n):
    """BLEU-n of one sentence, recounted for each reference (Papineni et al. 2002)."""
    grams = lambda text, k: collections.Counter(
        tuple(text[i : i + k]) for i in range(len(text) - k + 1)
    )
    product = 1.0
    for k in range(1, n + 1):
        own = grams(sample, k)
        right = sum(min(c, max(grams(other, k)[g] for other in others)) for g, c in own.items())
        if k == 1 and not right:
            return 0.0
        product *= (right or 0.1) / max(sum(own.values()), 1)
    nearest = min((abs(len(other) - len(sample)), len(other)) for other in others)[1]
    return product ** (1 / n) * min(1.0, math.exp(1 - nearest / len(sample)))


def test_bleu_equals_a_plain_recount():
    samples, real = random_texts(9, 2), random_texts(6, 3)[1:]
    lists = lambda tokens: [row[:-1] for row in ended_lists(tokens)]
    own, others = lists(samples), lists(real)
    expected = [np.mean([plain_bleu(s, others, n) for s in own]) for n in range(2, 6)]
    np.testing.assert_allclose(bleu.bleu(samples, bleu.references(real)), expected)
    expected = [
        np.mean([plain_bleu(s, own[:i] + own[i + 1 :], n) for i, s in enumerate(own)])
        for n in range(2, 6)
    ]
    np.testing.assert_allclose(bleu.self_bleu(samples), expected)
    assert bleu.bleu(texts([]), bleu.references(real)).tolist() == [0] * 4


def test_scan_has_all_its_commands():
    commands = scan_commands()
    assert len(commands) == 20_910 and "jump" in commands and "turn" not in commands
    assert "turn around left thrice after walk opposite right" in commands


def test_scores_count_copies_hits_and_valid_texts():
    training, held_out = texts([1], [2, 1], [3]), texts([2], [2, 2], [3])
    language = frozenset(as_keys(texts([1], [2], [2, 2])))
    real = RealTexts(training, held_out, WORDS, np.array([0, 1, 1]), None, language)
    samples = texts([1], [1], [2], [2, 2], [3, 3])
    scores = {name: own.value for name, own in text_scores(samples, real).items()}
    assert scores["copied"] == 2 / 5 and scores["distinct"] == 4 / 5
    assert scores["held_out_found"] == 2  # [3] is held out, but also learned
    assert scores["valid"] == 4 / 5 and scores["distinct_valid"] == 3
    assert scores.keys() | {"recognized"} == TEXT_SCORES.keys()
    assert math.isclose(scores["reverse_bits"], ngrams.bits(samples[:3], held_out, WORDS))
    assert math.isclose(scores["forward_bits"], ngrams.bits(training, samples, WORDS))


def test_labels_are_recognized_by_their_tokens():
    tokens = texts([1, 2], [2, 1], [1, 1], [3, 3], [3, 1], [2, 3])
    labels = np.array([0, 0, 0, 1, 1, 1])
    judge = classifier(tokens, labels)
    assert judge(texts([1, 2, 1], [3])).tolist() == [0, 1]
    real = RealTexts(tokens, tokens, WORDS, labels, labels)
    assert text_scores(tokens, real, 1 - labels)["recognized"].value == 0
    found = ladder(real, tokens, (1,), count=5)
    assert list(found) == ["1-gram", "real"] and found["real"]["recognized"].value == 1
    of_held_out = ngrams.bits(tokens, real.held_out, WORDS)
    assert math.isclose(found["real"]["forward_bits"].value, of_held_out)


def test_the_ladder_is_printed(tmp_path, capsys):
    path = tmp_path / "lines.txt"
    path.write_text(
        "".join(f"{'ab'[i % 2]}{'cd'[i // 2 % 2]}{'ef'[i // 4 % 2]}\n" for i in range(40))
    )
    assert study(["text_ladder", str(path), "--samples", "10", "--orders", "1", "2"]) == 0
    out = capsys.readouterr().out
    assert "36 training and 4 held-out texts of at most 3 characters, 7 tokens; 10 samples" in out
    assert "copies of training texts" in out and "2-gram" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["digits"], "must have texts, not images"), (["names", "--samples", "1"], "at least 2")],
)
def test_wrong_ladders_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        study(["text_ladder", *arguments])
    assert message in capsys.readouterr().err
