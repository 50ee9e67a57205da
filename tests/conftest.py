"""Hypothesis profiles: quick (default), ci (where CI is set), deep (HYPOTHESIS_PROFILE=deep)."""

import os
import signal

# Same bits need one BLAS thread count, and it is read when numpy is first imported.
for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

# A shell that runs the tests in the background has them ignore Ctrl-C, which some of them send.
signal.signal(signal.SIGINT, signal.default_int_handler)

from collections.abc import Iterator  # noqa: E402

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

settings.register_profile("quick", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("deep", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if "CI" in os.environ else "quick"))


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Speeds are measured once for each session, and nothing is left in the user's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINPRUNE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
