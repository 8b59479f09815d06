"""Bytes and lines: every byte before a cut, every line once whatever the slices, long lines not held in memory."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import random
import zlib

import pyarrow as pa
import pytest
import zstandard
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.tables.streams import LongLine, line_blocks, open_bytes, skip_line

SCRIPTS = 'a b{}":,\\ cde 語学 ไทย שלום سلام नमस्ते Việt ខ្មែร 👩‍👩‍👧 \n'


def text(size, seed=1):
    """Text in many scripts that packs to about a third."""
    return "".join(random.Random(seed).choices(SCRIPTS, k=size)).encode()


def lz4(data):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "lz4") as file:
        file.write(data)
    return sink.getvalue().to_pybytes()


def zst(data):
    """Several blocks, each of which can be decoded by itself."""
    packer = zstandard.ZstdCompressor(write_checksum=True).compressobj()
    pieces = [data[i : i + 10_000] for i in range(0, len(data), 10_000)]
    packed = b"".join(packer.compress(piece) + packer.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK) for piece in pieces)
    return packed + packer.flush()


PACK = {
    ".gz": gzip.compress,
    ".bz2": lambda data: bz2.compress(data, 1),
    ".xz": lzma.compress,
    ".zst": zst,
    ".lz4": lz4,
}


def complete_lz4_blocks(packed):
    """How many whole blocks, of 64 KiB each but the last, a cut frame holds: 7 bytes of header, then size and bytes."""
    at, blocks = 7, 0
    while at + 4 <= len(packed) and (size := int.from_bytes(packed[at : at + 4], "little") & 0x7FFFFFFF):
        at += 4 + size
        blocks += at <= len(packed)
    return blocks


# What an independent decoder, fed in one go, makes of the beginning of a packed file.
BEGINNING = {
    ".gz": lambda packed: zlib.decompressobj(31).decompress(packed),
    ".bz2": lambda packed: bz2.BZ2Decompressor().decompress(packed),
    ".xz": lambda packed: lzma.LZMADecompressor().decompress(packed),
    ".zst": lambda packed: zstandard.ZstdDecompressor().decompressobj().decompress(packed),
    ".lz4": lambda packed: text(150_000)[: (1 << 16) * complete_lz4_blocks(packed)],
}


def content(path):
    file, stream = open_bytes(path)
    with file:
        return file.read(), stream.fault


@pytest.mark.parametrize("suffix", ["", *PACK, ".GZ", ".Zst"])
def test_a_whole_file_comes_back_byte_for_byte_without_a_fault(tmp_path, suffix):
    data = text(150_000)
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes(PACK[suffix.lower()](data) if suffix else data)
    assert content(path) == (data, "")


@pytest.mark.parametrize("suffix", PACK)
def test_a_truncated_file_gives_every_byte_before_the_cut_and_a_fault(tmp_path, suffix):
    data = text(150_000)
    packed = PACK[suffix](data)
    path = tmp_path / f"rows.jsonl{suffix}"
    for cut in (1, 3, 9, *(len(packed) * i // 9 for i in range(1, 9)), len(packed) - 9, len(packed) - 1):
        path.write_bytes(packed[:cut])
        expected = BEGINNING[suffix](packed[:cut])
        found, fault = content(path)
        assert data.startswith(found)
        assert (len(found), bool(fault)) == (len(expected), True), f"cut at {cut} of {len(packed)}"


@pytest.mark.parametrize("suffix", PACK)
def test_files_packed_in_several_members_are_read_through_all_of_them(tmp_path, suffix):
    path = tmp_path / f"rows{suffix}"
    parts = [text(40_000, seed) for seed in range(3)]
    path.write_bytes(b"".join(map(PACK[suffix], parts)))
    assert content(path) == (b"".join(parts), "")


@pytest.mark.parametrize("suffix", PACK)
def test_a_cut_in_the_second_member_keeps_all_of_the_first(tmp_path, suffix):
    first, second = text(30_000, 1), text(150_000, 2)
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(PACK[suffix](first) + PACK[suffix](second)[:-20])
    found, fault = content(path)
    assert (first + second).startswith(found) and len(found) >= len(first) + 60_000
    assert fault


@pytest.mark.parametrize("suffix", [".gz", ".bz2", ".xz", ".zst"])  # lz4 as Arrow writes it has no checksum
def test_damage_in_the_middle_is_a_fault_and_no_error(tmp_path, suffix):
    packed = bytearray(PACK[suffix](text(150_000)))
    middle = len(packed) // 2
    packed[middle : middle + 20] = bytes(byte ^ 0x55 for byte in packed[middle : middle + 20])
    path = tmp_path / f"rows{suffix}"
    path.write_bytes(packed)
    assert content(path)[1]


@pytest.mark.parametrize("suffix", PACK)
def test_a_plain_file_under_a_packed_name_gives_no_bytes_and_a_fault(tmp_path, suffix):
    path = tmp_path / f"rows.jsonl{suffix}"
    path.write_bytes('{"inputs": "Ọjọ́ dára", "targets": "O ṣeun"}\n'.encode() * 20)
    found, fault = content(path)
    assert found == b"" and fault


def test_a_plain_file_can_be_read_from_any_place(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"0123456789")
    file, _ = open_bytes(path)
    with file:
        assert (file.seek(4), file.read(3), file.tell()) == (4, b"456", 7)


class Trickle(io.BytesIO):
    """A file that gives a limited number of bytes at a time, so that the end of a block can be anywhere."""

    def __init__(self, data, most):
        super().__init__(data)
        self.most = most

    def read(self, size=-1):
        return super().read(self.most if size is None or size < 0 else min(size, self.most))


def lines_of(data):
    """Return the text between line ends, without an empty line after the last."""
    lines = data.split(b"\n")
    return lines if lines[-1] else lines[:-1]


def of_slice(file, start, end, limit):
    """The lines that begin in a slice, found as a reader of slices finds them."""
    if start:
        file.seek(start - 1)
        start += skip_line(file) - 1
    return list(itertools.chain.from_iterable(line_blocks(file, end - start, limit)))


def same(found, lines, limit):
    """Whether the lines found are these, those over the limit known by their size and how they begin."""
    return len(found) == len(lines) and all(
        isinstance(got, LongLine) and got.size == len(line) and got.head and line.startswith(got.head)
        if len(line) > limit
        else got == line
        for got, line in zip(found, lines, strict=True)
    )


file_bytes = st.lists(st.sampled_from([b"a", b"\n", b"\n\n", b"\r\n", "ไทย".encode(), b"\x00", b"{" * 9]), max_size=30)


# A limit below the size of a block is none: a line that a block holds whole costs no memory of its own.
@given(data=file_bytes.map(b"".join), most=st.integers(1, 20), more=st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_the_lines_of_a_file_are_those_of_split_whatever_its_blocks(data, most, more):
    found = list(itertools.chain.from_iterable(line_blocks(Trickle(data, most), None, most + more)))
    assert same(found, lines_of(data), most + more)


@given(data=file_bytes.map(b"".join), cuts=st.lists(st.integers(0, 100), max_size=5), most=st.integers(1, 40))
@settings(max_examples=200, deadline=None)
def test_each_line_is_in_exactly_one_slice_wherever_a_file_is_cut(data, cuts, most):
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [
        line for start, end in itertools.pairwise(bounds) for line in of_slice(Trickle(data, most), start, end, 1000)
    ]
    assert found == lines_of(data)


@given(data=file_bytes.map(b"".join), cuts=st.lists(st.integers(0, 100), max_size=5), limit=st.integers(1, 20))
@example(data=b"aaaaa\nb\n", cuts=[2], limit=5)  # exactly as long as may be, and its end beyond the slice
@example(data=b"aaaaaaaaa\nb\n", cuts=[6], limit=5)  # over the limit before the slice ends
@settings(max_examples=200, deadline=None)
def test_a_long_line_has_its_whole_size_wherever_a_file_is_cut(data, cuts, limit):
    bounds = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    found = [
        line for start, end in itertools.pairwise(bounds) for line in of_slice(Trickle(data, limit), start, end, limit)
    ]
    assert same(found, lines_of(data), limit)


def test_no_more_of_a_long_line_is_held_than_the_limit_asks_for():
    class Endless(io.RawIOBase):
        """One line of 256 MiB that is made while it is read."""

        left = 1 << 28

        def readable(self):
            return True

        def readinto(self, buffer):
            size = min(len(buffer), self.left)
            buffer[:size] = b"x" * size
            self.left -= size
            return size

    (line,) = itertools.chain.from_iterable(line_blocks(io.BufferedReader(Endless(), 1 << 20), None, 1 << 20))
    assert line.size == 1 << 28
    assert 0 < len(line.head) <= 1 << 22
