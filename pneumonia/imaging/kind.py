"""What kind of file some bytes are, by their content."""

from typing import Final

from pneumonia.phrases import phrase

_MAGIC: Final = (
    (b"GIF87a", phrase("a GIF picture")),
    (b"GIF89a", phrase("a GIF picture")),
    (b"PK\x03\x04", phrase("a ZIP archive (or an Office document)")),
    (b"PK\x05\x06", phrase("a ZIP archive (or an Office document)")),
    (b"%PDF", phrase("a PDF document")),
    (b"II*\0", phrase("a TIFF picture")),
    (b"MM\0*", phrase("a TIFF picture")),
    (b"II+\0", phrase("a TIFF picture")),
    (b"MM\0+", phrase("a TIFF picture")),
    (b"BM", phrase("a BMP picture")),
    (b"\0\0\0\x0cjP  ", phrase("a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", phrase("a JPEG 2000 picture")),
    (b"\0\0\0\x0cJXL ", phrase("a JPEG XL picture")),
    (b"\xff\x0a", phrase("a JPEG XL picture")),
    (b"\x1f\x8b", phrase("a gzip archive")),
    (b"7z\xbc\xaf\x27\x1c", phrase("a 7-Zip archive")),
    (b"Rar!\x1a\x07", phrase("a RAR archive")),
    (b"\x7fELF", phrase("a program (ELF)")),
    (b"{\\rtf", phrase("an RTF document")),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", phrase("an old Office document")),
)
_HEIF_BRANDS: Final = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1")
_VALUE_REPRESENTATIONS: Final = frozenset(
    b"AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW "
    b"PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV".split()
)


def identify(data: bytes) -> str:
    """``"JPEG"``, ``"PNG"``, ``"DICOM"``, or a phrase with its article: ``"a PDF document"``."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data[128:132] == b"DICM" or _is_bare_dataset(data):
        return "DICOM"
    for magic, kind in _MAGIC:
        if data.startswith(magic):
            return kind
    return _container(data) or _text(data) or _unknown(data)


def _is_bare_dataset(data: bytes) -> bool:
    """A DICOM data set without preamble: its first element is of group 0002 or 0008 (PS3.5 7.1).

    The element must also carry a known value representation, or (implicit VR) fit into the file.
    """
    if len(data) < 8:
        return False
    explicit = data[4:6] in _VALUE_REPRESENTATIONS
    if data[:2] in (b"\x02\0", b"\x08\0"):
        return explicit or int.from_bytes(data[4:8], "little") <= len(data) - 8
    return explicit and data[:2] == b"\0\x08"


def _container(data: bytes) -> str | None:
    """Kinds whose mark is not at the very start."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return phrase("a WebP picture")
    if data[4:8] == b"ftyp":
        brand = data[8:12]
        if brand in _HEIF_BRANDS:
            return phrase("a HEIC picture")
        return phrase("an AVIF picture") if brand in (b"avif", b"avis") else phrase("a video (MP4)")
    if data[:2] == b"MZ":
        return phrase("a program (EXE)")
    if data[344:348] in (b"n+1\0", b"ni1\0"):
        return phrase("a NIfTI volume")
    return None


def _text(data: bytes) -> str | None:
    start = data[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return phrase("an HTML page")
    if start.startswith((b"<?xml", b"<svg")):
        return phrase("an XML or SVG file")
    if any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in data[:1024]):
        return None
    try:
        # An incremental decoder does not mind a character cut at the end of the excerpt.
        data[:1024].decode("utf-8", "strict" if len(data) <= 1024 else "ignore")
    except UnicodeDecodeError:
        return None
    return phrase("a plain text file")


def _unknown(data: bytes) -> str:
    return phrase(f"an unknown kind of file (first bytes {data[:8].hex(' ')})")
