"""SPDY/3.1 frames, as far as port-forwarding needs them: streams with headers, data, and their ends.

Source: SPDY Protocol, draft 3.1. Flow control is left out, as in every implementation that Kubernetes uses.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import attrs

FIN: Final = 1
_CONTROL: Final = 0x8003
_SYN_STREAM, _SYN_REPLY, _RST_STREAM = 1, 2, 3
_HEAD: Final = struct.Struct(">HHBBH")
_LONGEST: Final = 1 << 20

_WORDS: Final = (
    "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow "
    "authorization cache-control connection content-base content-encoding content-language content-length "
    "content-location content-md5 content-range content-type date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma "
    "proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade "
    "user-agent vary via warning www-authenticate method get status 200_OK version HTTP/1.1 url public set-cookie "
    "keep-alive origin"
)
_TAIL: Final = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 "
    "Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 "
    "Not Found500 Internal Server Error501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept "
    "Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,"
    "application/xml,application/xhtml+xml,text/plain,text/javascript,publicprivatemax-age=gzip,deflate,"
    "sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)


def _prefixed(text: str) -> bytes:
    return struct.pack(">I", len(text)) + text.encode()


DICTIONARY: Final = b"".join(_prefixed(word.replace("_", " ")) for word in _WORDS.split()) + _TAIL.encode()
"""What both sides of every connection know before the first header; a part of the protocol."""


class ProtocolError(Exception):
    """The other side does not speak SPDY."""


@attrs.frozen
class Opened:
    """The other side opened a stream.

    Attributes:
        stream: its number.
        headers: by lower-case name.
        fin: whether the other side will send nothing on it.
    """

    stream: int
    headers: Mapping[str, str]
    fin: bool


@attrs.frozen
class Data:
    """Bytes on a stream.

    Attributes:
        stream: its number.
        content: the bytes.
        fin: whether they were the last.
    """

    stream: int
    content: bytes
    fin: bool


@attrs.frozen
class Reset:
    """A stream was broken off.

    Attributes:
        stream: its number.
    """

    stream: int


@attrs.frozen
class Ping:
    """To be sent back as it is.

    Attributes:
        frame: the whole frame.
    """

    frame: bytes


@attrs.frozen
class Farewell:
    """The other side opens no more streams."""


Event = Opened | Data | Reset | Ping | Farewell


class Receiver:
    """Understands what the other side sends; keeps what is not complete yet."""

    def __init__(self) -> None:
        self._rest = b""
        self._inflate = zlib.decompressobj(zdict=DICTIONARY)

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events in what has come so far.

        Raises:
            ProtocolError: this is not SPDY.
        """
        self._rest += chunk
        while len(self._rest) >= _HEAD.size:
            length = int.from_bytes(self._rest[5:8], "big")
            if length > _LONGEST:
                raise ProtocolError(f"a frame of {length} bytes")
            frame, body = self._rest[: 8 + length], self._rest[8 : 8 + length]
            if len(body) < length:
                return
            self._rest = self._rest[8 + length :]
            event = self._event(frame, body)
            if event is not None:
                yield event

    def _event(self, frame: bytes, body: bytes) -> Event | None:
        first, kind, flags, _, _ = _HEAD.unpack_from(frame)
        if not first & 0x8000:
            return Data(int.from_bytes(frame[:4], "big"), body, bool(flags & FIN))
        if first != _CONTROL:
            raise ProtocolError(f"version {first & 0x7FFF}")
        stream = int.from_bytes(body[:4], "big") & 0x7FFFFFFF
        match kind:
            case 1:
                return Opened(stream, self._headers(body[10:]), bool(flags & FIN))
            case 2 | 8:
                self._headers(body[4:])
            case 3:
                return Reset(stream)
            case 6:
                return Ping(frame)
            case 7:
                return Farewell()
        return None

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._inflate.decompress(block)
            count, position = int.from_bytes(plain[:4], "big"), 4
            words = []
            for _ in range(2 * count):
                length = int.from_bytes(plain[position : position + 4], "big")
                words.append(plain[position + 4 : position + 4 + length].decode())
                position += 4 + length
        except (zlib.error, UnicodeDecodeError) as error:
            raise ProtocolError(str(error)) from error
        return dict(zip(words[::2], words[1::2], strict=True))


class Sender:
    """Makes frames. Headers are compressed together: frames must be sent in the order in which they were made."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(zdict=DICTIONARY)

    def open(self, stream: int, headers: Mapping[str, str]) -> bytes:
        """Opens a stream."""
        return _control(_SYN_STREAM, struct.pack(">IIBB", stream, 0, 0, 0) + self._block(headers))

    def accept(self, stream: int) -> bytes:
        """Accepts a stream that the other side opened."""
        return _control(_SYN_REPLY, struct.pack(">I", stream) + self._block({}))

    def data(self, stream: int, content: bytes, *, fin: bool = False) -> bytes:
        """Bytes on a stream; `fin` with the last ones."""
        return struct.pack(">I", stream) + bytes([FIN if fin else 0]) + len(content).to_bytes(3, "big") + content

    def reset(self, stream: int) -> bytes:
        """Breaks a stream off."""
        return _control(_RST_STREAM, struct.pack(">II", stream, 5))

    def _block(self, headers: Mapping[str, str]) -> bytes:
        pairs = b"".join(_prefixed(name) + _prefixed(value) for name, value in headers.items())
        plain = struct.pack(">I", len(headers)) + pairs
        return self._deflate.compress(plain) + self._deflate.flush(zlib.Z_SYNC_FLUSH)


def _control(kind: int, body: bytes) -> bytes:
    return struct.pack(">HHB", _CONTROL, kind, 0) + len(body).to_bytes(3, "big") + body
