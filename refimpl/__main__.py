"""`python -m refimpl` is `node-contract`."""

import sys

from refimpl.commands import main

sys.exit(main())
