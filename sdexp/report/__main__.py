"""So that `python -m sdexp.report` works for a package."""

import sys

from sdexp.report.door import main

sys.exit(main())
