# SPDX-License-Identifier: Apache-2.0
"""300 times kill -9 of the server under load; thousands in `make test-long`. See kill_server.py."""
import os
import subprocess
import sys
from pathlib import Path

HARNESS = Path(__file__).with_name("kill_server.py")


def test_nothing_is_lost_or_done_twice():
    cycles = 3000 if os.environ.get("TENON_TEST_LONG") == "1" else 300
    done = subprocess.run([sys.executable, HARNESS, str(cycles)], text=True,
                          capture_output=True, timeout=cycles * 6)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
