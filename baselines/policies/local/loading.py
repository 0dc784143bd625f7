"""Load models and tokenizers with transformers; .gguf files are converted to folders first."""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from baselines.policies.local.damage import (
    BadModelError,
    expect_complete,
    expect_finite,
    expect_template,
    reading,
)
from baselines.policies.local.remote_code import is_trusted

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def converted_gguf(path: Path) -> Path:
    """Return the Hugging Face folder of a .gguf file, which is converted on first use.

    Args:
        path: A .gguf file with weights and tokenizer of an architecture transformers can read.

    Returns:
        A folder in the cache of the user. Its name contains size and hash of the file, so a
        different file of the same name is converted again.

    Raises:
        FileNotFoundError: If there is no such file.
        ImportError: If the package gguf is missing.
    """
    if not path.is_file():
        raise FileNotFoundError(f"a .gguf policy must be a file, got {str(path)!r}; check the path")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    folder = _cache_folder() / f"{path.stem}-{path.stat().st_size}-{digest[:16]}"
    if folder.is_dir():
        return folder
    try:
        import gguf  # noqa: F401  transformers needs it; its own error is less clear
    except ImportError as error:
        raise ImportError(
            f"a .gguf policy must be read with the package gguf, got {str(path)!r} without it; "
            f"pip install gguf"
        ) from error
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Written to a temporary folder and renamed, so that no process sees an incomplete one.
    partial = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f"{folder.name}."))
    try:
        _convert_gguf(path, partial)
        try:
            partial.rename(folder)
        except OSError:
            if not folder.is_dir():  # else another process has created it
                raise
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return folder


def _convert_gguf(path: Path, folder: Path) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    # from_pretrained(gguf_file=...) would need accelerate, and return a model with a flag that
    # forbids training and saving it. Its progress bar ignores all settings, hence the redirect.
    with quiet_transformers(), contextlib.redirect_stderr(io.StringIO()):
        config = AutoConfig.from_pretrained(path.parent, gguf_file=path.name)
        tokenizer = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
        with torch.random.fork_rng(devices=[]):  # random weights, all of which are replaced
            model = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
                config, dtype=torch.float32
            )
        checkpoint = load_gguf_checkpoint(  # type: ignore[no-untyped-call]
            str(path), return_tensors=True, model_to_load=model
        )
        loaded = model.load_state_dict(checkpoint["tensors"], strict=False)
        model.tie_weights()
        missing = sorted(set(loaded.missing_keys) - set(model.all_tied_weights_keys))
        if missing:
            raise ValueError(
                f"a .gguf policy must hold every weight of {type(model).__name__}, got none for "
                f"{missing[:3]} in {str(path)!r}; convert it to a Hugging Face folder and pass that"
            )
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ccpo"


def load_model(source: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Return a model in float32, or quantised as in its config, and its tokenizer.

    Args:
        source: A Hugging Face folder, or a hub name; a copy in the local cache takes precedence.

    Raises:
        FileNotFoundError: If it is neither a folder nor in the cache nor on the hub.
        ValueError: If a file is damaged or missing, weights are missing or not finite, the chat
            template does not render, or it has code of its own that is not trusted.
    """
    failure: OSError | None = None
    with quiet_transformers(), reading("a model", source):
        for is_local in (True, False):  # a cached model needs no network access
            try:
                model, tokenizer = _from_pretrained(source, is_local=is_local)
            except OSError as error:
                if Path(source).is_dir():
                    raise
                failure = error
            else:
                expect_finite(model.state_dict(), source)
                expect_template(tokenizer, source)
                return model, tokenizer
    raise FileNotFoundError(
        f"a model must be a Hugging Face folder or a name that the hub or its local cache knows, "
        f"got {source!r}; check the name and the network, or download the model "
        f"(hf download {source}) and pass its folder"
    ) from failure


def _from_pretrained(
    source: str, *, is_local: bool
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    # Without the flag, transformers would ask on the terminal, and take the answer from a pipe.
    where = {"local_files_only": is_local, "trust_remote_code": is_trusted()}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source, **where)
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            source, dtype=torch.float32, output_loading_info=True, **where
        )  # a pair, as its information is asked for
    except ValueError as error:
        if "trust_remote_code" not in str(error):
            raise
        raise BadModelError(
            f"a model must not need code of its own unless you trust it, got {source!r}, which "
            f"has some; read that code, then pass --trust-remote-code"
        ) from error
    # transformers would draw them at random, and say so in a log only.
    model, found = loaded
    expect_complete(found["missing_keys"], source)
    return model, tokenizer


@contextlib.contextmanager
def quiet_transformers() -> Iterator[None]:
    """Disable the log messages and progress bars of transformers; errors are still raised."""
    from transformers.utils import logging

    verbosity, had_bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if had_bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]
