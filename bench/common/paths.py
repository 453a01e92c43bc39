"""What every program of bench/ imports first: with it the modules here and the harness of the tests can be imported."""

import os
import sys

COMMON = os.path.dirname(os.path.abspath(__file__))
BENCH = os.path.dirname(COMMON)
ROOT = os.path.dirname(BENCH)
sys.path[:0] = [COMMON, os.path.join(ROOT, "tests", "integration")]
sys.dont_write_bytecode = True
