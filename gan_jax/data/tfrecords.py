"""Reads TFRecord files, the former default format of TFDS, without TensorFlow.

A file is a sequence of records: 8 bytes of length, 4 bytes of checksum, the record, and another 4
bytes of checksum. Checksums are not verified, as that takes longer than decoding. A damaged length
is detected because the records no longer add up to the file; images have their own checksums.
"""

from __future__ import annotations

import dataclasses
import itertools
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from tensorflow_datasets.core.data_sources import base
from tensorflow_datasets.core.utils.shard_utils import FileInstruction

FORMAT = "tfrecord"
_HEAD, _TAIL = struct.Struct("<QI"), 4


class Record(NamedTuple):
    """The position of a record."""

    path: str
    start: int
    length: int


class Records:
    """Records of several files, by number."""

    def __init__(self, instructions: Iterable[FileInstruction]):
        self._records: list[Record] = []
        for part in instructions:
            found = list(records(part.filename))
            if len(found) != part.examples_in_shard:
                raise ValueError(f"{part.filename} has {len(found)} examples")
            self._records += found[part.skip : part.skip + part.take]

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, key: int) -> bytes:
        (record,) = self.__getitems__([key])
        return record

    def __getitems__(self, keys: Sequence[int]) -> list[bytes]:
        return list(_read(self._records[key] for key in keys))


@dataclasses.dataclass(repr=False)
class TfRecordSource(base.BaseDataSource):
    """What TFDS's ``as_data_source`` returns for array_record files, but for TFRecord files."""

    data_source: Any = dataclasses.field(init=False)

    def __post_init__(self):
        self.data_source = Records(base.file_instructions(self.dataset_info, self.split))


def records(path: str) -> Iterator[Record]:
    """The records of a file.

    Raises:
      ValueError: if the file does not end with a record.
    """
    size = os.path.getsize(path)
    with open(path, "rb") as file:
        end = 0
        while end < size:
            head = file.read(_HEAD.size)
            if len(head) < _HEAD.size:
                raise ValueError(f"{path} is truncated")
            record = Record(os.fspath(path), end + _HEAD.size, _HEAD.unpack(head)[0])
            end = record.start + record.length + _TAIL
            if end > size:
                raise ValueError(f"{path} is truncated or damaged")
            yield record
            file.seek(end)


def _read(wanted: Iterable[Record]) -> Iterator[bytes]:
    for path, part in itertools.groupby(wanted, key=lambda record: record.path):
        with open(path, "rb") as file:
            for record in part:
                file.seek(record.start)
                yield file.read(record.length)
