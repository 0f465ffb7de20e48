"""The one entry to OpenVINO of this process, kept until its end.

OpenVINO gives the thread that first uses the CPU a stack for signal handlers, and unmaps it with
the last user of that core, in whichever thread that is. A signal to the first thread (Ctrl-C, a
polite end) then kills the process. So there is one core, and no engine's end is the core's.
"""

import openvino as ov

CORE = ov.Core()
