# SPDX-License-Identifier: Apache-2.0
"""The console in Debian's Chromium, as console.mjs tells it: one server, one browser, and a result
here for each test there."""
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("console.mjs")
WIDTHS, LOOKS = ["phone", "desk"], ["light, en-US", "dark, zh-CN", "light, zh-CN", "dark, en-US"]


def names():
    """The tests of console.mjs, read from its text, so that one that vanishes is missed."""
    told = re.findall(r"^(?:as|test)\('([^']+)'", SCRIPT.read_text(), re.M)
    return told[:-1] + [f"every page fits and names its controls: {width}, {look}"
                        for width in WIDTHS for look in LOOKS] + told[-1:]


@pytest.fixture(scope="module")
def results(server):
    chromium = shutil.which("chromium")
    assert chromium, "the console's tests need Chromium: apt-get install chromium"
    done = subprocess.run(
        ["node", "--test", "--test-reporter=tap", SCRIPT], text=True, capture_output=True, timeout=900,
        env={**os.environ, "TENON_URL": server.url, "TENON_TOKEN": server.token, "CHROMIUM": chromium})
    verdicts = re.findall(r"^\s*(not ok|ok) \d+ - (.+)$", done.stdout, re.M)
    return {name: verdict for verdict, name in verdicts}, done.stdout + done.stderr


@pytest.mark.parametrize("name", names())
def test_console(results, name):
    verdicts, output = results
    assert name in verdicts, f"did not run\n{output[-6000:]}"
    if verdicts[name] != "ok":
        at = output.find(f"not ok", max(0, output.find(f"# Subtest: {name}")))
        pytest.fail(output[at:at + 4000], pytrace=False)
