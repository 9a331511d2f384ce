# SPDX-License-Identifier: Apache-2.0
"""A real server for every test that wants one, in a data directory of its own.

    def test_something(server):            # one server for the tests of a module
        answer = server.get("/api/v1/status")

    def test_crash(fresh):                 # fresh(...) starts one for this test alone
        server = fresh()
        server.kill()
        server.start()
"""
import json
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests

ROOT = Path(__file__).resolve().parent.parent
BINARY = Path(os.environ.get("TENON_BINARY", ROOT / "build/tenon"))
LONG = os.environ.get("TENON_TEST_LONG") == "1"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """`tenon up` on a free port of loopback. Survives kill and start with the same data and port."""

    def __init__(self, data, env=None):
        self.data = Path(data)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.env = {**os.environ, **(env or {})}
        self.log = self.data.parent / f"{self.data.name}.log"
        self.process = None
        self.session = requests.Session()

    def start(self, wait=True, timeout=30):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, "up", "--data", self.data, "--listen", f"127.0.0.1:{self.port}"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self.env)
        if wait:
            self.wait_ready(timeout)
        return self

    def wait_ready(self, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"tenon up exited {self.process.returncode}:\n{self.output()}")
            try:
                if requests.get(self.url + "/healthz", timeout=5).status_code == 200:
                    return
            except requests.ConnectionError:
                pass
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready after {timeout} s:\n{self.output()}")
            time.sleep(0.02)

    def output(self):
        return self.log.read_text(errors="replace")[-8000:]

    def stop(self, timeout=30):
        """SIGTERM, as a person would; returns the exit status."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"SIGTERM did not end it:\n{self.output()}") from None
        return self.process and self.process.returncode

    def kill(self):
        """kill -9 of the server alone; its shims and steps go on."""
        self.process.kill()
        self.process.wait()

    def end(self):
        """The server and whatever it left running, which by design would go on without it."""
        if self.process and self.process.poll() is None:
            self.kill()
        runs = os.path.realpath(self.data).encode() + b"/runs/"
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                arguments = path.read_bytes().split(b"\0")
                if arguments[1:2] == [b"shim"] and arguments[2].startswith(runs):
                    os.kill(int(path.parent.name), signal.SIGTERM)
            except (OSError, IndexError):
                pass  # it ended while we looked

    @property
    def token(self):
        return (self.data / "owner.token").read_text().strip()

    def call(self, method, path, token=None, **options):
        """token: None = the owner's, "" = none at all."""
        headers = dict(options.pop("headers", {}))
        secret = self.token if token is None else token
        if secret:
            headers.setdefault("Authorization", f"Bearer {secret}")
        options.setdefault("timeout", 60)
        return self.session.request(method, self.url + path, headers=headers, **options)

    def get(self, path, **options):
        return self.call("GET", path, **options)

    def post(self, path, body=None, **options):
        return self.call("POST", path, json=body, **options)

    def put(self, path, body=None, **options):
        return self.call("PUT", path, json=body, **options)

    def delete(self, path, **options):
        return self.call("DELETE", path, **options)

    def cli(self, *arguments, check=True, cwd=None, input=None, timeout=300, env=None):
        """`tenon ARGUMENTS` against this server."""
        done = subprocess.run(
            [BINARY, *map(str, arguments)], cwd=cwd, input=input, text=True, timeout=timeout,
            capture_output=True,
            env={**self.env, "TENON_URL": self.url, "TENON_TOKEN": self.token, **(env or {})})
        if check and done.returncode:
            raise AssertionError(f"tenon {' '.join(map(str, arguments))}: exit status "
                                 f"{done.returncode}\n{done.stdout}\n{done.stderr}")
        return done

    def submit(self, yaml, files=(), params=None, name="pipeline.yaml"):
        """Sends a pipeline over the API; files: {path: bytes}. Returns the run's id."""
        digests = {path: self.call("POST", "/api/v1/blobs", data=content).json()["digest"]
                   for path, content in dict(files).items()}
        answer = self.post("/api/v1/runs", {"file": name, "yaml": yaml, "params": params or {},
                                            "files": digests})
        assert answer.status_code == 201, answer.text
        return answer.json()["id"]

    def wait_run(self, run, timeout=300):
        """The run once it has ended."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            answer = self.get(f"/api/v1/runs/{run}").json()
            if answer["status"] != "running":
                return answer
            time.sleep(0.05)
        raise AssertionError(f"run {run} has not ended: {json.dumps(answer, indent=1)}")


@pytest.fixture
def fresh(tmp_path_factory):
    """Makes and starts servers for one test; ends them all."""
    servers = []

    def make(start=True, data=None, env=None):
        server = Server(data or tmp_path_factory.mktemp("tenon") / "data", env)
        servers.append(server)
        return server.start() if start else server

    yield make
    for server in servers:
        server.end()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("tenon") / "data").start()
    yield server
    server.end()


@pytest.fixture(scope="session")
def binary():
    return BINARY


@pytest.fixture(scope="session")
def long():
    """True in `make test-long`: do it thousands of times."""
    return LONG
