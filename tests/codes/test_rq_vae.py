"""RQ-VAE: nearest entries, gradients through the choice, restarts, and trainings that go on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from clairo import log
from clairo.codes import rq_vae_training
from clairo.codes.quantizer import relative_error
from clairo.codes.rq_vae import Network, RqVae
from clairo.codes.rq_vae_training import through
from clairo.errors import InputError

OPTIONS: dict[str, Any] = {
    "books": 2,
    "values": 8,
    "hidden": (16,),
    "latent": 6,
    "steps": 60,
    "start_share": 0.3,
    "batch_size": 32,
    "learning_rate": 0.01,
    "commitment": 0.25,
    "gradient": "rotation",
    "restart_every": 10,
    "seed": 5,
}


def cloud(n: int = 120, width: int = 10) -> NDArray[np.float32]:
    random = np.random.default_rng(3)
    middles = random.standard_normal((12, width)) * 4
    return (middles[random.integers(0, 12, n)] + random.standard_normal((n, width))).astype(np.float32)


def train(vectors: NDArray[np.float32], **changed: Any) -> RqVae:
    return rq_vae_training.train(vectors, **{**OPTIONS, **changed})


@pytest.mark.parametrize("gradient", ["rotation", "straight-through"])
def test_codes_are_the_nearest_entries_to_what_is_left(gradient: str) -> None:
    vectors = cloud()
    quantizer = train(vectors, gradient=gradient)
    codes = quantizer.encode(vectors)
    assert codes.shape == (120, 2)
    assert codes.dtype == np.uint32
    network = quantizer._network.double()
    with torch.no_grad():
        left = network.encode(torch.from_numpy(vectors).double()).numpy()
        whole = left.copy()
        for entries, column in zip(network.codebooks.numpy(), codes.T, strict=True):
            distances = ((left[:, None] - entries[None]) ** 2).sum(axis=2)
            chosen = distances[np.arange(120), column]
            np.testing.assert_allclose(chosen, distances.min(axis=1), rtol=1e-3, atol=1e-3)
            left = left - entries[column]
        decoded = network.decode(torch.from_numpy(whole - left)).numpy()
    network.float()
    np.testing.assert_allclose(quantizer.decode(codes), decoded, rtol=1e-3, atol=1e-3)
    error = relative_error(vectors, quantizer.decode(codes))
    assert quantizer.book_errors(vectors, codes)[-1] == pytest.approx(error)
    assert 0.01 < error < 0.5


def test_training_lessens_the_error() -> None:
    vectors = cloud()
    errors = [
        relative_error(vectors, q.decode(q.encode(vectors)))
        for q in (train(vectors, steps=2), train(vectors))
    ]
    assert errors[1] < 0.7 * errors[0]


def test_the_straight_way_hands_the_gradient_on() -> None:
    latent = torch.randn(5, 4, requires_grad=True)
    chosen, weights = torch.randn(5, 4), torch.randn(5, 4)
    made = through(latent, chosen, "straight-through")
    torch.testing.assert_close(made, chosen)
    (made * weights).sum().backward()  # type: ignore[no-untyped-call]
    torch.testing.assert_close(latent.grad, weights)


def test_the_rotation_turns_the_gradient_with_it() -> None:
    """Against the rotation in the plane of both vectors, written out from its angle."""
    generator = torch.Generator().manual_seed(0)
    latent = torch.randn(5, 4, dtype=torch.float64, generator=generator).requires_grad_()
    chosen, weights = (torch.randn(5, 4, dtype=torch.float64, generator=generator) for _ in range(2))
    made = through(latent, chosen, "rotation")
    torch.testing.assert_close(made, chosen)
    (made * weights).sum().backward()  # type: ignore[no-untyped-call]
    for row in range(5):
        source, target = (v[row].detach() / v[row].detach().norm() for v in (latent, chosen))
        side = target - (target @ source) * source
        side = side / side.norm()
        cosine, sine = target @ source, target @ side
        plane = torch.stack([source, side])
        turn = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=torch.float64)
        rotation = (
            torch.eye(4, dtype=torch.float64) + plane.T @ (turn - torch.eye(2, dtype=torch.float64)) @ plane
        )
        torch.testing.assert_close(rotation @ source, target)
        factor = chosen[row].norm() / latent[row].detach().norm()
        assert latent.grad is not None
        torch.testing.assert_close(latent.grad[row], factor * rotation.T @ weights[row])


def test_vectors_without_length_have_a_finite_gradient() -> None:
    latent = torch.zeros(2, 3, requires_grad=True)
    through(latent, torch.ones(2, 3), "rotation").sum().backward()  # type: ignore[no-untyped-call]
    assert latent.grad is not None
    assert latent.grad.isfinite().all()


def test_entries_that_none_uses_are_moved_to_vectors() -> None:
    vectors = torch.from_numpy(cloud())
    network = Network(10, (), 10, 2, 8)
    with torch.no_grad():
        network.codebooks[:] = 1e6
        network.codebooks[:, 0] = 0
    training = rq_vae_training._Training(vectors, network, 0.01, 10, 0)
    training.loss(vectors, 0.25, "rotation")
    assert (training.used > 0).sum(dim=1).tolist() == [1, 1]
    training.restart(vectors)
    assert (network.codebooks.abs() < 1e3).all()
    codes = network.nearest(network.encode(vectors))[0]
    assert len(np.unique(codes[:, 0].numpy())) > 4
    assert not training.used.any()


def test_threads_change_nothing_and_the_seed_decides() -> None:
    vectors, before, made = cloud(300, 40), torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(train(vectors))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    for one, two in zip(made[0]._network.parameters(), made[1]._network.parameters(), strict=True):
        assert torch.equal(one, two)
    assert (train(vectors, seed=6).encode(vectors) != made[0].encode(vectors)).any()


def test_the_generator_of_others_is_left_alone() -> None:
    torch.manual_seed(1)
    wanted = torch.rand(3)
    torch.manual_seed(1)
    train(cloud(), steps=3)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("stop", [9, 18, 40])
def test_an_interrupted_training_goes_on_to_the_same_end(
    stop: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped before, as and after the codebooks are filled (step 18)."""
    vectors, path = cloud(), tmp_path / "kept.pt"
    whole = train(vectors)
    monkeypatch.setattr(rq_vae_training, "_BETWEEN", 1)
    advance, calls = log.Step.advance, []

    def stopping(step: log.Step, n: int = 1, **info: Any) -> None:
        calls.append(n)
        if len(calls) == stop + 1:  # the first says how much was done before
            raise KeyboardInterrupt
        advance(step, n, **info)

    monkeypatch.setattr(log.Step, "advance", stopping)
    with pytest.raises(KeyboardInterrupt):
        train(vectors, checkpoint=path)
    assert torch.load(path, weights_only=True)["done"] == stop
    monkeypatch.setattr(log.Step, "advance", advance)
    resumed = train(vectors, checkpoint=path)
    for one, two in zip(whole._network.parameters(), resumed._network.parameters(), strict=True):
        assert torch.equal(one, two)
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.pt"]


def test_a_saved_quantizer_codes_later_items(tmp_path: Path) -> None:
    vectors = cloud()
    quantizer = train(vectors, hidden=(16, 9), steps=5)
    for name in ("one", "two"):
        quantizer.save(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    loaded = RqVae.load(tmp_path / "one")
    assert (loaded.width, loaded.books, loaded.values) == (10, 2, 8)
    np.testing.assert_array_equal(loaded.encode(vectors[::-1]), quantizer.encode(vectors[::-1]))
    np.testing.assert_array_equal(
        loaded.decode(loaded.encode(vectors)), quantizer.decode(quantizer.encode(vectors))
    )
    assert loaded.encode(vectors[:0]).shape == (0, 2)


def test_equal_vectors_can_be_learned_from() -> None:
    vectors = np.ones((20, 4), dtype=np.float32)
    quantizer = train(vectors, steps=10)
    assert np.isfinite(quantizer.decode(quantizer.encode(vectors))).all()


@pytest.mark.parametrize("content", [None, b"", b"junk that is longer than a header"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "text.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"text\.safetensors is no RQ-VAE"):
        RqVae.load(path)
