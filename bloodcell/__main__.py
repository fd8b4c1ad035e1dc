"""`python -m bloodcell`."""

import sys

from bloodcell.command_line import main

sys.exit(main())
