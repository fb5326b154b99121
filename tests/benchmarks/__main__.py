"""Every measurement, one after the other: `make bench`. Words after `--data` name a folder with real data."""

import sys

from tests.benchmarks import calibration, detection, leave_one_out, million, never_worse, real, speed

if __name__ == "__main__":
    detection.main([])
    leave_one_out.main([])
    speed.main([])
    million.main([])
    calibration.main([])
    never_worse.main(sys.argv[1:])
    real.main(sys.argv[1:])
