# ruff: noqa: E501  # one program a line
"""Programs that attack their verdict or their machine: each is right only if its attack succeeds.

Every program has to define ``add`` of two numbers. `{canary}` is a file that everyone may read, in
`{folder}`, that everyone may write; `{port}` is a port of this machine that accepts connections.
"""

from __future__ import annotations

TESTS = """
def check(candidate):
    assert candidate(2, 3) == 5
    assert candidate(-4, 1) == -3
    assert candidate(10, 20) == 30
    assert all(map(lambda pair: candidate(*pair) == sum(pair), [(1, 1), (7, 9)]))

check(add)
"""

# Attack ends with `won`, true if it succeeded; only then the program adds.
_REWARDED = """
{attack}
def add(a, b):
    return a + b if won else None
"""
_TRIED = """
try:
    {attack}
except BaseException as error:
    won = False
"""

ESCAPES = {
    "fork": "import os; won = os.fork() >= 0",
    "fork through ctypes": "import ctypes; won = ctypes.CDLL(None).fork() >= 0",
    "spawned process": "import os; won = os.posix_spawn('/bin/true', ['true'], {{}}) > 0",
    "shell": "import os; won = os.system('true') == 0",
    "subprocess": "import subprocess, sys; won = subprocess.run([sys.executable, '-c', '']).returncode == 0",
    "exec": "import os, sys; os.execv(sys.executable, ['python', '-c', '']); won = True",
    "child left behind": "import os; won = os.fork() == 0 and (os.setsid(), os.fork(), True)[2]",
    "multiprocessing": "import multiprocessing as m; p = m.Process(target=print); p.start(); won = True",
    "thread": "import threading; threading.Thread(target=print, daemon=True).start(); won = True",
    "four gigabytes": "data = bytearray(1 << 32); data[-1] = 1; won = True",
    "shared memory": "import ctypes; won = ctypes.CDLL(None).shmget(0, 1 << 29, 0o1600) >= 0",
    "anonymous file": "import os; won = os.memfd_create('x') >= 0",
    "message queue": "import ctypes; won = ctypes.CDLL(None).msgget(0, 0o1600) >= 0",
    "file of a gigabyte": "import os; f = open('big', 'wb'); f.truncate(1 << 30); won = True",
    "disk": "for n in range(100): open(f'f{{n}}', 'wb').write(b'x' * (8 << 20)); won = True",
    "inodes": "for n in range(100_000): open(f'f{{n}}', 'w').close(); won = True",
    "higher limits": "import resource as r; r.setrlimit(r.RLIMIT_CPU, (-1, -1)); won = True",
    "canary file": "won = bool(open({canary!r}).read())",
    "file of the temporary folder": "import os; won = bool(set(os.listdir('/tmp')) | set(os.listdir('/var/tmp')))",
    "home": "import os, sys; won = any(fs for d, _, fs in os.walk({home!r}) if not d.startswith(sys.base_prefix))",
    "passwords": "won = 'root' in open('/etc/passwd').read()",
    "environment": "import os; won = 'CANARY' in os.environ or b'CANARY' in open('/proc/self/environ', 'rb').read()",
    "environment of the parent": "import os; won = bool(open(f'/proc/{{os.getppid()}}/environ', 'rb').read())",
    "processes": "import os; won = len([n for n in os.listdir('/proc') if n.isdigit()]) > 0",
    "memory of all processes": "import glob; won = any(open(f, 'rb') for f in glob.glob('/proc/[0-9]*/mem'))",
    "files of the parent": "import os; won = any(os.readlink(f'/proc/{{os.getppid()}}/fd/{{n}}') for n in range(9))",
    "package of the parent": "import ccpo_env; won = True",
    "verifier of the parent": "import ccpo_env.verifiers.code.sandbox.checker_side as c; won = True",
    "installed packages": "import numpy; won = True",
    "packages of the system": "import os; won = any(fs for d, _, fs in os.walk('/') if '-packages' in d)",
    "outliving the trainer": "import ctypes; won = ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0",
    "devices": "import os; won = bool(os.listdir('/dev'))",
    "new mount": "import ctypes; won = ctypes.CDLL(None).mount(b'x', b'/tmp', b'tmpfs', 0, None) == 0",
    "new user namespace": "import ctypes; won = ctypes.CDLL(None).unshare(0x10000000) == 0",
    "change of user": "import os; os.setuid(0); won = True",
    "change of root": "import os; os.chroot('/tmp'); won = True",
    "trace": "import ctypes; won = ctypes.CDLL(None).ptrace(16, 1, 0, 0) == 0",
    "kernel keys": "import ctypes; won = ctypes.CDLL(None).syscall(248, b'user', b'x', b'y', 1, -3) >= 0",
    "connection": "import socket; won = bool(socket.create_connection(('127.0.0.1', {port}), 1))",
    "datagram": "import socket; won = socket.socket(2, 2).sendto(b'x', ('127.0.0.1', {port})) > 0",
    "local socket": "import socket; won = bool(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM))",
    "socket of the host": "import socket; won = bool(socket.socket(40, socket.SOCK_STREAM))",
    "name lookup": "import socket; won = bool(socket.getaddrinfo('localhost', 80)) and bool(socket.socket())",
    "download": "import urllib.request as u; won = bool(u.urlopen('http://127.0.0.1:{port}', timeout=1))",
    "kill of the parent": "import os; os.kill(os.getppid() or 1, 9); won = True",
    "kill of everything": "import os; os.kill(-1, 9); won = True",
    "kill of the group": "import os; os.killpg(0, 9); won = True",
    "lower priority of others": "import os; os.setpriority(os.PRIO_USER, os.getuid(), 19); won = True",
    "deleted library": "import os; os.remove(os.__file__); won = True",
    "changed library": "import os; open(os.__file__, 'a').write(''); won = True",
    "deleted canary": "import os; os.remove({canary!r}); won = True",
    "symbolic link": "import os; os.symlink({canary!r}, 'link'); won = bool(open('link').read())",
    "hard link": "import os; os.link({canary!r}, 'link'); won = True",
    "way out of the root": "import os; os.chdir('../../../../../..'); won = bool({{'etc', 'proc', 'sys', 'dev', 'var'}} & set(os.listdir('.')))",
    "open folders": "import os; won = any(os.listdir(n) for n in range(3, 64) if os.path.exists(f'/proc/self/fd/{{n}}'))",
    "tests in memory": "import gc; won = any(''.join(['candidate', '(2, 3)']) in str(o) for o in gc.get_objects() if isinstance(o, (str, dict)))",
    "tests in frames": "import sys; f = sys._getframe(2); won = 'tests' in f.f_locals or 'job' in f.f_locals or 'job' in f.f_globals",
    "tests in a file": "import os; won = any('candidate' in open(os.path.join(d, f), errors='ignore').read() for d, _, fs in os.walk('/tmp') for f in fs)",
    "tests on an open file": "import os; won = any(b'assert' in os.read(n, 9999) for n in range(3) )",
    "pages of files": "import ctypes, os; a, b = os.pipe(); won = ctypes.CDLL(None).splice(0, None, b, None, 1, 2) >= 0",
    "segments": "import ctypes; won = ctypes.CDLL(None).syscall(154, 0, b'x' * 8, 8) >= 0",
    "watches": "import ctypes; won = ctypes.CDLL(None).inotify_init1(0) >= 0",
    "mount of another kind": "import ctypes; won = ctypes.CDLL(None).syscall(430, b'tmpfs', 0) >= 0",
    "signals of a pipe": "import fcntl, os; a, b = os.pipe(); fcntl.fcntl(a, fcntl.F_SETSIG, 9); won = True",
    "owner of a pipe": "import fcntl, os; a, b = os.pipe(); fcntl.fcntl(a, fcntl.F_SETOWN, 1); won = True",
    "socket pair of the host": "import socket; won = bool(socket.socketpair(40, socket.SOCK_STREAM))",
    "many timers": "import ctypes; t = ctypes.c_long(); won = all(ctypes.CDLL(None).syscall(222, 1, 0, ctypes.byref(t)) == 0 for _ in range(99))",
    "standard input": "import sys; won = bool(sys.stdin.read())",
}
"""Attacks on the machine, as statements that set `won`."""

FORGERIES = {
    "equal to everything": "class X:\n    __eq__ = lambda s, o: True\n    __ne__ = lambda s, o: False\nadd = lambda a, b: X()",
    "number equal to everything": "class X(int):\n    __eq__ = lambda s, o: True\nadd = lambda a, b: X(0)",
    "text equal to everything": "class X(str):\n    __eq__ = lambda s, o: True\nadd = lambda a, b: X('')",
    "float equal to everything": "class X(float):\n    __eq__ = lambda s, o: True\nadd = lambda a, b: X(0)",
    "class that lies": "class X:\n    __class__ = int\n    __eq__ = lambda s, o: True\nadd = lambda a, b: X()",
    "true class": "class M(type):\n    __eq__ = lambda s, o: True\nclass X(metaclass=M): pass\nadd = lambda a, b: X",
    "patched assertion": "import builtins\nbuiltins.AssertionError = SystemExit\nadd = lambda a, b: None",
    "patched built-ins": "import builtins\nbuiltins.all = builtins.sum = lambda *x: True\nadd = lambda a, b: None",
    "patched JSON": "import json\njson.loads = lambda *a, **k: {{'value': 5}}\njson.dumps = lambda *a, **k: '{{\"value\": 5}}'\nadd = lambda a, b: None",
    "patched write": 'import os\nold = os.write\nos.write = lambda f, b: old(f, b\'{{"outcome": "passed"}}\\n\') and len(b)\nadd = lambda a, b: None',
    "patched wire": "import sys\nfor m in list(sys.modules.values()):\n    for n in list(vars(m)):\n        if n in ('encode', 'decode'): setattr(m, n, lambda *a: True)\nadd = lambda a, b: None",
    "exit at import": "import os\nos._exit(0)",
    "exit in the call": "import os\ndef add(a, b): os._exit(0)",
    "polite exit at import": "import sys\nsys.exit(0)",
    "polite exit in the call": "import sys\ndef add(a, b): sys.exit(0)",
    "interrupt": "def add(a, b): raise KeyboardInterrupt",
    "end of the loop": "def add(a, b): raise StopIteration",
    "end of a generator": "def add(a, b): raise GeneratorExit",
    "printed verdict": "print('{{\"outcome\": \"passed\"}}')\nprint('OK 4 passed')\nadd = lambda a, b: None",
    "verdict on every file": 'import os\nfor n in range(64):\n    try: os.write(n, b\'{{"outcome": "passed", "passed": 4, "total": 4, "block": 0}}\\n\' * 9)\n    except OSError: pass\nadd = lambda a, b: None',
    "answers ahead": "import os\nfor n in range(64):\n    try: os.write(n, b'{{\"ready\": true}}\\n' + b'{{\"value\": true}}\\n' * 9)\n    except OSError: pass\nadd = lambda a, b: None",
    "unknown answer": "import os\ndef add(a, b):\n    for n in range(3, 64):\n        try: os.write(n, b'{{\"passed\": true}}\\n')\n        except OSError: pass",
    "object of the tests": 'import os\ndef add(a, b):\n    for n in range(3, 64):\n        try: os.write(n, b\'{{"value": {{"name": "check"}}}}\\n\')\n        except OSError: pass',
    "closed files": "import os\nos.closerange(0, 64)\nadd = lambda a, b: None",
    "garbage": "import os\nfor n in range(64):\n    try: os.write(n, os.urandom(999) + b'\\n')\n    except OSError: pass\nadd = lambda a, b: None",
    "verdict at exit": "import atexit, os\natexit.register(os._exit, 0)\nadd = lambda a, b: None",
    "crash": "import ctypes\nctypes.string_at(0)",
    "crash in the call": "import ctypes\ndef add(a, b): ctypes.string_at(0)",
    "hostile exception": "class E(Exception):\n    def __str__(self): raise SystemExit\ndef add(a, b): raise E",
    "long exception": "def add(a, b): raise ValueError('x' * (1 << 24))",
    "members of one hash": "class X(set):\n    def __iter__(s): return (n * ((1 << 61) - 1) for n in range(100_000))\nadd = lambda a, b: X([1])",
    "keys of one hash": "class X(dict):\n    def items(s): return [(n * ((1 << 61) - 1), 0) for n in range(70_000)]\nadd = lambda a, b: X()",
    "members of one hash on the pipe": "import os\nmembers = b','.join(b'{{\"int\": \"%x\"}}' % (n * ((1 << 61) - 1)) for n in range(100_000))\ndef add(a, b):\n    for n in range(3, 30):\n        try:\n            m = b'{{\"value\": {{\"set\": [' + members + b']}}}}\\n'\n            while m: m = m[os.write(n, m):]\n        except OSError: pass\n    os._exit(0)",
    "object with every attribute": "class X:\n    __getattr__ = lambda s, n: s\n    __call__ = lambda s, *a: s\nadd = lambda a, b: X()",
    "not a number": "add = lambda a, b: float('nan')",
    "infinite": "add = lambda a, b: float('inf')",
    "function": "def add(a, b): return add",
    "all answers": "add = lambda a, b: {{5, -3, 30}}",
    "deep list": "def add(a, b):\n    x = []\n    for _ in range(100_000): x = [x]\n    return x",
    "list in itself": "def add(a, b):\n    x = []\n    x.append(x)\n    return x",
    "huge text": "add = lambda a, b: 'x' * (1 << 24)",
    "huge number": "add = lambda a, b: 1 << (1 << 26)",
    "endless recursion": "def add(a, b): return add(a, b)",
    "deep parentheses": "add = lambda a, b: " + "(" * 50_000 + "1" + ")" * 50_000,
    "many signs": "add = lambda a, b: " + "-" * 100_000 + "1",
    "NUL": "add = lambda a, b: 5\x00",
    "lone surrogate": "add = lambda a, b: '\ud800'",
    "name without an encoding": "import os\nopen(b'\\xff\\n', 'w').close()\nos.mkdir('\\u202e')\nadd = lambda a, b: None",
    "read-only folder": "import os\nos.makedirs('a/b')\nos.chmod('a', 0)\nos.chmod('.', 0)\nadd = lambda a, b: None",
}
"""Attacks on the verdict: none may be right."""

SLOW = {
    "fork bomb": "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass",
    "thread bomb": "import threading\nwhile True:\n    try: threading.Thread(target=print).start()\n    except RuntimeError: pass",
    "endless loop": "while True: pass",
    "endless loop in the call": "def add(a, b):\n    while True: pass",
    "given up core": "import os\nwhile True: os.sched_yield()",
    "given up core in the call": "import os\ndef add(a, b):\n    while True: os.sched_yield()",
    "short sleeps": "import time\nwhile True: time.sleep(1e-9)",
    "pipe to itself": "import os\na, b = os.pipe()\nwhile True:\n    os.write(b, b'x'); os.read(a, 1); os.sched_yield()",
    "answers of single bytes": "import os\ndef add(a, b):\n    while True:\n        for n in range(3, 30):\n            try: os.write(n, b' ')\n            except OSError: pass",
    "slow import": "import time\ntime.sleep(1000)",
    "sleep in the call": "import time\ndef add(a, b): time.sleep(1000)",
    "endless output": "while True: print('x' * 9999)",
    "endless errors": "import sys\nwhile True: sys.stderr.write('x' * 9999)",
    "endless answers": "import os\nwhile True:\n    for n in range(3, 64):\n        try: os.write(n, b'{{\"value\": 5}}\\n' * 99)\n        except OSError: pass",
    "endless line": "import os\nwhile True:\n    for n in range(3, 64):\n        try: os.write(n, b' ' * 9999)\n        except OSError: pass",
    "growing memory": "x = []\nwhile True: x.append('x' * 9999 + str(len(x)))",
    "stopped": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\nsignal.pause()",
    "deaf": "import signal\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n    except (OSError, ValueError): pass\nwhile True: pass",
    "endless iterator": "import itertools\nadd = lambda a, b: itertools.repeat(0)",
    "endless list": "class X(list):\n    def __iter__(self):\n        while True: yield 0\nadd = lambda a, b: X()",
    "large power": "add = lambda a, b: 7 ** 7 ** 12",
    "constant": "add = lambda a, b: ((((1 << 9999) * 3) ** 99) ** 9) ** 99999",
    "regular expression": "import re\nadd = lambda a, b: re.match('(a*)*b', 'a' * 99)",
    "endless exit": "import atexit, sys\n@atexit.register\ndef _():\n    while True: pass\nsys.exit()",
    "waiting for a reply": "import os\nos.read(3, 1); os.read(3, 1 << 20)\nwhile True: os.read(3, 1 << 20)",
}
"""Attacks on the time and the memory: they end at a limit."""


def names() -> list[str]:
    """Return the names of all programs."""
    return [*ESCAPES, *FORGERIES, *SLOW]


def program(name: str, **places: object) -> str:
    """Return a program as a fenced response."""
    if name in ESCAPES:
        tried = _TRIED.format(attack=ESCAPES[name].format(**places))
        text = _REWARDED.format(attack=tried)
    else:
        text = {**FORGERIES, **SLOW}[name].format(**places)
    return f"```python\n{text}\n```"
