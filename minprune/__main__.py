"""`python -m minprune`: the same as the command `minprune`."""

import sys

from minprune.cli import main

sys.exit(main())
