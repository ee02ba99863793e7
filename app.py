"""Open the page: `python app.py [--workspace DIR] [--host H] [--port P] [--device cpu|cuda] ...`."""

import sys

from app.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
