"""The server under the rights of a plain user, also where root starts it.

python -m tests.faults.plain_user [options of `serve`]
"""

import ctypes
import os
import sys

PR_CAPBSET_DROP = 24
CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH = 1, 2  # to write and read what permissions forbid

if __name__ == "__main__":
    for capability in (CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    os.execv(sys.executable, [sys.executable, "app.py", *sys.argv[1:]])
