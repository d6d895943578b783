"""What all parts share: where things are, what is sent, and how a sample fails."""

import os
from pathlib import Path


HERE = Path(__file__).resolve().parent.parent
STATE = Path(os.environ.get("BENCH_STATE") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kidstamp-bench")
BIN = STATE / "bin"
MIB = 1 << 20
BIG = 64 * MIB
TEXT = b"The quick brown fox jumps over the lazy dog, and nobody minds. \n"
SMALL, PAGE = (TEXT * 1024)[:1024], (TEXT * 1024)[: 64 * 1024]
REFERENCE = "nginx"
# A sample during which others used more than this much of a core is taken again, where there is patience.
QUIET = 0.2
ORDER = ["direct", "nginx", "nginx-njs", "nginx-lua", "haproxy", "envoy", "caddy", "hyper-min", "hyper-lean", "kidstamp-plain", "kidstamp"]


class Failed(Exception):
    """A candidate did not do what the workload asks: the sample is reported, not counted."""


def fail(reason):
    raise Failed(reason)
