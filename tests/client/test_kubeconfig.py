"""Reading kubeconfigs, and saying what is wrong with them."""

import base64
import re

import pytest
import yaml

from refimpl.client.kubeconfig import Access, load


def write(path, **changes):
    content = {
        "current-context": "one",
        "contexts": [
            {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "ns"}},
            {"name": "two", "context": {"cluster": "c", "user": "files"}},
        ],
        "clusters": [
            {
                "name": "c",
                "cluster": {
                    "server": "https://127.0.0.1:6443/",
                    "certificate-authority-data": base64.b64encode(b"CA").decode(),
                },
            }
        ],
        "users": [
            {"name": "u", "user": {"token": "secret"}},
            {"name": "files", "user": {"client-certificate": "crt.pem", "client-key": "key.pem"}},
        ],
    }
    content.update(changes)
    file = path / "config"
    file.write_text(yaml.safe_dump(content))
    return file


def user(entry):
    return [{"name": "u", "user": entry}]


def cluster(entry):
    return [{"name": "c", "cluster": entry}]


def test_the_current_context_is_the_default(tmp_path):
    access = load(write(tmp_path))
    assert access == Access("https://127.0.0.1:6443", ca=b"CA", token="secret", namespace="ns")


def test_files_are_found_beside_the_kubeconfig(tmp_path):
    (tmp_path / "crt.pem").write_bytes(b"CRT")
    (tmp_path / "key.pem").write_bytes(b"KEY")
    access = load(write(tmp_path), "two")
    assert (access.client_certificate, access.client_key) == (b"CRT", b"KEY")


def test_a_token_file_is_named_not_read(tmp_path):
    assert load(write(tmp_path, users=user({"tokenFile": "t"}))).token_file == tmp_path / "t"


def test_secrets_do_not_appear_in_the_representation(tmp_path):
    assert "secret" not in repr(load(write(tmp_path)))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"current-context": ""}, "no current-context is set"),
        ({"current-context": "x"}, 'no context "x" (there are: one, two)'),
        ({"clusters": []}, 'no cluster "c" (there are: none)'),
        ({"users": []}, 'no user "u" (there are: none)'),
        ({"clusters": cluster({"server": "127.0.0.1"})}, 'cluster "c": server must be an http or https URL'),
        (
            {"clusters": cluster({"server": "https://h", "certificate-authority": "no.pem"})},
            'cluster "c": certificate-authority no.pem: No such file',
        ),
        ({"users": user({"client-key-data": "!"})}, 'user "u": client-key-data is not base64'),
        (
            {"users": user({"client-key-data": "QQ=="})},
            'user "u": client-certificate and client-key must come together',
        ),
        ({"users": user({"exec": {"command": "x"}})}, 'user "u": exec is not supported'),
    ],
)
def test_what_is_wrong_is_named_with_file_and_entry(tmp_path, changes, expected):
    file = write(tmp_path, **changes)
    with pytest.raises(ValueError, match=re.escape(expected)) as failure:
        load(file)
    assert str(failure.value).startswith(f"{file}: ")


@pytest.mark.parametrize("content", ["[1", "- a", ""])
def test_a_file_that_is_no_kubeconfig_is_named(tmp_path, content):
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(ValueError, match="config: is not"):
        load(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere: cannot be read: No such file"):
        load(tmp_path / "nowhere")
