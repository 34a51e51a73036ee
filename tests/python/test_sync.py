"""python-socketio's synchronous client against the contract, on each transport and with both parsers."""

import queue
import unittest

import socketio

from testbed import PATIENCE_S, shared


class Peer:
    """A client whose events come out of queues."""

    def __init__(self, test, transports, parser, namespace="/", auth=None, headers=None):
        self.namespace = namespace
        self.client = socketio.Client(serializer=parser, reconnection=False)
        self.heard = {}
        for event in ("welcome", "echo", "question", "answer", "burst", "bytes", "cast", "disconnect"):
            self._listen(event)
        test.addCleanup(self.client.disconnect)
        url = shared(PARSER=parser).url
        self.client.connect(
            url,
            namespaces=[namespace],
            transports=transports,
            auth=auth,
            headers=headers or {},
            wait_timeout=PATIENCE_S,
        )
        (self.welcome,) = self.next("welcome")

    def _listen(self, event):
        inbox = self.heard[event] = queue.Queue()
        self.client.on(event, lambda *args: inbox.put(args), namespace=self.namespace)

    @property
    def sid(self):
        return self.client.get_sid(self.namespace)

    def next(self, event):
        return self.heard[event].get(timeout=PATIENCE_S)

    def emit(self, event, *args):
        self.client.emit(event, args, namespace=self.namespace)

    def ask(self, event, *args):
        return self.client.call(event, args, namespace=self.namespace, timeout=PATIENCE_S)


class Contract:
    """The cases; each subclass is one way to the server."""

    transports = None
    parser = "default"

    def connect(self, **options):
        return Peer(self, self.transports, self.parser, **options)

    def test_the_welcome_names_the_id_that_the_client_sees(self):
        peer = self.connect()
        expected = {"sid": peer.sid, "nsp": "/", "auth": {}, "recovered": False}
        self.assertEqual(peer.welcome, expected)

    def test_events_carry_values_and_binary(self):
        peer = self.connect()
        for args in [(), (None,), (1, "zwei ü 🚀", {"drei": [3.5, True]}), (b"\x00\xff", {"deep": [b"\x01"]})]:
            peer.emit("echo", *args)
            self.assertEqual(peer.next("echo"), args)

    def test_acks_carry_values_and_binary(self):
        peer = self.connect()
        self.assertEqual(peer.ask("echo-ack", "one"), "one")
        self.assertEqual(peer.ask("echo-ack", 1, b"two"), (1, b"two"))

    def test_the_servers_question_is_answered(self):
        peer = self.connect()
        peer.client.on("question", lambda payload: {"got": payload})
        peer.emit("ask", "how?", 0)
        self.assertEqual(peer.next("answer"), ({"ok": True, "value": {"got": "how?"}},))

    def test_auth_query_and_headers_reach_the_handshake(self):
        peer = self.connect(auth={"colour": "blue"}, headers={"x-conformance": "yes"})
        who = peer.ask("who")
        self.assertEqual(who["auth"], {"colour": "blue"})
        self.assertEqual(who["header"], "yes")
        self.assertEqual(who["protocol"], 4)

    def test_a_middleware_refuses_with_its_message(self):
        refused = queue.Queue()
        client = socketio.Client(serializer=self.parser, reconnection=False)
        self.addCleanup(client.disconnect)
        client.on("connect_error", lambda data: refused.put(data), namespace="/auth")
        with self.assertRaises(socketio.exceptions.ConnectionError):
            client.connect(
                shared(PARSER=self.parser).url, namespaces=["/auth"], transports=self.transports, auth={"token": "no"}
            )
        expected = {"message": "unauthorized", "data": {"code": 401, "hint": "token"}}
        self.assertEqual(refused.get(timeout=PATIENCE_S), expected)

    def test_a_middleware_lets_the_right_credentials_through(self):
        peer = self.connect(namespace="/auth", auth={"token": "secret"})
        self.assertEqual(peer.welcome["nsp"], "/auth")

    def test_broadcasts_reach_the_members_of_a_room(self):
        first, second = self.connect(), self.connect()
        self.assertEqual(first.ask("join", "room"), "ok")
        self.assertEqual(second.ask("join", "room"), "ok")
        cast = {"from": "socket", "to": ["room"], "event": "cast", "data": [1, b"\x02"]}
        self.assertEqual(first.ask("cast", cast), "ok")
        self.assertEqual(second.next("cast"), (1, b"\x02"))
        self.assertEqual(first.ask("members", "room"), sorted([first.sid, second.sid]))
        self.assertTrue(first.heard["cast"].empty())

    def test_a_burst_arrives_entire_and_in_order(self):
        peer = self.connect()
        peer.emit("burst", 200, 50)
        self.assertEqual([peer.next("burst")[0] for _ in range(200)], list(range(200)))

    def test_numbered_events_arrive_in_order(self):
        peer = self.connect()
        for i in range(200):
            peer.emit("seq", i)
        self.assertEqual(peer.ask("seq-report"), {"count": 200, "inOrder": True})

    def test_large_binary_arrives_whole(self):
        peer = self.connect()
        peer.emit("bytes", 100_000)
        self.assertEqual(peer.next("bytes"), (bytes(i & 255 for i in range(100_000)),))

    def test_a_kick_is_seen_as_the_servers_disconnect(self):
        peer = self.connect()
        peer.emit("kick", True)
        (reason,) = peer.next("disconnect")
        self.assertEqual(reason, socketio.Client.reason.SERVER_DISCONNECT)


class OverWebSocket(Contract, unittest.TestCase):
    transports = ["websocket"]


class OverPolling(Contract, unittest.TestCase):
    transports = ["polling"]


class AcrossTheUpgrade(Contract, unittest.TestCase):
    transports = ["polling", "websocket"]


class OverWebSocketWithMsgpack(Contract, unittest.TestCase):
    transports = ["websocket"]
    parser = "msgpack"


class OverPollingWithMsgpack(Contract, unittest.TestCase):
    transports = ["polling"]
    parser = "msgpack"


if __name__ == "__main__":
    unittest.main()
