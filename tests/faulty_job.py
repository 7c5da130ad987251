"""The real job of a sweep, whose workers have a fault planted by their seed."""

import sys

from sdexp import job, launch

if __name__ == "__main__":
    launch.WORKER = "tests.faulty_worker"
    sys.exit(job.main())
