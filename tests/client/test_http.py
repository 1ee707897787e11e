"""The transport over sockets, against a small server on loopback."""

import asyncio
import datetime as dt
import ipaddress
import ssl
from contextlib import asynccontextmanager, suppress

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from refimpl.api.http import Request
from refimpl.api.resources import NODES
from refimpl.client.client import Client
from refimpl.client.http import HttpTransport
from refimpl.client.kubeconfig import Access
from refimpl.client.transport import Unreachable

pytestmark = pytest.mark.live

EMPTY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n"


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


@asynccontextmanager
async def listening(serve, tls=None):
    """Serves connections, and ends when all of them have ended."""
    handlers = []

    async def handle(reader, writer):
        handlers.append(asyncio.current_task())
        with suppress(ConnectionError, asyncio.IncompleteReadError, ssl.SSLError):
            await serve(reader, writer)
        writer.close()
        with suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    running = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{running.sockets[0].getsockname()[1]}"
    finally:
        running.close()
        await asyncio.gather(*handlers)


@asynccontextmanager
async def server(answer, tls=None):
    """Answers every request with fixed bytes and keeps what was asked."""
    asked = []

    async def serve(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        asked.append(head.decode())
        writer.write(answer)
        await writer.drain()

    async with listening(serve, tls) as url:
        yield url, asked


@asynccontextmanager
async def transport_to(access):
    transport = HttpTransport(access)
    try:
        yield transport
    finally:
        await transport.aclose()


async def test_path_query_headers_and_token_travel():
    async with server(EMPTY) as (url, asked), transport_to(Access(url + "/prefix", token="t")) as transport:
        query = (("labelSelector", "a in (b,c)"), ("watch", "1"))
        response = await transport.send(Request("GET", "/api/v1/nodes/a b", query, {"accept": "application/json"}))
    assert (response.status, response.body) == (200, b"{}")
    assert response.header("content-type") == "application/json"
    assert asked[0].startswith("GET /prefix/api/v1/nodes/a%20b?labelSelector=a+in+%28b%2Cc%29&watch=1 HTTP/1.1\r\n")
    assert "authorization: Bearer t\r\n" in asked[0].lower().replace("bearer", "Bearer")
    assert "accept: application/json" in asked[0].lower()


async def test_a_token_file_is_read(tmp_path):
    (tmp_path / "token").write_text("from-file\n")
    access = Access("", token_file=tmp_path / "token", token="other")
    async with server(EMPTY) as (url, asked):
        access = Access(url, token_file=tmp_path / "token", token="other")
        async with transport_to(access) as transport:
            await transport.send(Request("GET", "/"))
    assert "Bearer from-file\r\n" in asked[0]


async def test_a_missing_token_file_is_named(tmp_path):
    async with transport_to(Access("http://127.0.0.1:1", token_file=tmp_path / "none")) as transport:
        with pytest.raises(Unreachable, match=r"token file .*none: No such file"):
            await transport.send(Request("GET", "/"))


async def test_a_refused_connection_is_unreachable_and_says_so():
    async with server(EMPTY) as (url, _):
        pass
    async with transport_to(Access(url)) as transport:
        with pytest.raises(Unreachable, match=r"GET http://127.0.0.1:\d+/api: Connection refused"):
            await transport.send(Request("GET", "/api"))


async def test_a_connection_closed_without_an_answer_is_unreachable():
    async with server(b"") as (url, _), transport_to(Access(url)) as transport:
        with pytest.raises(Unreachable, match="Server disconnected"):
            await transport.send(Request("GET", "/"))


async def test_a_watch_yields_events_as_they_come_and_reports_a_broken_stream():
    event = b'{"type":"ADDED","object":{"metadata":{"name":"n","resourceVersion":"5"}}}\n'
    async with server(CHUNKED + chunk(event)) as (url, _), transport_to(Access(url)) as transport:
        events = Client(transport).watch(NODES)
        assert (await anext(events)).object["metadata"]["name"] == "n"
        with pytest.raises(Unreachable, match="stream broke"):
            await anext(events)


async def test_a_watch_that_ends_orderly_just_ends():
    async with server(CHUNKED + b"0\r\n\r\n") as (url, _), transport_to(Access(url)) as transport:
        assert [event async for event in Client(transport).watch(NODES)] == []


def certificate():
    """A self-signed certificate for 127.0.0.1, and its key, as PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return signed.public_bytes(pem), private


@pytest.fixture(scope="module")
def pair():
    return certificate()


@pytest.fixture
def tls(pair, tmp_path):
    file = tmp_path / "pair.pem"
    file.write_bytes(pair[0] + pair[1])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


async def test_a_trusted_server_is_talked_to(tls, pair):
    async with server(EMPTY, tls) as (url, _), transport_to(Access(url, ca=pair[0])) as transport:
        assert (await transport.send(Request("GET", "/"))).status == 200


async def test_an_unknown_server_is_refused_unless_told_not_to_look(tls):
    async with server(EMPTY, tls) as (url, _):
        async with transport_to(Access(url)) as transport:
            with pytest.raises(Unreachable, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
                await transport.send(Request("GET", "/"))
        async with transport_to(Access(url, insecure=True)) as transport:
            assert (await transport.send(Request("GET", "/"))).status == 200


async def test_a_client_certificate_is_shown(tls, pair):
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cadata=pair[0].decode())
    async with server(EMPTY, tls) as (url, _):
        access = Access(url, ca=pair[0], client_certificate=pair[0], client_key=pair[1])
        async with transport_to(access) as transport:
            assert (await transport.send(Request("GET", "/"))).status == 200
        async with transport_to(Access(url, ca=pair[0])) as transport:
            with pytest.raises(Unreachable):
                await transport.send(Request("GET", "/"))


def test_a_certificate_that_is_none_is_refused_at_once():
    with pytest.raises(ValueError, match="https://h: the certificate authority cannot be used"):
        HttpTransport(Access("https://h", ca=b"junk"))


async def test_connections_that_were_closed_are_opened_anew():
    async with server(EMPTY) as (url, asked), transport_to(Access(server=url)) as transport:
        await transport.send(Request("GET", NODES.path()))
        await transport.aclose()
        assert (await transport.send(Request("GET", NODES.path()))).status == 200
        assert len(asked) == 2


async def test_whoever_reads_a_stream_learns_that_its_connection_was_closed():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + chunk(b"{}"))
        await reader.read()

    async with listening(serve) as url, transport_to(Access(server=url)) as transport:
        body = (await transport.send(Request("GET", NODES.path()), stream=True)).body
        assert await anext(body) == b"{}"
        reading = asyncio.create_task(anext(body, None))
        await asyncio.sleep(0.05)
        await transport.aclose()
        with pytest.raises(Unreachable):
            async with asyncio.timeout(5):
                await reading


async def test_whoever_reads_on_later_learns_of_it_too():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(CHUNKED + chunk(b"{}"))
        await reader.read()

    async with listening(serve) as url, transport_to(Access(server=url)) as transport:
        body = (await transport.send(Request("GET", NODES.path()), stream=True)).body
        assert await anext(body) == b"{}"
        await transport.aclose()
        with pytest.raises(Unreachable, match="stream broke: Connection closed"):
            await anext(body)
