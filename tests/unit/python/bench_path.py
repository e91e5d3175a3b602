"""Makes the scripts of bench/ importable, as they import each other: by bare names.

In:  nothing.  Out: sys.path.  Not here: tests.
"""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
for folder in ("models", "peers"):
    if str(ROOT / "bench" / folder) not in sys.path:
        sys.path.append(str(ROOT / "bench" / folder))
