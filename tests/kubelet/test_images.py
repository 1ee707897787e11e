"""Images that cannot be had keep a pod waiting, each in its own words."""

import asyncio

import pytest

from refimpl.kubelet.runtime import images
from tests.kubelet.kubelet_master import Master, make_kubelet, running


@pytest.mark.parametrize(
    "image", ["pause", "busybox:1.36", "registry.k8s.io/pause:3.9", "localhost:5000/a/b-c__d@sha256:" + "0" * 64]
)
def test_images_of_registries_that_may_exist_are_on_the_node(image):
    assert images.refusal({"image": image}) is None
    assert images.refusal({"image": image, "imagePullPolicy": "Never"}) is None


@pytest.mark.parametrize(
    ("image", "policy", "reason"),
    [
        ("registry.invalid/none", "Always", "ErrImagePull"),
        ("registry.invalid:5000/none", "IfNotPresent", "ErrImagePull"),
        ("registry.invalid/none", "Never", "ErrImageNeverPull"),
        ("UPPER/Case", "Always", "InvalidImageName"),
        ("", "Always", "InvalidImageName"),
    ],
)
def test_other_images_are_refused(image, policy, reason):
    refused = images.refusal({"image": image, "imagePullPolicy": policy})
    assert refused is not None
    assert refused.reason == reason


async def test_a_pod_with_an_image_from_nowhere_stays_pending_and_backs_off(master: Master):
    async with running(make_kubelet(master)):
        await asyncio.sleep(5)
        await master.bind(containers=[{"name": "c1", "image": "registry.invalid/none"}])
        await asyncio.sleep(0.5)
        first = (await master.pod())["status"]
        await asyncio.sleep(5)
        later = (await master.pod())["status"]
    reasons = [status["containerStatuses"][0]["state"]["waiting"]["reason"] for status in (first, later)]
    assert reasons == ["ErrImagePull", "ImagePullBackOff"]
    assert later["phase"] == "Pending"
