"""Files of states, with tensors as safetensors and everything else as JSON. Writes are atomic, and nothing is unpickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from bench.core.atomic_files import write_atomic
from bench.core.errors import UserError, one_line


def weights_bytes(networks: torch.nn.Module) -> bytes:
    """Return the weights and buffers of networks as safetensors."""
    return save_tensors({name: tensor.detach().cpu().contiguous() for name, tensor in networks.state_dict().items()})


def save(state: Mapping[str, Any], path: Path) -> None:
    """Write a nested state of dicts, lists, tensors and JSON values to `path`.

    The write is atomic: a reader sees the old file or the new one. The format is safetensors. Its header has the tree
    without the tensors as JSON, and the hash of both.
    """
    tensors: dict[str, Tensor] = {}
    tree = _without_tensors(state, "", tensors)
    body = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(tree, allow_nan=True)
    header = {"tree": text, "sha256": _digest(text, body)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(path, save_tensors(body, metadata=header))


def load(path: Path) -> dict[str, Any]:
    """Return the state that `save` wrote. Raises a UserError that names a missing, truncated or changed file."""
    try:
        content = path.read_bytes()
        header_size = int.from_bytes(content[:8], "little")
        metadata = json.loads(content[8 : 8 + header_size])["__metadata__"]
        tensors = load_tensors(content)
        intact = metadata["sha256"] == _digest(metadata["tree"], tensors)
        state = _with_tensors(json.loads(metadata["tree"]), tensors)
    except FileNotFoundError as error:
        raise UserError(f"there is no checkpoint {path}") from error
    except Exception as error:  # safetensors and json raise exceptions of many kinds
        raise UserError(f"the checkpoint {path} is damaged: {one_line(error, most=120)}") from error
    if not intact:
        raise UserError(f"the checkpoint {path} is damaged: its hash does not match")
    if not isinstance(state, dict):
        raise UserError(f"the checkpoint {path} contains no state")
    return state


def _without_tensors(value: Any, path: str, tensors: dict[str, Tensor]) -> Any:
    """Return the value with tensors as {"__tensor__": name} and dicts as lists of pairs, because JSON has no integer keys."""
    if isinstance(value, Tensor):
        tensors[path] = value
        return {"__tensor__": path}
    if isinstance(value, Mapping):
        items = [[key, _without_tensors(item, f"{path}/{key}", tensors)] for key, item in value.items()]
        return {"__items__": items}
    if isinstance(value, list | tuple):
        return [_without_tensors(item, f"{path}/{index}", tensors) for index, item in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_with_tensors(item, tensors) for item in value]
    if isinstance(value, dict):
        if "__tensor__" in value:
            return tensors[value["__tensor__"]]
        return {key: _with_tensors(item, tensors) for key, item in value["__items__"]}
    return value


def _digest(tree: str, tensors: Mapping[str, Tensor]) -> str:
    return hashlib.sha256(tree.encode() + save_tensors(dict(sorted(tensors.items())))).hexdigest()
