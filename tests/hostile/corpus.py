"""Hostile files from a seed: thousands of them, each made when it is asked for."""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator

import numpy as np
from PIL import Image

from pneumonia.imaging.display import encode_png
from pneumonia.imaging.synthetic import synthetic_radiograph
from tests.dicom_files import SYNTAXES, encode, encode_dicom, make_table
from tests.hostile.dicom_damage import EMPTY_ITEM, LONG, SHORT, element, inserted

GREY = synthetic_radiograph(5, opacity=True, size=(144, 128))
PICTURE = Image.fromarray(GREY)
PNG, JPEG = encode_png(GREY), encode(PICTURE, "JPEG")
PROGRESSIVE = encode(PICTURE, "JPEG", progressive=True)
TABLE = make_table([0, 9, 99, 255], first=0, bits=8)
DICOM = {
    name: encode_dicom(
        GREY if name in ("jpeg", "explicit") else GREY.astype(np.uint16) * 16,
        name,
        **({} if name in ("jpeg", "explicit") else {"BitsStored": 12}),
    )
    for name in SYNTAXES
}
FILMS = {
    "png": PNG,
    "png16": encode(Image.fromarray(GREY.astype(np.uint16) * 200), "PNG"),
    "palette": encode(PICTURE.convert("P"), "PNG"),
    "alpha": encode(PICTURE.convert("LA"), "PNG"),
    "jpeg": JPEG,
    "progressive": PROGRESSIVE,
    "colour": encode(PICTURE.convert("RGB"), "JPEG"),
    "table": encode_dicom(GREY, VOILUTSequence=[TABLE], WindowCenter=90, WindowWidth=60),
    **{f"dicom {name}": data for name, data in DICOM.items()},
}
Maker = Callable[[random.Random], bytes]


def corpus(count: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """So many files and what each is, of all families in turn; the same for the same seed."""
    for n in range(count):
        name = list(FAMILIES)[n % len(FAMILIES)]
        yield f"{name} {seed}/{n}", FAMILIES[name](random.Random(f"{name} {seed} {n}"))


def _film(draw: random.Random) -> bytes:
    return FILMS[draw.choice(list(FILMS))]


def _truncated(draw: random.Random) -> bytes:
    data = _film(draw)
    return data[: draw.randrange(len(data))]


def _flipped(draw: random.Random) -> bytes:
    data = bytearray(_film(draw))
    for _ in range(draw.choice((1, 2, 8, 64, 500))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(data)


def _spliced(draw: random.Random) -> bytes:
    """A piece is repeated, left out, or taken from another film."""
    data, other = bytearray(_film(draw)), _film(draw)
    at, length = draw.randrange(len(data)), draw.randrange(1, 400)
    match draw.randrange(3):
        case 0:
            data[at:at] = data[at : at + length] * draw.randrange(1, 9)
        case 1:
            del data[at : at + length]
        case _:
            data[at : at + length] = other[at : at + length]
    return bytes(data)


def _lying_header(draw: random.Random) -> bytes:
    sizes = (0, 1, 127, 4000, 20_000, 65_535, 2**31 - 1, 2**32 - 1)
    width, height = draw.choice(sizes), draw.choice(sizes)
    match draw.randrange(3):
        case 0:
            depth, kind = draw.choice((0, 1, 8, 16, 99)), draw.choice((0, 2, 3, 4, 6, 7))
            header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, draw.randrange(3))
            return PNG[:8] + _chunk(b"IHDR", header) + PNG[33:]
        case 1:
            at = JPEG.index(b"\xff\xc0")
            size = struct.pack(">HH", height & 0xFFFF, width & 0xFFFF)
            return JPEG[: at + 5] + size + JPEG[at + 9 :]
        case _:
            tag = draw.choice((0x00280002, 0x00280010, 0x00280011, 0x00280100, 0x00280101))
            new = element(tag, b"US", struct.pack("<H", draw.choice(sizes) & 0xFFFF))
            return inserted(_dicom(draw), 0x7FE00010, new)


def _bomb(draw: random.Random) -> bytes:
    size = draw.choice((10**6, 10**7, 6 * 10**7))
    match draw.randrange(4):
        case 0:
            side = draw.choice((2000, 5000, 6300))
            header = _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
            return PNG[:8] + header + _chunk(b"IDAT", _zeros(side * (side + 1))) + _END
        case 1:
            text = b"x\0\0" + _zeros(size)
            return PNG[:33] + _chunk(draw.choice((b"zTXt", b"iCCP")), text) + PNG[33:]
        case 2:
            return encode_dicom(GREY, "deflated", PixelData=bytes(size))
        case _:
            new = element(0x00310010, b"OB", bytes(size))
            return inserted(DICOM["deflated"], 0x7FE00010, new)


def _flood(draw: random.Random) -> bytes:
    count = draw.choice((1000, 5000, 100_000, 1_000_000))
    match draw.randrange(6):
        case 0:
            return b"\xff\xd8" + b"\xff\xe1\0\2" * count + JPEG[2:]
        case 1:
            return b"\xff\xd8" + b"\xff" * count + JPEG[2:]
        case 2:
            return PNG[:33] + _chunk(b"teSt", b"") * count + PNG[33:]
        case 3:
            at = PROGRESSIVE.index(b"\xff\xda")
            scan = PROGRESSIVE[at : PROGRESSIVE.index(b"\xff\xda", at + 2)]
            return PROGRESSIVE[:at] + scan * min(count, 20_000) + PROGRESSIVE[at:]
        case 4:
            return encode_dicom(GREY, "jpeg", PixelData=EMPTY_ITEM * count)
        case _:
            new = element(0x00281050, b"", b"1\\" * count, implicit=True)
            return inserted(DICOM["implicit"], 0x7FE00010, new)


def _sequences(draw: random.Random) -> bytes:
    begin = struct.pack("<HH2sHI", 0x0031, 0x0010, b"SQ", 0, 0xFFFFFFFF)
    item, closed = b"\xfe\xff\0\xe0" + b"\xff" * 4, b"\xfe\xff\x0d\xe0" + bytes(4)
    end = b"\xfe\xff\xdd\xe0" + bytes(4)
    depth, width = draw.choice((1, 3, 16, 17, 4000)), draw.choice((0, 10, 2000, 60_000))
    nested = (begin + item) * (depth - 1) + begin + EMPTY_ITEM * width + end
    nested += (closed + end) * (depth - 1)
    return inserted(_dicom(draw), 0x7FE00010, nested[: draw.choice((None, -8, -20))])


def _tables(draw: random.Random) -> bytes:
    outputs = [draw.randrange(65_536) for _ in range(draw.choice((0, 1, 4, 256, 5000)))]
    table = make_table(outputs, first=draw.randrange(300), bits=draw.choice((0, 8, 12, 16, 99)))
    if outputs and draw.random() < 0.5:
        table.LUTDescriptor = [draw.randrange(65_536), 0, draw.randrange(20)]
    name = draw.choice(("VOILUTSequence", "ModalityLUTSequence"))
    window = {"WindowCenter": draw.choice((90, 1e308, -5)), "WindowWidth": draw.choice((0, 1, -9))}
    return encode_dicom(GREY, **{name: [table]}, **(window if draw.random() < 0.5 else {}))


def _value_representations(draw: random.Random) -> bytes:
    tags = (0x00080005, 0x00080060, 0x00101010, 0x00185101, 0x00281050, 0x00281052, 0x00281101)
    value = draw.choice((b"", b"1 ", b"\xff" * 8, b"1\\2\\3 ", draw.randbytes(20), b"9" * 600))
    new = element(draw.choice(tags), draw.choice(SHORT + LONG), value)
    return inserted(_dicom(draw), 0x7FE00010, new)


def _character_sets(draw: random.Random) -> bytes:
    names = (b"ISO_IR 192", b"ISO 2022 IR 87", b"GB18030", b"\\ISO 2022 IR 149", b"ISO_IR 999 ")
    new = element(0x00080005, b"CS", draw.choice(names) * draw.choice((1, 1, 99)))
    name = element(0x00100010, b"PN", draw.randbytes(draw.choice((4, 64, 2000))))
    return inserted(inserted(DICOM["explicit"], 0x00080016, new), 0x00100020, name)


def _polyglot(draw: random.Random) -> bytes:
    script = b"<script>alert(1)</script>"
    match draw.randrange(5):
        case 0:
            return _film(draw) + _zip({"x.html": script})
        case 1:
            preamble = draw.choice(
                (b"MZ\x90\0", b"%PDF-1.7\n", b"II*\0", b"#!/bin/sh\n", JPEG[:20])
            )
            return preamble.ljust(128, b"\xcc") + _dicom(draw)[128:]
        case 2:
            return PNG[:33] + _chunk(b"tEXt", b"Comment\0" + script) + PNG[33:]
        case 3:
            return JPEG[:2] + b"\xff\xfe" + struct.pack(">H", len(script) + 2) + script + JPEG[2:]
        case _:
            return b"GIF89a" + _film(draw)


def _other_kind(draw: random.Random) -> bytes:
    kinds: tuple[Callable[[], bytes], ...] = (
        *((lambda name=name: encode(PICTURE, name)) for name in ("GIF", "TIFF", "WEBP", "BMP")),
        lambda: b"\0\0\0\x18ftypheic" + draw.randbytes(500),
        lambda: b"\0\0\0\x18ftypavif" + draw.randbytes(500),
        lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
        lambda: b"<!DOCTYPE html><title>film</title>" + draw.randbytes(20).hex().encode(),
        lambda: b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'aaaa'>]><x>&a;&a;</x>",
        lambda: b"%PDF-1.7\n" + draw.randbytes(200),
        lambda: _zip({"inner.zip": _zip({"film.png": PNG, "zeros": bytes(10**6)})}),
        lambda: draw.randbytes(draw.choice((1, 2, 8, 132, 5000))),
        lambda: b"",
    )
    data = draw.choice(kinds)()
    return data if draw.random() < 0.7 else data[: draw.randrange(len(data) + 1)]


FAMILIES: dict[str, Maker] = {
    "truncated": _truncated,
    "bits flipped": _flipped,
    "spliced": _spliced,
    "lying header": _lying_header,
    "bomb": _bomb,
    "flood": _flood,
    "sequences": _sequences,
    "tables": _tables,
    "value representation": _value_representations,
    "character set": _character_sets,
    "polyglot": _polyglot,
    "another kind": _other_kind,
}


def _dicom(draw: random.Random) -> bytes:
    return DICOM[draw.choice(("explicit", "jpeg", "lossless", "jpeg-ls", "jpeg-2000", "rle"))]


def _zeros(count: int) -> bytes:
    return zlib.compress(bytes(count))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _zip(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


_END = _chunk(b"IEND", b"")
