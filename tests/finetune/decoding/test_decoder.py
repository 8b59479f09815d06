"""Decoding: against plain definitions, and each row as if it were alone."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from core.errors import ConfigError
from finetune.decoding import beam_search, sampling
from finetune.decoding import decoder as decoding_module
from finetune.decoding.decoder import CompiledDecoder, Decoding, ready
from finetune.decoding.decoder import decoder as make_decoder
from finetune.model.architecture import Execution

EOS = 1
GREEDY = Decoding(max_tokens=8)
BEAMS = Decoding(max_tokens=8, beams=3, early_stopping=True)
DRAWN = Decoding(max_tokens=8, temperature=0.9, top_p=0.8, seed=4)
WAYS = list(itertools.product((1.0, 0.0, 2.5, -1.0), (False, True, "never")))


@pytest.fixture(scope="module")
def model(tiny):
    """A model that ends answers now and then, so that rows end at different steps."""
    params = jax.tree.map(np.array, tiny.params(seed=5))
    params["decoder"]["logits_dense"]["kernel"] *= 2
    params["decoder"]["logits_dense"]["kernel"][:, EOS] *= 3
    return tiny.shape, ready(params, Execution())


@pytest.fixture(scope="module")
def inputs():
    chance = np.random.default_rng(3)
    ids = chance.integers(3, 128, (6, 12)).astype(np.int32)
    for row, length in enumerate((12, 3, 7, 1, 9, 5)):
        ids[row, length:] = 0
    return ids


def by_hand(tiny, model, ids, length):
    """Greedy by the whole model at every step."""
    shape, params = model
    run = jax.jit(lambda decoder_ids: tiny.model(shape).apply({"params": params}, ids, decoder_ids))
    out = np.zeros((len(ids), length + 1), np.int32)
    done = np.zeros(len(ids), bool)
    for place in range(length):
        logits = np.asarray(run(jnp.asarray(out[:, :length])))[:, place]
        out[:, place + 1] = np.where(done, 0, logits.argmax(-1))
        done |= out[:, place + 1] == EOS
    return out[:, 1:]


def test_greedy_takes_the_likeliest_id_and_the_cache_grows(tiny, model, inputs, monkeypatch):
    monkeypatch.setattr(decoding_module, "_FIRST", 4)
    expected = by_hand(tiny, model, inputs, 11)
    found = CompiledDecoder(model[0], decoding=Decoding(max_tokens=11))(model[1], inputs)
    width = found.ids_BxT.shape[1]
    assert np.array_equal(found.ids_BxT, expected[:, :width]) and not expected[:, width:].any()
    ends = [row.tolist().index(EOS) + 1 if EOS in row else 11 for row in expected]
    assert found.lengths_B.tolist() == ends and len(set(ends)) > 1


@pytest.mark.parametrize("decoding", [GREEDY, BEAMS, DRAWN])
def test_a_row_does_not_depend_on_its_neighbours(model, inputs, decoding):
    decoder = make_decoder(model[0], Execution(), decoding)
    together = decoder(model[1], inputs)
    order = [4, 2, 0, 5, 1, 3]
    shuffled = decoder(model[1], inputs[order], rows_B=order)
    wider = decoder(model[1], np.pad(inputs[2:3], ((0, 5), (0, 4))), rows_B=[2] * 6)
    for place, row in enumerate(order):
        length = together.lengths_B[row]
        assert shuffled.lengths_B[place] == length
        assert np.array_equal(shuffled.ids_BxT[place, :length], together.ids_BxT[row, :length])
        assert shuffled.scores_B[place] == pytest.approx(together.scores_B[row], rel=1e-4)
    sums = together.gains_BxT.sum(-1) / (together.lengths_B if decoding.beams > 1 else 1)
    assert np.allclose(sums, together.scores_B, rtol=1e-4)
    length = together.lengths_B[2]
    assert np.array_equal(wider.ids_BxT[0, :length], together.ids_BxT[2, :length])
    assert wider.lengths_B.tolist() == [length, 0, 0, 0, 0, 0]


def test_streamed_ids_are_the_same(model, inputs):
    for decoding in (GREEDY, BEAMS, DRAWN):
        decoder = make_decoder(model[0], Execution(), decoding)
        whole = decoder(model[1], inputs[2:3], rows_B=[7])
        assert list(decoder.stream(model[1], inputs[2:3], row=7)) == whole.ids_BxT[0, : whole.lengths_B[0]].tolist()


def test_a_lower_limit_needs_no_other_decoder(model, inputs):
    decoder = make_decoder(model[0], Execution(), GREEDY)
    short, long = decoder(model[1], inputs, limit=3), decoder(model[1], inputs)
    assert np.array_equal(short.ids_BxT, long.ids_BxT[:, :3]) and short.lengths_B.max() == 3


def test_bfloat16_decodes(tiny, inputs):
    run = Execution(dtype="bfloat16")
    params = ready(tiny.params(), run)
    assert params["encoder"]["encoder_norm"]["scale"].dtype == jnp.float32
    assert params["encoder"]["layers_0"]["mlp"]["wo"]["kernel"].dtype == jnp.bfloat16
    found = CompiledDecoder(tiny.shape, run, Decoding(max_tokens=4))(params, inputs)
    assert np.isfinite(found.scores_B).all() and (found.lengths_B > 0).all()


def log_softmax(values):
    return values - np.log(np.exp(values - values.max()).sum()) - values.max()


def beams_by_hand(table, beams, limit, penalty, early):
    """The definition, a hypothesis at a time, of a language whose next piece depends on the last one only."""
    running, finished = [(0.0, (0,))], []
    for place in range(limit):
        options = sorted(
            (
                (score + log, (*ids, piece))
                for score, ids in running
                for piece, log in enumerate(log_softmax(table[ids[-1]]))
            ),
            reverse=True,
        )[: 2 * beams]
        ends = [ids[-1] == EOS or place + 1 == limit for _, ids in options]
        full = early is True and len(finished) == beams
        for end, (score, ids) in list(zip(ends, options, strict=True))[:beams]:
            if end and not full:
                finished.append((score / (place + 1) ** penalty, ids))
        finished = sorted(finished, reverse=True)[:beams]
        running = [option for end, option in zip(ends, options, strict=True) if not end][:beams]
        longest = limit if early == "never" and penalty > 0 else place + 1
        if len(finished) == beams and (
            not running or early is True or running[0][0] / longest**penalty <= finished[-1][0]
        ):
            break
    return finished[0]


@pytest.mark.parametrize(("penalty", "early"), WAYS)
def test_beams_follow_the_definition(penalty, early):
    chance, limit, beams = np.random.default_rng(1), 9, 3
    tables = chance.normal(0, 1.5, (8, 16, 16)).astype(np.float32)
    tables[:, :, EOS] += chance.normal(1.0, 1.0, (8, 16))
    # Compiled once for all penalties, where the penalty decides nothing but numbers.
    fixed = ("length_penalty", "early_stopping") if early == "never" else ("early_stopping",)
    advance = jax.jit(beam_search.advance, static_argnames=fixed)
    search = beam_search.start(jnp.ones(8, bool), beams, limit)
    for place in range(limit):
        last = np.zeros((8, beams), int) if place == 0 else np.asarray(search.running_BxKxT[:, :, place - 1])
        logits = tables[np.arange(8)[:, None], last].reshape(-1, 16)
        search, _ = advance(search, logits, jnp.int32(place), jnp.int32(limit), penalty, early)
    for row, table in enumerate(tables):
        score, ids = beams_by_hand(table, beams, limit, penalty, early)
        found = np.asarray(search.ids_BxKxT[row, 0])
        assert found[: len(ids) - 1].tolist() == list(ids[1:]) and not found[len(ids) - 1 :].any()
        assert float(search.score_BxK[row, 0]) == pytest.approx(score, rel=1e-4)


@pytest.mark.parametrize(("penalty", "early"), WAYS)
def test_beams_equal_those_of_transformers(shared, penalty, early, tmp_path):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    from finetune.checkpoints import hugging_face

    source = shared("data/golden/mt5")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(source).eval()
    model.lm_head.weight.data[EOS] *= 3  # answers that end
    ours = hugging_face.load(source)
    ours.params["decoder"]["logits_dense"]["kernel"][:, EOS] *= 3
    ids = np.load(source / "golden.npz")["input_ids"]
    expected = model.generate(
        torch.tensor(ids).long(),
        attention_mask=torch.ones(ids.shape).long(),
        max_new_tokens=16,
        num_beams=4,
        length_penalty=penalty,
        early_stopping=early,
        output_scores=True,
        return_dict_in_generate=True,
    )
    decoding = Decoding(max_tokens=16, beams=4, length_penalty=penalty, early_stopping=early)
    found = CompiledDecoder(ours.architecture, decoding=decoding)(
        ready(ours.params, Execution()), ids, mask_BxL=ids >= 0
    )
    width = found.ids_BxT.shape[1]
    theirs = expected.sequences[:, 1 : 1 + width].numpy()
    theirs[np.cumsum(theirs == EOS, axis=1) - (theirs == EOS) > 0] = 0  # filled up with ends, not with padding
    assert np.array_equal(found.ids_BxT, theirs)
    assert np.allclose(found.scores_B, expected.sequences_scores.numpy(), rtol=1e-4)


@pytest.mark.parametrize("size", [1280, 1000, 128])
def test_the_highest_are_found(size):
    values = np.random.default_rng(0).permuted(np.tile(np.arange(size, dtype=np.float32), (4, 1)), axis=1)
    found, places = sampling.highest(jnp.asarray(values), 7)
    assert np.array_equal(found, np.tile(np.arange(size - 1, size - 8, -1), (4, 1)))
    assert np.array_equal(np.take_along_axis(values, np.asarray(places), 1), found)


@pytest.mark.parametrize(("top_k", "top_p"), [(0, 1.0), (5, 1.0), (0, 0.7), (20, 0.7)])
def test_draws_follow_the_probabilities(top_k, top_p):
    logits = np.random.default_rng(2).normal(0, 2, 300).astype(np.float32)
    draws, temperature = 4000, 1.3
    keys = jax.random.split(jax.random.key(0), draws)
    drawn = jax.jit(lambda keys: sampling.sample(jnp.tile(logits, (draws, 1)), keys, temperature, top_k, top_p))(keys)
    weights = np.exp(log_softmax(logits / temperature))
    order = np.argsort(-weights)
    if top_k:
        weights[order[top_k:]] = 0
        weights /= weights.sum()
    before = np.cumsum(weights[order]) - weights[order]
    weights[order[before >= top_p]] = 0
    weights /= weights.sum()
    counts = np.bincount(np.asarray(drawn), minlength=300)
    assert not counts[weights == 0].any()
    likely = weights > 0.01
    assert np.allclose(counts[likely], draws * weights[likely], atol=5 * np.sqrt(draws * weights[likely]).max())


def test_seeds_make_draws(model, inputs):
    def drawn(seed):
        return make_decoder(model[0], Execution(), dataclasses.replace(DRAWN, seed=seed))(model[1], inputs).ids_BxT

    first, again, other = drawn(4), drawn(4), drawn(2)
    assert np.array_equal(first, again) and not np.array_equal(first[:, :3], other[:, :3])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"beams": 2, "temperature": 1.0}, "beams are searched, not drawn"),
        ({"top_k": 5}, "temperature 0 draws nothing"),
        ({"top_p": 0.0, "temperature": 1.0}, "top_p is 0.0"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"early_stopping": "sometimes"}, "expected true, false or never"),
        ({"early_stopping": "never"}, "early_stopping is for beams, and there are none"),
        ({"length_penalty": 0.5}, "length_penalty is for beams, and there are none"),
    ],
)
def test_what_cannot_be_is_told(changes, told):
    with pytest.raises(ConfigError, match=told):
        Decoding(**changes)
    with pytest.raises(ConfigError, match="at most half"):
        CompiledDecoder(dataclasses.replace(decoding_module.Architecture(), vocabulary=8), decoding=Decoding(beams=5))
