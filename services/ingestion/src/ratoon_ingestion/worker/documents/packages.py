"""Documents that are zip files: their parts, within bounds."""

import io
import struct
import zipfile
import zlib

from lxml import etree

from ratoon_ingestion.domain.curation import Rejected
from ratoon_ingestion.worker.documents.document import NotReadable

BROKEN_ZIP = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    IndexError,
    NotImplementedError,
    OSError,
    OverflowError,
    UnicodeDecodeError,
)
"""What a damaged or too modern archive makes the library raise."""
MAX_UNPACKED_BYTES = 256 << 20
_RATIO, _RATIO_FLOOR = 300, 8 << 20
_MEMBERS = 20_000
_FAULTS = (*BROKEN_ZIP, RuntimeError, ValueError, KeyError)


class Package:
    """Parts of a document by their names; NotReadable if it is damaged or a decompression bomb."""

    def __init__(self, payload: bytes, kind: str, max_bytes: int = MAX_UNPACKED_BYTES) -> None:
        self._kind, self._left = kind, max_bytes
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(payload))
        except _FAULTS as error:
            raise self._damaged() from error
        infos = self._zip.infolist()
        total = sum(info.file_size for info in infos)
        if len(infos) > _MEMBERS or total > max_bytes or total > max(_RATIO_FLOOR, _RATIO * len(payload)):
            raise NotReadable(
                Rejected.COMPRESSION_RATIO, f"it decompresses {len(payload):,} to {total:,} bytes"
            )
        if any(info.flag_bits & 1 for info in infos):
            raise NotReadable(Rejected.ENCRYPTED, f"a {kind} file with a password")
        self.names = frozenset(self._zip.namelist())

    def part(self, name: str) -> bytes:
        """Return a part."""
        try:
            with self._zip.open(name) as stream:
                data = stream.read(self._left + 1)
        except _FAULTS as error:
            raise self._damaged(name) from error
        self._left -= len(data)
        if self._left < 0:
            raise NotReadable(Rejected.COMPRESSION_RATIO, "it decompresses to more bytes than it says")
        return data

    def xml(self, name: str) -> etree._Element:
        """Return the root of a part that is XML; no entity of it is resolved."""
        try:
            return parsed_xml(self.part(name))
        except etree.XMLSyntaxError as error:
            raise self._damaged(name) from error

    def _damaged(self, name: str = "") -> NotReadable:
        where = f" ({name[:100]})" if name else ""
        return NotReadable(Rejected.DAMAGED_MEMBER, f"the {self._kind} file is damaged or truncated{where}")


def parsed_xml(data: bytes) -> etree._Element:
    """Return the root of an XML document; XMLSyntaxError if it is none. No entity and no network address is read."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    root = etree.fromstring(data, parser)
    if root is None:
        raise etree.XMLSyntaxError("no element", 0, 0, 0)
    return root
