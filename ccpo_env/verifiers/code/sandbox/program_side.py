"""The program under test: run, then called by name, one call a line."""

from __future__ import annotations

import sys
from types import ModuleType

from ccpo_env.verifiers.code.sandbox import sources
from ccpo_env.verifiers.code.sandbox.wire import BadMessage, Json, Lines, NotPlain, decode, encode

MODULE = "program"
MAX_REASON_CHARS = 500


class _Objects:
    """Objects that are no plain values: they stay here, and the tests refer to them by number."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module
        self._kept: list[object] = []

    def refer(self, value: object) -> Json:
        self._kept.append(value)
        return {"callable" if callable(value) else "object": len(self._kept) - 1}

    def resolve(self, kind: str, content: object) -> object:
        if kind == "object" and isinstance(content, int):
            return self._kept[content]
        if kind == "name" and isinstance(content, str):
            return getattr(self._module, content)
        if kind == "attribute" and isinstance(content, str):
            return lambda kept: getattr(kept, content)
        raise NotPlain(f"a reference must be an object, a name or an attribute, got {kind!r}")


def serve(lines: Lines) -> None:
    """Run the program of the first message, then answer calls until the tests end.

    Nothing here is trusted: a program may change this process and send what it likes.
    """
    hello = lines.receive()
    module = ModuleType(MODULE)
    texts, is_complete = sources.readings(
        str(hello["text"]), str(hello["question_code"]), set(map(str, _list(hello["names"])))
    )
    if not is_complete and not hello["fenced"]:
        lines.send({"no_program": True})
        return
    for name in [name for name in sys.modules if name.partition(".")[0] == "ccpo_env"]:
        del sys.modules[name]
    sys.modules[MODULE] = module
    sys.argv = [""]
    objects = _Objects(module)
    try:
        for text in texts:
            exec(compile(text, f"<{MODULE}>", "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        lines.send(_raised(error))
        return
    lines.send({"ready": True})
    while True:
        try:
            call = lines.receive()
        except BadMessage:
            return  # the tests have ended
        try:
            arguments = [decode(item, objects.resolve) for item in _list(call["arguments"])]
            named = decode(call["named"], objects.resolve)
            function = decode(call["function"], objects.resolve)
            if not callable(function) or not isinstance(named, dict):
                raise TypeError(f"{call['function']} is not callable")
            value = function(*arguments, **named)
            lines.send({"value": encode(value, objects.refer)})
        except BaseException as error:
            lines.send(_raised(error))


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _raised(error: BaseException) -> dict[str, Json]:
    """Return an exception as the name of its first built-in class and its text."""
    kinds = (kind.__name__ for kind in type(error).__mro__ if kind.__module__ == "builtins")
    try:
        only = error.args[0] if len(error.args) == 1 else error  # a KeyError quotes its text
        reason = str(only)[:MAX_REASON_CHARS]
    except BaseException:
        reason = ""
    return {"raised": next(kinds), "reason": reason}
