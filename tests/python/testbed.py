"""Starts and ends the server under test and finds a port for it. Clients and judgements are in the test modules."""

import os
import socket
import subprocess
import time
import unittest
import urllib.request
from pathlib import Path

from engineio.payload import Payload

# The client refuses polling answers with more packets than this, which a burst exceeds on any server that does not cap them.
Payload.max_decode_packets = 10_000

PATIENCE_S = 15
REFERENCE = Path(__file__).parent.parent / "js" / "reference-testbed.js"


class Testbed:
    """A running server; `url` is its address."""

    def __init__(self, **settings):
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        program = [os.environ["TESTBED"]] if "TESTBED" in os.environ else ["node", str(REFERENCE)]
        environment = {**os.environ, **settings, "PORT": str(port)}
        self.process = subprocess.Popen(program, env=environment)
        deadline = time.monotonic() + PATIENCE_S
        while not self._is_healthy():
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended at its start with {self.process.returncode}")
            if time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"the server did not serve within {PATIENCE_S} s")
            time.sleep(0.02)

    def _is_healthy(self):
        try:
            with urllib.request.urlopen(f"{self.url}/healthz", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        """Ends the server as an operator would and gives its exit code."""
        self.process.terminate()
        return self.process.wait(PATIENCE_S)


_shared = {}


def shared(**settings):
    """The server with these settings, started at the first call and ended after the last test."""
    key = tuple(sorted(settings.items()))
    if key not in _shared:
        _shared[key] = Testbed(**settings)
        unittest.addModuleCleanup(_end, key)
    return _shared[key]


def _end(key):
    _shared.pop(key).stop()


def free_port():
    """A free port of TEST_PORTS, a range below the one from which systems take local ports."""
    first, last = map(int, os.environ.get("TEST_PORTS", "18000-19999").split("-"))
    count = last - first + 1
    for step in range(count):
        port = first + (os.getpid() * 17 + len(_shared) + step) % count
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError(f"no free port in {first}-{last}")
