# SPDX-License-Identifier: Apache-2.0
"""A lake and steps without a server, for test_delta.py and test_steps.py.

The steps run through a small driver (test/unit/step/driver.c), which also publishes what they wrote
as the server would. TENON_STEP_DRIVER names it; else it is looked for in the build.
"""

import json
import os
import pathlib
import subprocess

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

ROOT = pathlib.Path(__file__).resolve().parents[2]
DUCKDB = ROOT / ".deps/lib/libduckdb.so"


def find_driver():
    named = os.environ.get("TENON_STEP_DRIVER")
    found = [pathlib.Path(named)] if named else sorted(
        ROOT.glob("build*/test/unit/step/step_driver"))
    if not found or not found[0].exists():
        pytest.fail("no step driver; build it: ninja -C build test/unit/step/step_driver")
    return str(found[0])


class Lake:
    """A data directory, and attempts run in it one after the other."""

    def __init__(self, root):
        self.data = root / "data"
        self.root = root
        self.count = 0
        self.driver = find_driver()
        self.data.mkdir()

    def attempt(self, kind, with_, files=None, inputs=None, upstream=None, **more):
        """Makes the folder of an attempt; files are laid out in work/ as the exporter would."""
        self.count += 1
        step = f"s{self.count}"
        folder = self.root / "runs" / step
        (folder / "work").mkdir(parents=True)
        for name, content in (files or {}).items():
            path = folder / "work" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, pa.Table):
                pq.write_table(content, path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
        (folder / "attempt.json").write_text(json.dumps({
            "project": "default", "run": "0" * 32, "step": step, "attempt": 1,
            "attempt_id": f"{'0' * 32}/{step}/1", "pipeline": "p", "kind": kind,
            "data_dir": str(self.data), "url": "", "token": "", "with": with_,
            "inputs": {alias: self.snapshot(*pin) for alias, pin in (inputs or {}).items()},
            "upstream": upstream or {}, "files": {}, **more}))
        return folder

    def call(self, *args):
        return subprocess.run([self.driver, *map(str, args)], capture_output=True, text=True,
                              env={"TENON_DUCKDB": str(DUCKDB), **os.environ})

    def step(self, *args, **kwargs):
        """Runs a step that must succeed; its result."""
        folder = self.attempt(*args, **kwargs)
        done = self.call("step", folder)
        assert done.returncode == 0, done.stderr
        self.said = done.stdout
        self.folder = folder
        return json.loads((folder / "result.json").read_text())

    def refused(self, *args, **kwargs):
        """Runs a step that must fail; its error, after checking that nothing was left behind."""
        folder = self.attempt(*args, **kwargs)
        before = sorted(self.data.rglob("*"))
        done = self.call("step", folder)
        assert done.returncode != 0
        assert not (folder / "result.json").exists()
        assert sorted(self.data.rglob("*")) == before
        error = json.loads((folder / "error.json").read_text())
        assert f"error: {error['message']}" in done.stderr
        return error

    def publish(self, folder=None):
        done = self.call("publish", folder or self.folder)
        assert done.returncode == 0, done.stderr
        return int(done.stdout)

    def ingest(self, name, content, dataset="t", **with_):
        self.step("ingest", {"path": name, "dataset": dataset, **with_}, {name: content})
        return self.publish()

    def ingest_error(self, name, content, dataset="t", **with_):
        return self.refused("ingest", {"path": name, "dataset": dataset, **with_}, {name: content})

    def sql(self, text, inputs, dataset="out", **with_):
        self.step("sql", {"sql": text, "dataset": dataset, **with_}, inputs=inputs)
        return self.publish()

    def snapshot(self, name, version=-1):
        done = self.call("snapshot", self.data, "default", name, version)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def table(self, name, version=None):
        return DeltaTable(str(self.data / "lake" / "default" / name), version=version)

    def rows(self, name, version=None):
        return self.table(name, version).to_pyarrow_table().to_pylist()

    def types(self, name):
        return {f.name: f.type.type for f in self.table(name).schema().fields}
