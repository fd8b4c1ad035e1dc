"""`python -m bloodcell`."""

import sys

from bloodcell.command_line import main
from bloodcell.devices.threads import spin_briefly

spin_briefly()
sys.exit(main())
