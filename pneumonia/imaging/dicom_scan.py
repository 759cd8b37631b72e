"""A scan of a DICOM file's raw tags, before pydicom sees any of them.

pydicom makes Python objects of every element and sequence item it passes: an item of 8 bytes costs
it a kilobyte. The scan steps over tags and lengths alone, within bounds, and finds the few elements
that are wanted; pydicom is given these and never the rest. PS3.5, chapter 7.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from pneumonia.errors import DamagedImage

MAX_ELEMENTS: Final = 50_000  # elements, items and fragments; a film has some hundreds
MAX_DEPTH: Final = 16  # sequences within sequences; a film has two or three
MAX_LUT_ELEMENTS: Final = 1000  # within one wanted sequence: a table has three

PIXEL_DATA: Final = 0x7FE00010
TRANSFER_SYNTAX: Final = 0x00020010
SEQUENCES: Final = (0x00283000, 0x00283010)  # of a film's wanted elements, these hold items
DIRECTORY_RECORDS: Final = 0x00041220  # and of a DICOMDIR's, this one
_ITEM, _END_OF_ITEM, _END_OF_SEQUENCE = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_UNDEFINED: Final = 0xFFFFFFFF
_LONG: Final = frozenset(b"OB OD OF OL OV OW SQ SV UC UN UR UT UV".split())
_EXPORT: Final = "Export the film again, or as a JPEG or PNG."


@dataclass(frozen=True, slots=True)
class Encoding:
    """A data set's encoding: implicit or explicit value representation, and the byte order."""

    implicit: bool
    little: bool = True

    @classmethod
    def guess(cls, data: bytes, at: int) -> "Encoding":
        """The encoding that the first element shows, for a file that does not say."""
        return cls(not _is_vr(data[at + 4 : at + 6]), data[at : at + 2] != b"\0\x08")


@dataclass(frozen=True, slots=True)
class Element:
    """Where an element of the data set lies: its header, and its value, in bytes of the file.

    ``vr`` is empty where the file is implicit.
    """

    tag: int
    vr: bytes
    begin: int
    value: int
    end: int
    encapsulated: bool = False


class _CutOff(Exception):  # noqa: N818
    """The file ends, or stops being DICOM, within an element."""


def scan(
    data: bytes,
    at: int,
    encoding: Encoding,
    wanted: Mapping[int, int],
    last: int = PIXEL_DATA,
) -> dict[int, Element]:
    """The wanted elements of a data set, by tag, up to and with the tag ``last``.

    A data set that is cut off gives what lies before the cut; Pixel Data of defined length may
    then be shorter than it says, and encapsulated Pixel Data without its end is left out.

    Parameters
    ----------
    at
        Where the data set begins.
    wanted
        Tags, and how many bytes each one's value may have: pydicom makes a number of every few.

    Raises
    ------
    DamagedImage
        For more elements, deeper sequences or larger values than a film has.
    """
    found: dict[int, Element] = {}
    reader = _Reader(data, encoding)
    try:
        while at < len(data):
            element = reader.element(at, wanted)
            if element.tag in wanted:
                found[element.tag] = element
            if element.tag >= last:
                break
            at = element.end
    except _CutOff:
        pass
    return found


class _Reader:
    """Steps over elements, and counts them."""

    def __init__(self, data: bytes, encoding: Encoding) -> None:
        self._data, self._encoding = data, encoding
        self._order = "<" if encoding.little else ">"
        self._seen = 0

    def element(self, at: int, wanted: Mapping[int, int]) -> Element:
        tag, vr, value, length = self._header(at, self._encoding.implicit)
        if tag == PIXEL_DATA and length == _UNDEFINED:
            return Element(tag, vr, at, value, self._fragments(value), encapsulated=True)
        if length == _UNDEFINED:
            end = self._sequence(value, _UNDEFINED, self._encoding.implicit or vr == b"UN")
        elif tag == PIXEL_DATA:
            return Element(tag, vr, at, value, min(value + length, len(self._data)))
        else:
            end = value + length
            if end > len(self._data):
                raise _CutOff
        if tag in wanted and end - value > wanted[tag]:
            raise DamagedImage(
                f"The DICOM file's element ({tag >> 16:04X},{tag & 0xFFFF:04X}) holds "
                f"{end - value:,} bytes; at most {wanted[tag]:,} are read. {_EXPORT}"
            )
        if tag in (*SEQUENCES, DIRECTORY_RECORDS) and tag in wanted:
            self._check_items(tag, value, end, implicit=self._encoding.implicit or vr == b"UN")
        return Element(tag, vr, at, value, end)

    def _check_items(self, tag: int, value: int, end: int, *, implicit: bool) -> None:
        """pydicom makes objects of all that is in a sequence it is given."""
        before = self._seen
        self._sequence(value, end, implicit)
        if tag in SEQUENCES and self._seen - before > MAX_LUT_ELEMENTS:
            raise DamagedImage(
                f"The DICOM file's sequence ({tag >> 16:04X},{tag & 0xFFFF:04X}) has more than "
                f"{MAX_LUT_ELEMENTS:,} elements. {_EXPORT}"
            )

    def _header(self, at: int, implicit: bool) -> tuple[int, bytes, int, int]:
        """Tag, value representation (empty if implicit), where the value begins, its length."""
        self._count()
        data = self._data
        if at + 8 > len(data):
            raise _CutOff
        group, number = struct.unpack_from(self._order + "HH", data, at)
        tag, vr = group << 16 | number, data[at + 4 : at + 6]
        if implicit or group == 0xFFFE or not _is_vr(vr):
            return tag, b"", at + 8, struct.unpack_from(self._order + "I", data, at + 4)[0]
        if vr not in _LONG:
            return tag, vr, at + 8, struct.unpack_from(self._order + "H", data, at + 6)[0]
        if at + 12 > len(data):
            raise _CutOff
        return tag, vr, at + 12, struct.unpack_from(self._order + "I", data, at + 8)[0]

    def _sequence(self, at: int, end: int, implicit: bool) -> int:
        """Step over a sequence, all that is in it counted. Returns where it ends."""
        # What is open, innermost last: whether it is an item, its end, how its elements are read.
        open_: list[tuple[bool, int, bool]] = [(False, end, implicit)]
        while open_:
            is_item, end, implicit = open_[-1]
            if end != _UNDEFINED and at >= end:
                open_.pop()
                continue
            tag, vr, value, length = self._header(at, implicit)
            at = value
            if tag in (_END_OF_ITEM, _END_OF_SEQUENCE):
                open_.pop()
            elif not is_item and tag != _ITEM:
                raise _CutOff
            elif tag == _ITEM:
                open_.append((True, _UNDEFINED if length == _UNDEFINED else at + length, implicit))
            elif length == _UNDEFINED:
                open_.append((False, _UNDEFINED, implicit or vr == b"UN"))
            elif vr == b"SQ":
                open_.append((False, at + length, implicit))
            else:
                at += length
            if len(open_) > 2 * MAX_DEPTH:
                raise DamagedImage(
                    f"The DICOM file has sequences within sequences, more than {MAX_DEPTH} deep. "
                    f"{_EXPORT}"
                )
        return at

    def _fragments(self, at: int) -> int:
        """Step over an encapsulated image. Returns where its end is marked."""
        offsets = True
        while True:
            tag, _, value, length = self._header(at, implicit=True)
            if tag == _END_OF_SEQUENCE:
                return at
            if tag != _ITEM or length == _UNDEFINED or value + length > len(self._data):
                raise _CutOff
            if offsets and length > 4 * MAX_ELEMENTS:
                raise DamagedImage(
                    f"The DICOM file's Pixel Data (7FE0,0010) has an offset table of {length:,} "
                    f"bytes; at most {4 * MAX_ELEMENTS:,} are read. {_EXPORT}"
                )
            offsets = False
            at = value + length

    def _count(self) -> None:
        self._seen += 1
        if self._seen > MAX_ELEMENTS:
            raise DamagedImage(
                f"The DICOM file has more than {MAX_ELEMENTS:,} attributes. {_EXPORT}"
            )


def _is_vr(vr: bytes) -> bool:
    return len(vr) == 2 and vr.isalpha() and vr.isupper()
