import functools
import shutil
import subprocess

import pytest


@functools.cache
def installed_pairs() -> frozenset[str]:
    """Return the Apertium pairs of this machine, such as eng-spa."""
    if shutil.which("apertium") is None:
        return frozenset()
    listed = subprocess.run(["apertium", "-l"], capture_output=True, text=True, check=False)
    return frozenset(listed.stdout.split())


@pytest.fixture(autouse=True)
def _apertium_pairs(request):
    """Skip a test marked `apertium("eng-spa", ...)` where a pair that it uses is not installed."""
    for marker in request.node.iter_markers("apertium"):
        if missing := [pair for pair in marker.args if pair not in installed_pairs()]:
            pytest.skip(f"Apertium pairs not installed: {', '.join(missing)}")
