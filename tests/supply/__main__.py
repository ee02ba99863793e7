"""python -m tests.supply licences|audit"""

from __future__ import annotations

import argparse
import sys

from tests.supply.audit import audit
from tests.supply.licences import NOTICE, notice


def main() -> int:
    """Do one of them; exit status 1 where a vulnerability is known."""
    parser = argparse.ArgumentParser(prog="python -m tests.supply", description=__doc__)
    parser.add_argument("action", choices=("licences", "audit"))
    if parser.parse_args().action == "audit":
        return audit()
    NOTICE.write_text(notice(NOTICE.read_text("utf-8")), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
