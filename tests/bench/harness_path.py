"""Makes tests/harness importable, whichever file of the benchmark is run."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
