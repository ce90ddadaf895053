"""Each fault of the proxy does what it says, and counts it."""
import socket
import threading
import time
import unittest

from fault_proxy import Proxies


def echo_server():
    """Sends back what it is sent, on a port of its own."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection:
            try:
                while data := connection.recv(1 << 16):
                    connection.sendall(data)
            except OSError:
                pass

    def accept():
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=serve, args=(connection,),
                             daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()


def receive(connection, size):
    data = b""
    while len(data) < size:
        piece = connection.recv(size - len(data))
        if not piece:
            break
        data += piece
    return data


class FaultProxyTest(unittest.TestCase):
    def setUp(self):
        proxies = self.enterContext(Proxies())
        self.link = proxies.link(lambda server=echo_server(): server)
        self.connection = socket.create_connection(
            ("127.0.0.1", self.link.port), 30)
        self.addCleanup(self.connection.close)
        self.assertEqual(self.echo(b"ready"), b"ready")

    def echo(self, data):
        self.connection.sendall(data)
        return receive(self.connection, len(data))

    def test_without_a_fault_bytes_pass_unchanged(self):
        data = bytes(range(256)) * 2000
        sender = threading.Thread(target=self.connection.sendall, args=(data,))
        sender.start()
        self.assertEqual(receive(self.connection, len(data)), data)
        sender.join()

    def test_a_cut_resets_the_connection(self):
        self.link.cut()
        with self.assertRaises(ConnectionResetError):
            self.connection.recv(1)
        self.assertEqual(self.link.counts.cut, 2)

    def test_two_cuts_in_a_row_count_each_connection_once(self):
        for _ in range(20):  # the first leaves sockets half done for an instant
            with socket.create_connection(
                    ("127.0.0.1", self.link.port), 30) as other:
                other.sendall(b"ready")
                self.assertEqual(receive(other, 5), b"ready")
                self.link.cut()
                self.link.cut()
                with self.assertRaises(ConnectionResetError):
                    other.recv(1)
        # Two sockets each, and the two of setUp.
        self.assertEqual(self.link.counts.cut, 42)

    def test_a_flip_changes_one_bit_of_a_long_piece_only(self):
        self.link.flip("up", 1000)
        self.assertEqual(self.echo(b"short"), b"short")
        data = bytes(5000)
        different = [b for b in self.echo(data) if b]
        self.assertEqual(len(different), 1)
        self.assertEqual(different[0].bit_count(), 1)
        self.assertEqual(self.link.counts.flipped, 1)
        self.assertEqual(self.echo(data), data)

    def test_a_snap_ends_the_connection_in_the_middle_of_a_long_piece(self):
        self.link.snap("up", 1000)
        self.connection.sendall(bytes(2000))
        with self.assertRaises(ConnectionResetError):
            while self.connection.recv(1 << 16):
                pass
        self.assertEqual(self.link.counts.snapped, 1)

    def test_a_held_link_delivers_once_it_is_healed(self):
        self.link.hold()
        time.sleep(0.1)
        self.connection.sendall(b"held")
        self.connection.settimeout(0.3)
        with self.assertRaises(socket.timeout):
            self.connection.recv(4)
        self.assertEqual(self.link.counts.held, 4)
        self.link.heal()
        self.connection.settimeout(30)
        self.assertEqual(receive(self.connection, 4), b"held")

    def test_a_slow_link_takes_its_time(self):
        self.link.delay(0.1)
        self.link.limit(100_000)
        start = time.monotonic()
        self.assertEqual(self.echo(bytes(10_000)), bytes(10_000))
        # Twice through: 0.1 s of delay and 0.1 s for the bytes.
        self.assertGreaterEqual(time.monotonic() - start, 0.4)
        self.assertGreaterEqual(self.link.counts.slowed, 20_000)

    def test_a_link_to_nobody_resets(self):
        with Proxies() as proxies:
            link = proxies.link(lambda: None)
            with socket.create_connection(("127.0.0.1", link.port), 30) as c:
                with self.assertRaises(ConnectionResetError):
                    c.recv(1)


if __name__ == "__main__":
    unittest.main()
