"""Calls that fail in a service (tests/faultlib)."""

import os

from .services import BUILD_DIR, environment

LIBRARY = os.path.join(BUILD_DIR, "faultlib.so")


def failing(*calls):
    """The environment in which calls fail: of each (function, first, last, number), or with a fifth
    every so many of them."""
    assert os.path.exists(LIBRARY), f"{LIBRARY} is not built"
    asan = environment().get("ASAN_OPTIONS", "")  # which wants to be the first library itself
    return {"LD_PRELOAD": LIBRARY, "ASAN_OPTIONS": f"{asan}:verify_asan_link_order=0".lstrip(":"),
            "PATHCOUNT_FAILING": " ".join(
                f"{function}:{first}-{last}:{number}" + "".join(f"/{n}" for n in step)
                for function, first, last, number, *step in calls)}
