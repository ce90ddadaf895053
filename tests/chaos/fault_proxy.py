"""A TCP proxy with faults: between two processes of a run, on loopback.

    with Proxies() as proxies:
        link = proxies.link(lambda: ("127.0.0.1", 7070))
        link.port                      # dial this instead
        link.delay(0.05); link.limit(200_000); link.hold(); link.heal()
        link.cut()                     # resets what is open
        link.flip("down", 4096)        # one bit of the next long piece
    link.snap("up", 4096)          # a reset in the middle of one

A fault counts as fired by what the link says it did: bytes delayed or held,
connections reset, bits flipped. `up` is from the dialling side, `down` to it.
"""
import asyncio
import random
import socket
import struct
import threading

PIECE = 1 << 16
CONNECT_SECONDS = 2
END_SECONDS = 30  # on a loaded machine


class Counts:
    """What a link did, since it was made."""

    def __init__(self):
        self.connections = self.bytes = 0
        self.cut = self.snapped = self.flipped = 0
        self.held = self.slowed = 0  # bytes


class Link:
    """One listening port, one target that may change; from any thread."""

    def __init__(self, proxies, target):
        self._proxies, self._target = proxies, target
        self._open = set()
        self._delay = self._rate = 0
        self._flips, self._snaps = [], []  # (direction, least bytes), once
        self._random = random.Random(1)
        self._flowing = None  # an asyncio.Event; cleared: half-open
        self.port = 0
        self.counts = Counts()

    def delay(self, seconds):
        """Each piece waits so long."""
        self._delay = seconds

    def limit(self, bytes_per_second):
        self._rate = bytes_per_second

    def hold(self):
        """Half-open: connections stay, nothing passes."""
        self._proxies.call(self._flowing.clear)

    def flip(self, direction, least_bytes):
        """One bit of the next piece that is as long as that."""
        self._flips.append((direction, least_bytes))

    def snap(self, direction, least_bytes):
        """A reset in the middle of the next piece that is as long as that."""
        self._snaps.append((direction, least_bytes))

    def heal(self):
        """Ends all of it but what is cut or flipped already."""
        self._delay = self._rate = 0
        self._flips.clear()
        self._snaps.clear()
        self._proxies.call(self._flowing.set)

    def cut(self):
        """Resets every open connection."""
        self._proxies.call(self._reset)

    def _reset(self):
        while self._open:
            self.counts.cut += reset(self._open.pop())

    async def start(self):
        self._flowing = asyncio.Event()
        self._flowing.set()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server

    async def _serve(self, reader, writer):
        target = self._target()
        try:
            if target is None:
                raise OSError("nobody serves")
            there_reader, there = await asyncio.wait_for(
                asyncio.open_connection(*target), CONNECT_SECONDS)
        except (OSError, asyncio.TimeoutError):
            reset(writer)
            return
        self.counts.connections += 1
        both = (writer, there)
        self._open.update(both)
        await asyncio.gather(self._pump("up", reader, there),
                             self._pump("down", there_reader, writer))
        self._open.difference_update(both)

    async def _pump(self, direction, reader, writer):
        try:
            while piece := await reader.read(PIECE):
                await self._suffer(len(piece))
                if take(self._snaps, direction, piece):
                    writer.write(piece[:len(piece) // 2])
                    await writer.drain()
                    self.counts.snapped += 1
                    self._reset()
                    return
                writer.write(self._flipped(direction, piece))
                self.counts.bytes += len(piece)
                await writer.drain()
        except OSError:
            pass  # the other side has ended
        finally:
            writer.close()

    async def _suffer(self, size):
        if not self._flowing.is_set():
            self.counts.held += size
            await self._flowing.wait()
        pause = self._delay + (size / self._rate if self._rate else 0)
        if pause:
            self.counts.slowed += size
            await asyncio.sleep(pause)

    def _flipped(self, direction, piece):
        if not take(self._flips, direction, piece):
            return piece
        self.counts.flipped += 1
        # In the middle: of a long piece that is what it carries, not the
        # framing that begins it.
        at = self._random.randrange(len(piece) // 4, 3 * len(piece) // 4 + 1)
        bit = 1 << self._random.randrange(8)
        return piece[:at] + bytes([piece[at] ^ bit]) + piece[at + 1:]


def take(faults, direction, piece):
    """Whether one of `faults` is meant for this piece; it is used up."""
    for fault in faults:
        if fault[0] == direction and len(piece) >= fault[1]:
            faults.remove(fault)
            return True
    return False


def reset(writer):
    """RST instead of FIN. Whether it was open still."""
    connection = writer.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:
        return False
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                          struct.pack("ii", 1, 0))
    writer.transport.abort()
    return True


class Proxies:
    """The thread that moves the bytes of all links."""

    def __enter__(self):
        self._loop = asyncio.new_event_loop()
        self._servers, self._links = [], []
        self._thread = threading.Thread(target=self._loop.run_forever,
                                        daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        asyncio.run_coroutine_threadsafe(
            self._end(), self._loop).result(END_SECONDS)
        self.call(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self):
        for server in self._servers:
            server.close()
        for link in self._links:
            link._flowing.set()
            link._reset()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        if tasks:
            await asyncio.wait(tasks, timeout=CONNECT_SECONDS)

    def link(self, target):
        """`target()`: (host, port) to dial for a new connection, or None."""
        link = Link(self, target)
        self._links.append(link)
        self._servers.append(asyncio.run_coroutine_threadsafe(
            link.start(), self._loop).result(END_SECONDS))
        return link

    def call(self, function):
        self._loop.call_soon_threadsafe(function)
