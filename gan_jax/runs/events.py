"""The metrics of a run for TensorBoard: one events file per start.

Records are written by the calling thread, so that a full disk raises there. With the writer thread
of `tensorboardX.SummaryWriter`, the thread would die and its full queue would block the training.
"""

from __future__ import annotations

import pathlib
import struct
import time
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary

from gan_jax import files

PATTERN = "events.out.tfevents.*"
_FLUSH_SECONDS = 10.0


class Events:
    """An events file in a folder, for a training that starts at a step.

    Records of later steps by earlier starts are removed from their files, and a marker hides them
    from a TensorBoard that has already read them, so that no curve goes back.
    """

    def __init__(self, folder: pathlib.Path, step: int):
        again = False
        for path in sorted(folder.glob(PATTERN)):
            again = True
            _keep(path, step)
        self._writer = EventsWriter(str(folder / "events"), f".{time.time_ns() % 10**9:09}")
        self._flushed = time.monotonic()
        if again:
            start = SessionLog(status=SessionLog.START)
            self._add(Event(session_log=start), step + 1)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Adds values of a step by name."""
        for name, value in values.items():
            self._add(Event(summary=summary.scalar(name, value)), step)
        if time.monotonic() - self._flushed > _FLUSH_SECONDS:
            self.flush()

    def image(self, name: str, pixels: np.ndarray, step: int) -> None:
        """Adds ``[H, W, c]`` uint8 pixels."""
        self._add(Event(summary=summary.image(name, pixels, dataformats="HWC")), step)

    def sound(self, name: str, wav: bytes, step: int) -> None:
        """Adds a WAV file."""
        audio = Summary.Audio(encoded_audio_string=wav, content_type="audio/wav")
        self._add(Event(summary=Summary(value=[Summary.Value(tag=name, audio=audio)])), step)

    def text(self, name: str, text: str, step: int) -> None:
        """Adds a text, shown line by line as it is."""
        code = "".join(f"    {line}\n" for line in text.splitlines())  # of Markdown
        self._add(Event(summary=summary.text(name, code)), step)

    def hparams(self, values: Mapping[str, Any], metrics: tuple[str, ...]) -> None:
        """Adds hyperparameters by name for TensorBoard's table of runs, which also has columns for
        ``metrics``. Values of other types are shown as text.
        """
        shown = {
            name: own if isinstance(own, (bool, int, float, str)) else str(own)
            for name, own in values.items()
        }
        experiment, start, _ = summary.hparams(shown, dict.fromkeys(metrics, 0.0))
        for own in (experiment, start):
            self._add(Event(summary=own), 0)

    def flush(self) -> None:
        self._writer.flush()
        self._flushed = time.monotonic()

    def close(self) -> None:
        self._writer.close()

    def _add(self, event: Event, step: int) -> None:
        event.step, event.wall_time = step, time.time()
        self._writer.write_event(event)


def _keep(path: pathlib.Path, step: int) -> None:
    """Removes records of later steps, and a truncated last record, from an events file."""
    content = path.read_bytes()
    kept = b"".join(
        record for record, own in _records(content) if own.step <= step or own.file_version
    )
    if kept != content:
        with files.replacing(path) as unfinished:
            unfinished.write_bytes(kept)


def _records(content: bytes) -> Iterator[tuple[bytes, Event]]:
    """The complete records of a TFRecord file: length (8 bytes), checksum (4), data, checksum (4).

    Stops at the first record that is not an event, since everything after it is damaged.
    """
    start = 0
    while start + 12 <= len(content):
        (length,) = struct.unpack_from("<Q", content, start)
        end = start + 12 + length + 4
        if end > len(content):
            return
        try:
            event = Event.FromString(content[start + 12 : end - 4])
        except DecodeError:
            return
        yield content[start:end], event
        start = end
