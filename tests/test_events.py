"""TensorBoard's copy of the record, read by TensorBoard's own reader."""

import io
import logging

import numpy as np
import pytest
import soundfile
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import metadata

from gan_jax.runs import logs
from gan_jax.runs.events import PATTERN, Events
from gan_jax.sound import wav


def write(folder, first, steps):
    events = Events(folder, first)
    for step in steps:
        events.scalars({"g/loss": step / 2}, step)
        events.image("samples", np.zeros((2, 3, 3), np.uint8), step)
        events.sound("samples/one", wav.encoded(np.full(4, step, np.int16), 8_000), step)
    events.close()


def read(folder):
    return EventAccumulator(str(folder)).Reload()


def test_no_step_comes_back_after_a_resumption(tmp_path, caplog):
    write(tmp_path, 0, [4, 8, 12])
    (path,) = tmp_path.glob(PATTERN)
    path.write_bytes(path.read_bytes()[:-5])  # as a kill leaves it
    write(tmp_path, 6, [8, 12, 16])
    with caplog.at_level(logging.INFO):
        found = read(tmp_path)
    assert [event.step for event in found.Scalars("g/loss")] == [4, 8, 12, 16]
    assert [event.step for event in found.Images("samples")] == [4, 8, 12, 16]
    *_, last = found.Audio("samples/one")
    sound, rate = soundfile.read(io.BytesIO(last.encoded_audio_string), dtype="int16")
    assert (sound.tolist(), rate, last.step) == ([16] * 4, 8_000, 16)
    assert "out of order" not in caplog.text and "Purging" not in caplog.text


def test_a_reader_that_saw_the_later_steps_forgets_them(tmp_path):
    write(tmp_path, 0, [4, 8, 12])
    found = read(tmp_path)
    write(tmp_path, 6, [])
    assert [event.step for event in found.Reload().Scalars("g/loss")] == [4]


def test_hyper_parameters_lie_in_the_same_folder(tmp_path):
    events = Events(tmp_path, 0)
    values = {"loss": "hinge", "joint": True, "g_optimizer.lr": 2e-4, "prior": ("n", 1)}
    events.hparams(values, ("g/loss",))
    events.close()
    assert len(list(tmp_path.iterdir())) == 1
    content = read(tmp_path).SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
    found = metadata.parse_session_start_info_plugin_data(content).hparams
    assert found["loss"].string_value == "hinge" and found["joint"].bool_value
    assert found["g_optimizer.lr"].number_value == pytest.approx(2e-4)
    assert found["prior"].string_value == "('n', 1)"


def test_what_a_checkpoint_follows_is_on_the_disk(tmp_path):
    journal = logs.Journal(tmp_path / "metrics.jsonl", 0, 8, {})
    journal.line(4, 1.0, 1.0, 1.0, {"g/loss": 0.5})
    journal.flush()
    assert [event.step for event in read(tmp_path).Scalars("g/loss")] == [4]
    journal.close()
