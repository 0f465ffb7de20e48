"""Start GPEN WebUI: `python app.py` serves the page; `python app.py restore ...` and so on."""

import sys

from gpen_webui.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
