# Copyright (c) 2026, the netloom.containers authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real etcd on the loopback interface of a test: one server or three, killed, stopped, secured; and what is in it."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import ssl
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ELECTION_MS = 500


class Cluster:
    """Servers of etcd, as many as asked for, in a folder of their own. `scheme` https has them ask for certificates."""

    def __init__(self, folder: Path, size: int = 1, *, tls: bool = False):
        self.folder, self.tls = folder, tls
        self.scheme = "https" if tls else "http"
        self.numbers = [*range(1, size + 1)]
        self.processes: dict[int, subprocess.Popen] = {}
        if tls:
            _certificates(folder)
        for number in self.numbers:
            self.start(number)
        self.ready()

    @property
    def urls(self) -> list[str]:
        return [self.url(number) for number in self.numbers]

    def url(self, number: int) -> str:
        return f"{self.scheme}://127.0.0.1:{2370 + 10 * number}"

    def start(self, number: int) -> None:
        peers = {each: f"http://127.0.0.1:{2371 + 10 * each}" for each in self.numbers}
        secured = ["--cert-file", "server.pem", "--key-file", "server.key", "--trusted-ca-file", "ca.pem"]
        with open(self.folder / f"{number}.log", "a") as log:
            self.processes[number] = subprocess.Popen(
                [
                    *("etcd", "--name", str(number), "--data-dir", self.folder / str(number)),
                    *("--listen-client-urls", self.url(number), "--advertise-client-urls", self.url(number)),
                    *("--listen-peer-urls", peers[number], "--initial-advertise-peer-urls", peers[number]),
                    *("--initial-cluster", ",".join(f"{each}={url}" for each, url in peers.items())),
                    *("--heartbeat-interval", "50", "--election-timeout", str(ELECTION_MS)),
                    *([*secured, "--client-cert-auth"] if self.tls else []),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def ready(self, seconds: float = 15) -> None:
        """Wait until every server that runs answers."""
        deadline = time.monotonic() + seconds
        for number, process in self.processes.items():
            while True:
                assert process.poll() is None, (self.folder / f"{number}.log").read_text()[-2000:]
                with contextlib.suppress(OSError):
                    self.ask("kv/range", {"key": "AA=="}, number=number)
                    break
                assert time.monotonic() < deadline, (self.folder / f"{number}.log").read_text()[-2000:]
                time.sleep(0.02)

    def kill(self, number: int) -> None:
        process = self.processes.pop(number)
        process.kill()
        process.wait(10)

    def signal(self, number: int, what: signal.Signals) -> None:
        self.processes[number].send_signal(what)

    def stop(self) -> None:
        for number in [*self.processes]:
            self.signal(number, signal.SIGCONT)
            self.kill(number)

    def leader(self) -> int:
        for number in self.processes:
            status = self.ask("maintenance/status", {}, number=number)
            if status["leader"] == status["header"]["member_id"]:
                return number
        raise AssertionError("there is no leader")

    # --- what is in it ---

    def ask(self, what: str, body: Any, *, number: int = 0, token: str = "") -> Any:
        """Return what the gateway answers."""
        url = f"{self.url(number or next(iter(self.processes)))}/v3/{what}"
        headers = {"Authorization": token} if token else {}
        context = None
        if self.tls:
            context = ssl.create_default_context(cafile=self.folder / "ca.pem")
            context.load_cert_chain(self.folder / "client.pem", self.folder / "client.key")
        request = urllib.request.Request(url, json.dumps(body).encode(), headers)
        with urllib.request.urlopen(request, timeout=5, context=context) as response:
            return json.load(response)

    def keys(self, **options: Any) -> dict[str, str]:
        """Return all keys with what they lead to."""
        found = self.ask("kv/range", {"key": "AA==", "range_end": "AA=="}, **options).get("kvs", [])
        return {_plain(item["key"]): _plain(item.get("value", "")) for item in found}

    def revision(self) -> int:
        """Return how many writes there have been."""
        return int(self.ask("kv/range", {"key": "AA=="})["header"]["revision"])

    def owners(self, network: str = "net") -> dict[str, str]:
        """Return who has which address: address to node and seat."""
        beginning = f"/netloom/networks/{network}/claims/"
        values = {key[len(beginning) :]: json.loads(text) for key, text in self.keys().items() if beginning in key}
        return {address: f"{value['node']} {value['seat']}" for address, value in values.items()}

    def put(self, key: str, value: str) -> None:
        self.ask("kv/put", {"key": coded(key), "value": coded(value)})

    def delete(self, key: str) -> None:
        self.ask("kv/deleterange", {"key": coded(key)})


class Way:
    """A way to a server, on a port of its own, on which things get lost.

    `lost` is how many transactions with writes get no answer, though they are carried out. With `breaks` the next one is
    the last thing that passes (True), or does not pass any more (False), until `mend`.
    """

    def __init__(self, url: str, lost: int = 0):
        import http.server

        self.lost = lost
        self.breaks: bool | None = None
        self.broken = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                writes = b"request_put" in body
                last = writes and outer.breaks is not None
                self.close_connection = outer.broken or last or bool(writes and outer.lost)
                if outer.broken or (last and not outer.breaks):
                    outer.broken = True
                    return
                with urllib.request.urlopen(urllib.request.Request(url + self.path, body), timeout=5) as response:
                    answer = response.read()
                if self.close_connection:
                    outer.broken = last
                    outer.lost -= not last
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def mend(self) -> None:
        self.breaks, self.broken = None, False


@contextlib.contextmanager
def cluster(folder: Path, size: int = 1, *, tls: bool = False) -> Iterator[Cluster]:
    made = Cluster(folder, size, tls=tls)
    try:
        yield made
    finally:
        made.stop()


def coded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _plain(text: str) -> str:
    return base64.b64decode(text).decode()


def _certificates(folder: Path) -> None:
    """Make an authority, and certificates of a server and of a client. A client's has no CommonName: etcd refuses that
    together with a user's name."""
    new = ("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    for name, subject in (("ca", "/CN=test"), ("server", "/CN=server"), ("client", "/O=test")):
        signed = () if name == "ca" else ("-out", f"{name}.csr")
        kind = ("-x509", "-days", "2", "-out", "ca.pem") if name == "ca" else signed
        subprocess.run(
            [*new, "-keyout", f"{name}.key", "-subj", subject, *kind], cwd=folder, check=True, capture_output=True
        )
        if name != "ca":
            (folder / "extensions").write_text("subjectAltName=IP:127.0.0.1\n")
            authority = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extensions", "-days", "2")
            asked = ("openssl", "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *authority)
            subprocess.run(asked, cwd=folder, check=True, capture_output=True)
    os.chmod(folder, 0o755)
