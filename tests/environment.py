"""A worker that only writes down what it was told about its memory."""

import os
import sys
from pathlib import Path

(Path(sys.argv[1]) / "environment").write_text(os.environ["GLIBC_TUNABLES"])
