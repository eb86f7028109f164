"""python -m zhiyin."""

from __future__ import annotations

from zhiyin.cli import main

if __name__ == "__main__":
    main()
