"""How the program ends when it is told to."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

# The command line's modules are being read when Ctrl-C comes. Where tests run in the background of a shell, Ctrl-C is
# ignored, and whoever they start inherits that: so it is set as a terminal has it.
EARLY = """
import os, signal, sys, types
signal.signal(signal.SIGINT, signal.default_int_handler)
import etdb.__main__ as program
class BeingRead(types.ModuleType):
    def __getattr__(self, name):
        os.kill(os.getpid(), signal.SIGINT)
        raise AttributeError(name)
sys.modules["etdb.cli"] = BeingRead("etdb.cli")
program.main()
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_ends_well_with_a_signal(desk, number):
    command = [sys.executable, "-m", "etdb", "-w", str(desk.workspace.root), "serve", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as etdb:
        assert "http://127.0.0.1:" in etdb.stdout.readline()
        etdb.send_signal(number)
        _, errors = etdb.communicate(timeout=60)
    assert (etdb.returncode, errors) == (0, "")


def test_ctrl_c_before_anything_has_begun():
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")
