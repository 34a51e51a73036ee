"""python-socketio's asyncio client against the contract, on each transport."""

import asyncio
import unittest

import socketio

from testbed import PATIENCE_S, shared


class Peer:
    """A client whose events come out of queues."""

    @classmethod
    async def connect(cls, test, transports, namespace="/", auth=None):
        peer = cls()
        peer.namespace = namespace
        peer.client = socketio.AsyncClient(reconnection=False)
        peer.heard = {event: asyncio.Queue() for event in ("welcome", "echo", "answer", "burst", "numbered", "disconnect")}
        for event, inbox in peer.heard.items():
            peer._listen(event, inbox)
        test.addAsyncCleanup(peer.client.disconnect)
        await peer.client.connect(
            shared().url, namespaces=[namespace], transports=transports, auth=auth, wait_timeout=PATIENCE_S
        )
        (peer.welcome,) = await peer.next("welcome")
        return peer

    def _listen(self, event, inbox):
        async def note(*args):
            inbox.put_nowait(args)

        self.client.on(event, note, namespace=self.namespace)

    @property
    def sid(self):
        return self.client.get_sid(self.namespace)

    async def next(self, event):
        return await asyncio.wait_for(self.heard[event].get(), PATIENCE_S)

    async def emit(self, event, *args):
        await self.client.emit(event, args, namespace=self.namespace)

    async def ask(self, event, *args):
        return await self.client.call(event, args, namespace=self.namespace, timeout=PATIENCE_S)


class Contract:
    """The cases; each subclass is one way to the server."""

    transports = None

    def connect(self, **options):
        return Peer.connect(self, self.transports, **options)

    async def test_the_welcome_names_the_id_that_the_client_sees(self):
        peer = await self.connect(auth={"token": "t"})
        expected = {"sid": peer.sid, "nsp": "/", "auth": {"token": "t"}, "recovered": False}
        self.assertEqual(peer.welcome, expected)

    async def test_events_and_acks_carry_values_and_binary(self):
        peer = await self.connect()
        args = (1, "zwei ü 🚀", {"drei": [3.5, None]}, b"\x00\xff")
        await peer.emit("echo", *args)
        self.assertEqual(await peer.next("echo"), args)
        self.assertEqual(await peer.ask("echo-ack", *args), args)

    async def test_the_servers_question_is_answered(self):
        peer = await self.connect()

        async def answer(payload):
            return {"got": payload}

        peer.client.on("question", answer)
        await peer.emit("ask", "how?", 0)
        self.assertEqual(await peer.next("answer"), ({"ok": True, "value": {"got": "how?"}},))

    async def test_a_dynamic_namespace_has_rooms_of_its_own(self):
        peer = await self.connect(namespace="/dyn-7")
        self.assertEqual(await peer.ask("join", "room"), "ok")
        self.assertEqual(await peer.ask("members", "room"), [peer.sid])

    async def test_an_unknown_namespace_is_refused(self):
        with self.assertRaises(socketio.exceptions.ConnectionError):
            await self.connect(namespace="/unknown")

    async def test_all_members_see_one_order(self):
        peers = [await self.connect() for _ in range(5)]
        for peer in peers:
            await peer.ask("join", "everybody")

        async def publish(i):
            cast = {"from": "server", "to": ["everybody"], "event": "numbered", "data": [i]}
            await peers[i % len(peers)].ask("cast", cast)

        await asyncio.gather(*(publish(i) for i in range(50)))
        orders = [[(await peer.next("numbered"))[0] for _ in range(50)] for peer in peers]
        self.assertEqual(sorted(orders[0]), list(range(50)))
        for order in orders:
            self.assertEqual(order, orders[0])

    async def test_a_burst_arrives_entire_and_in_order(self):
        peer = await self.connect()
        await peer.emit("burst", 200, 50)
        self.assertEqual([(await peer.next("burst"))[0] for _ in range(200)], list(range(200)))

    async def test_a_kick_is_seen_as_the_servers_disconnect(self):
        peer = await self.connect()
        await peer.emit("kick", False)
        (reason,) = await peer.next("disconnect")
        self.assertEqual(reason, socketio.AsyncClient.reason.SERVER_DISCONNECT)


class OverWebSocket(Contract, unittest.IsolatedAsyncioTestCase):
    transports = ["websocket"]


class OverPolling(Contract, unittest.IsolatedAsyncioTestCase):
    transports = ["polling"]


class AcrossTheUpgrade(Contract, unittest.IsolatedAsyncioTestCase):
    transports = ["polling", "websocket"]


if __name__ == "__main__":
    unittest.main()
