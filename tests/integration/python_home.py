"""Programs of the Python registry that are not Debian's, each in a folder of build/, kept there for the next run."""

import os
import subprocess
import sys

import pytest

import process


def program(name, requirements, folder):
    """The path of the program `name`, which the requirements (with their versions) bring into build/`folder`."""
    home = os.path.join(process.ROOT, "build", folder)
    path, stamp = os.path.join(home, "bin", name), os.path.join(home, "requirements")
    wanted = "\n".join(requirements)
    if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == wanted:
        return path
    subprocess.run([sys.executable, "-m", "venv", "--clear", home], check=True, timeout=60)
    done = subprocess.run([os.path.join(home, "bin", "pip"), "install", "-q", "--timeout", "20", *requirements],
                          capture_output=True, text=True, timeout=170, check=False)
    if done.returncode != 0 and "CI" not in os.environ:
        pytest.skip(f"the Python registry gives no {folder}: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    with open(stamp, "w", encoding="ascii") as file:
        file.write(wanted)
    return path
