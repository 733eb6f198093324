"""TFRecord files read without TensorFlow: those of data sets that TFDS prepared elsewhere, in its
former default format.

A file is a sequence of records, each as its length in 8 bytes, a checksum in 4, the record, and
another checksum in 4. Checksums are not computed, which takes longer than to decode: a damaged
length is noticed as the records then do not add up to the file, and images have checksums of their
own.
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
    """Where a record lies."""

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
    """What TFDS's ``as_data_source`` gives for array_record files, of TFRecord files."""

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
