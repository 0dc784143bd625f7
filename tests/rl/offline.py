"""Terminate a process that uses the network, as sitecustomize or in front of a module to run.

``python -m tests.rl.offline baselines.train --steps 1`` trains.
"""

import os
import runpy
import sys

BLOCKED = 97
"""Exit code of a process that used the network."""


def block(event: str, arguments: tuple[object, ...]) -> None:
    if event == "socket.getaddrinfo" or event.startswith("socket.gethostby"):
        found = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        found = arguments[1]
    else:
        return
    os.write(2, f"network: {event} {found}\n".encode())
    os._exit(BLOCKED)


if __name__ in ("__main__", "sitecustomize"):
    sys.addaudithook(block)
if __name__ == "__main__":
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
