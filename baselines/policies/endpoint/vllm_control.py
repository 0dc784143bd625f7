"""Control requests to a vLLM server: its settings, its weights and its adapters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from baselines.policies.endpoint.address import EndpointConfig
from baselines.policies.endpoint.client import EndpointClient, EndpointError, talk_once
from baselines.policies.endpoint.wire import BadAnswerError, JsonObject, as_list, as_object, parsed

RELOAD = {"method": "reload_weights"}
"""Request that makes every worker reload its weights."""
RELOAD_PATH, RESET_PATH = "/collective_rpc", "/reset_prefix_cache"
LOAD_PATH, UNLOAD_PATH = "/v1/load_lora_adapter", "/v1/unload_lora_adapter"
SETTINGS_PATH, DIGESTS_PATH = "/server_info", "/weight_checker"
MOST_RETRIES = 2
"""Retries of a control request: few, because all processes wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Settings that a server reports; None: it does not.

    Args:
        paths: Paths of its API.
        dtype: Data type of its weights, such as "float32".
        device: Type of its device, such as "cpu".
        max_lora_rank: Largest rank of an adapter; 0: it loads no adapters.
        chunk_tokens: Tokens of a scheduler step, at which prompts are split; 0: they never are.
    """

    paths: frozenset[str] | None = None
    dtype: str | None = None
    device: str | None = None
    max_lora_rank: int | None = None
    chunk_tokens: int | None = None

    def has(self, path: str) -> bool:
        """Return whether the API has a path, as far as is known."""
        return self.paths is None or path in self.paths


class VLLMControl:
    """Controls a vLLM server that runs with VLLM_SERVER_DEV_MODE=1, for private networks only.

    Every method raises EndpointError if a request fails.
    """

    def __init__(self, config: EndpointConfig) -> None:
        scheme, host, *_ = urlsplit(config.url)
        self.url = urlunsplit((scheme, host, "", "", ""))
        retries = min(config.retries, MOST_RETRIES)
        self._config = replace(config, url=self.url, retries=retries)

    def settings(self) -> ServerSettings:
        """Return the settings of the server, as far as it reports them."""
        try:
            paths = frozenset(as_object(self._get("/openapi.json").get("paths"), "its paths"))
        except EndpointError:  # a server can be started without a description of its API
            return ServerSettings()
        if SETTINGS_PATH not in paths:
            return ServerSettings(paths=paths)
        found = self._get(f"{SETTINGS_PATH}?config_format=json").get("vllm_config")
        config = found if isinstance(found, dict) else {}
        names = ("model_config", "device_config", "scheduler_config", "lora_config")
        model, device, scheduler, lora = (config.get(name) or {} for name in names)
        chunk = scheduler.get("max_num_batched_tokens")
        return ServerSettings(
            paths=paths,
            dtype=str(model.get("dtype", "")).removeprefix("torch.") or None,
            device=device.get("device"),
            max_lora_rank=lora.get("max_lora_rank", 0),
            chunk_tokens=chunk if scheduler.get("enable_chunked_prefill") else 0,
        )

    def adapters(self) -> dict[str, str]:
        """Return the folder of each loaded adapter, by its name."""
        return {name: root for name, root in self._models().items() if root is not None}

    def bases(self) -> list[str]:
        """Return the names of the served models that are no adapters."""
        return [name for name, root in self._models().items() if root is None]

    def reload(self) -> None:
        """Reload the weights from the folder that the server was started from."""
        self._post(RELOAD_PATH, RELOAD)

    def load_adapter(self, name: str, folder: Path) -> None:
        """Load an adapter under a new name.

        Note: `load_inplace` is never used: a server reads the folder of such an adapter again at
            every step, and ends if it was deleted.
        """
        self._post(LOAD_PATH, {"lora_name": name, "lora_path": str(folder)})

    def unload_adapter(self, name: str) -> None:
        """Unload an adapter."""
        self._post(UNLOAD_PATH, {"lora_name": name})

    def reset_cache(self) -> None:
        """Reset the prefix cache, which holds values of earlier weights."""
        self._post(RESET_PATH, {}, read=_read_reset)

    def digests(self) -> dict[str, str]:
        """Return the SHA-256 of the bytes of each tensor, by its name in the model."""
        body = self._send("POST", DIGESTS_PATH, {"action": "checksum"}, _read_object)
        found = as_object(body.get("checksums"), "checksums")
        # Such as dp0:pp0:pcp0:tp0:lm_head.weight; layers that take adapters are wrapped.
        names = {name: name.rpartition(":")[2].replace(".base_layer.", ".") for name in found}
        return {names[name]: str(digest) for name, digest in found.items()}

    def _models(self) -> dict[str, str | None]:
        listed = as_list(self._get("/v1/models").get("data"), "data")
        cards = [as_object(card, "a model") for card in listed]
        return {str(c.get("id")): str(c.get("root")) if c.get("parent") else None for c in cards}

    def _get(self, path: str) -> JsonObject:
        return self._send("GET", path, None, _read_object)

    def _post(
        self, path: str, body: JsonObject, *, read: Callable[[bytes], JsonObject] | None = None
    ) -> None:
        self._send("POST", path, body, read or (lambda _: {}))

    def _send(
        self,
        method: str,
        path: str,
        body: JsonObject | None,
        read: Callable[[bytes], JsonObject],
    ) -> JsonObject:
        async def send(client: EndpointClient) -> JsonObject:
            return await client.send(method, path, body, read)

        return talk_once(self._config, send)


def _read_object(body: bytes) -> JsonObject:
    return as_object(parsed(body), "the answer")


def _read_reset(body: bytes) -> JsonObject:
    """Raise BadAnswerError, after which the request is sent again, if blocks were in use."""
    if body.strip() and not _read_object(body).get("success", True):
        raise BadAnswerError("the prefix cache must be reset, got blocks that are in use")
    return {}
