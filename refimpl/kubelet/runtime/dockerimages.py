"""Images of a Docker Engine: what is there, what has to be pulled, and the one that is made on the spot.

Source: kubelet 1.20 `images/image_manager.go` (`EnsureImageExists`).
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from refimpl.kubelet.runtime import pauseimage
from refimpl.kubelet.runtime.base import Image, StartFailure
from refimpl.kubelet.runtime.dockerspec import image_facts, name_and_tag
from refimpl.kubelet.runtime.engineapi import Engine, EngineError


class DockerImages:
    """The images of one engine.

    Args:
        engine: the engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.listed: Sequence[Image] = ()

    async def refresh(self) -> None:
        """Lists the images; where nothing changed the list stays the same object.

        Raises:
            EngineError, RuntimeUnavailable: see `Engine.send`.
        """
        found = [image_facts(entry) for entry in await self._engine.get("/images/json")]
        ordered = tuple(sorted(found, key=lambda image: image.names))
        if ordered != self.listed:
            self.listed = ordered

    async def ensure(self, image: str, policy: str) -> bool:
        """Sees to it that an image is on the node, by the pull policy; whether it was pulled.

        Args:
            image: as in the pod's spec.
            policy: `Always`, `IfNotPresent` or `Never`.

        Raises:
            StartFailure: it is not, and cannot be had.
            RuntimeUnavailable: the engine does not answer.
        """
        present = policy != "Always" and await self._is_present(image)
        if present:
            return False
        if policy == "Never":
            raise StartFailure(
                "ErrImageNeverPull", f'Container image "{image}" is not present with pull policy of Never'
            )
        await self._pull(image)
        await self.refresh()
        return True

    async def make_pause(self) -> None:
        """Makes the image of sandboxes, unless it is there.

        Raises:
            StartFailure: there is no such program for this processor.
            EngineError, RuntimeUnavailable: see `Engine.send`.
        """
        if await self._is_present(pauseimage.IMAGE):
            return
        processor = (await self._engine.get("/info"))["Architecture"]
        content = pauseimage.program(processor)
        if content is None:
            raise StartFailure("CreatePodSandboxError", f"no built-in sandbox program for {processor}: name an image")
        name, tag = name_and_tag(pauseimage.IMAGE)
        query = {"fromSrc": "-", "repo": name, "tag": tag, "changes": 'ENTRYPOINT ["/pause"]'}
        await self._engine.send("POST", "/images/create", query, pauseimage.archive(content))

    async def _is_present(self, image: str) -> bool:
        try:
            await self._engine.get(f"/images/{image}/json")
        except EngineError as error:
            if error.status == 404:
                return False
            raise StartFailure("ImageInspectError", f'Failed to inspect image "{image}": {error}') from error
        return True

    async def _pull(self, image: str) -> None:
        name, tag = name_and_tag(image)
        try:
            async for progress in self._engine.lines("POST", "/images/create", {"fromImage": name, "tag": tag}):
                if progress and progress.get("error"):
                    raise StartFailure("ErrImagePull", f"rpc error: code = Unknown desc = {progress['error']}")
        except EngineError as error:
            text = f"rpc error: code = Unknown desc = Error response from daemon: {error}"
            raise StartFailure("ErrImagePull", text) from error
        except json.JSONDecodeError as error:
            raise StartFailure("ErrImagePull", f'pulling "{image}": {error}') from error
