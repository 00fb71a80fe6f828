"""transformers on a CPU: generate is prefill and decode with tokens and their times, a pipeline's runs are executes."""

import threading

import pytest
import tiny
import torch
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from transformers import (
    AutoModelForCausalLM,
    StoppingCriteria,
    StoppingCriteriaList,
    TextIteratorStreamer,
    TextStreamer,
    pipeline,
)

import inferometer
from inferometer.catalog.stages import Kind, Stage
from inferometer.hooks import generation
from inferometer.hooks.compute import PART, inside
from inferometer.record.model import Moment
from inferometer.record.partition import stage_totals

PROMPTS = ["the cat sat on the mat", "a dog"]
WAYS = {
    "greedy": {},
    "sampled": {"do_sample": True, "top_k": 5},
    "beams": {"num_beams": 3},
    "several": {"do_sample": True, "num_return_sequences": 2},
    "without a cache": {"use_cache": False},
    "looked up in the prompt": {"prompt_lookup_num_tokens": 2},
}


@pytest.fixture
def model():
    torch.manual_seed(1)
    return tiny.causal()


@pytest.fixture
def inputs():
    return tokens(PROMPTS)


def tokens(prompts):
    return tiny.tokenizer()(prompts, return_tensors="pt", padding=True, return_token_type_ids=False)


def plainly(function, *args, **kwargs):
    """What it returns when nothing is told: all is part of something."""
    inside.around = PART
    try:
        return function(*args, **kwargs)
    finally:
        inside.around = None


def kinds(runs):
    return [(model, run.kind) for model, run in runs]


@pytest.mark.parametrize("way", WAYS)
def test_generate_is_prefill_and_decode_and_returns_the_same(recorder, model, way):
    inputs = tokens(PROMPTS[:1] if "lookup" in str(WAYS[way]) else PROMPTS)
    options = {"max_new_tokens": 12, "min_new_tokens": 5, **WAYS[way]}
    torch.manual_seed(7)
    expected = plainly(model.generate, **inputs, **options)
    assert recorder.runs() == []
    torch.manual_seed(7)
    result = model.generate(**inputs, **options)
    runs = recorder.runs()
    rows = len(inputs["input_ids"]) * options.get("num_beams", 1) * options.get("num_return_sequences", 1)

    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    assert kinds(runs) == [("LlamaForCausalLM", Kind.PREFILL), ("LlamaForCausalLM", Kind.DECODE)]
    (_, prefill), (_, decode) = runs
    assert prefill.device == decode.device == "host-1"
    assert prefill.rows == decode.rows == rows
    assert prefill.start < prefill.end <= decode.start < decode.end


def test_one_new_token_needs_no_decode(recorder, model, inputs):
    model.generate(**inputs, max_new_tokens=1)

    assert kinds(recorder.runs()) == [("LlamaForCausalLM", Kind.PREFILL)]


def test_an_encoder_belongs_to_prefill(recorder, inputs):
    torch.manual_seed(1)
    model = tiny.seq2seq()
    expected = plainly(model.generate, **inputs, max_new_tokens=6, min_new_tokens=6)
    result = model.generate(**inputs, max_new_tokens=6, min_new_tokens=6)

    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    assert kinds(recorder.runs()) == [(type(model).__name__, kind) for kind in (Kind.PREFILL, Kind.DECODE)]


def test_a_model_that_assists_is_part_of_it(recorder, model):
    inputs = tokens(PROMPTS[:1])
    torch.manual_seed(2)
    assistant = tiny.causal(num_hidden_layers=1)
    options = {"max_new_tokens": 10, "eos_token_id": 99, "assistant_model": assistant}
    expected = plainly(model.generate, **inputs, **options)
    result = model.generate(**inputs, **options)

    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    assert kinds(recorder.runs()) == [("LlamaForCausalLM", Kind.PREFILL), ("LlamaForCausalLM", Kind.DECODE)]


def test_a_request_has_its_tokens_and_their_times(recorder, model):
    app = FastAPI()

    @app.post("/generate")
    def generate(prompts: list[str]) -> list[list[int]]:
        inputs = tokens(prompts)
        found = model.generate(**inputs, max_new_tokens=9, min_new_tokens=9)
        return found[:, inputs["input_ids"].shape[1] :].tolist()

    client = recorder.serve(app)
    record = client.record("/generate", PROMPTS)
    prefill, decode = record.executes
    totals = stage_totals(record)

    assert (record.tokens_in, record.tokens_out) == (7 + 3, 18)
    assert (prefill.tokens, decode.tokens) == (7 + 3, 0)
    assert prefill.end <= record.stamps[Moment.FIRST_TOKEN] + 10**6 <= decode.start + 10**6
    assert decode.start < record.last_token <= decode.end
    assert sum(number for _, number in record.gaps) == 8
    assert record.labels.model == "LlamaForCausalLM"
    assert totals[Stage.EXECUTE] == sum(run.end - run.start for run in (prefill, decode))
    assert totals[Stage.PREPROCESS] > 0


def test_what_fills_up_a_sequence_after_its_end_is_no_token(recorder, model):
    app, steps = FastAPI(), iter([[5, 6, 1, 9], [7, 7, 7, 1]])
    rows = list(zip(*steps, strict=True))

    class Told(torch.nn.Module):
        """The model's head, which says what it is told."""

        def __init__(self):
            super().__init__()
            self.step = -1

        def forward(self, hidden):
            self.step += 1
            scores = torch.zeros(hidden.shape[0], hidden.shape[1], model.config.vocab_size)
            for row, token in enumerate(rows[self.step]):
                scores[row, -1, token] = 1
            return scores

    model.lm_head = Told()

    @app.get("/generate")
    def generate() -> int:
        return model.generate(**tokens(PROMPTS), max_new_tokens=20).shape[1]

    record = recorder.serve(app).record("/generate")

    assert record.tokens_out == 3 + 4


def test_a_stream_from_a_thread_of_its_own_belongs_to_its_request(recorder, model):
    app, tokenizer = FastAPI(), tiny.tokenizer()

    @app.get("/stream")
    def stream() -> StreamingResponse:
        streamer = TextIteratorStreamer(tokenizer, skip_prompt=True)
        options = {**tokens(PROMPTS[:1]), "streamer": streamer, "max_new_tokens": 8, "min_new_tokens": 8}
        threading.Thread(target=model.generate, kwargs=options).start()
        return StreamingResponse(streamer)

    record = recorder.serve(app).record("/stream")

    assert [run.kind for run in record.executes] == [Kind.PREFILL, Kind.DECODE]
    assert 0 < record.stamps[Moment.FIRST_TOKEN] < record.stamps[Moment.LAST]
    assert record.labels.model == "LlamaForCausalLM"


def test_each_request_of_a_batch_has_its_own_tokens(recorder, model, monkeypatch):
    monkeypatch.setattr("inferometer.api.worker", lambda: recorder.worker)
    app = FastAPI()

    @inferometer.batch(max_size=2, max_wait=5)
    def generated(prompts: list[str]) -> list[int]:
        return [len(row) for row in model.generate(**tokens(prompts), max_new_tokens=4, min_new_tokens=4)]

    @app.post("/generate")
    async def generate(prompts: list[str]) -> int:
        return await generated(prompts[0])

    client = recorder.serve(app)

    def ask():
        threads = [threading.Thread(target=client.ask, args=("/generate", [prompt])) for prompt in PROMPTS]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    records = client.recorded(ask, 2)

    assert sorted((record.tokens_in, record.tokens_out) for record in records) == [(3, 4), (7, 4)]
    for record in records:
        assert [(run.kind, run.batch_size) for run in record.executes] == [(Kind.PREFILL, 2), (Kind.DECODE, 2)]
        assert record.stamps[Moment.FIRST_TOKEN]
        # The members of a batch share its run, so each has the mean.
        assert record.executes[0].tokens == (3 + 7) // 2


def test_tokens_that_a_cache_has_are_not_computed_again(recorder, model):
    app = FastAPI()

    @app.post("/generate")
    def generate(prompts: list[str]) -> int:
        inputs = tokens(prompts)
        known = model(**{name: part[:, :4] for name, part in inputs.items()}, use_cache=True).past_key_values
        return len(model.generate(**inputs, past_key_values=known, max_new_tokens=2, min_new_tokens=2))

    record = recorder.serve(app).record("/generate", [PROMPTS[0]])
    (prefill,) = [run for run in record.executes if run.kind is Kind.PREFILL]

    assert (record.tokens_in, prefill.tokens) == (7, 3)


def test_requests_generate_side_by_side(recorder, model):
    app = FastAPI()

    @app.post("/generate")
    def generate(new: int) -> int:
        return model.generate(**tokens(PROMPTS[:1]), max_new_tokens=new, min_new_tokens=new).shape[1]

    client = recorder.serve(app)
    lengths = [3, 5, 8, 13]

    def ask():
        threads = [threading.Thread(target=client.ask, args=(f"/generate?new={new}", {})) for new in lengths]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    records = client.recorded(ask, len(lengths))

    assert sorted(record.tokens_out for record in records) == lengths
    assert all([run.kind for run in record.executes] == [Kind.PREFILL, Kind.DECODE] for record in records)


def test_a_pipeline_that_generates_is_prefill_and_decode(recorder, model):
    generate = pipeline("text-generation", model=model, tokenizer=tiny.tokenizer())
    app = FastAPI()

    @app.post("/generate")
    def answer(prompts: list[str]) -> str:
        return generate(prompts, max_new_tokens=4, min_new_tokens=4, do_sample=False)[0][0]["generated_text"]

    record = recorder.serve(app).record("/generate", PROMPTS[:1])

    assert [run.kind for run in record.executes] == [Kind.PREFILL, Kind.DECODE]
    assert (record.tokens_in, record.tokens_out) == (7, 4)
    assert stage_totals(record)[Stage.PREPROCESS] > 0


def test_a_pipeline_that_classifies_is_one_execute_per_batch(recorder):
    torch.manual_seed(3)
    classify = pipeline("text-classification", model=tiny.classifier(), tokenizer=tiny.tokenizer(), batch_size=2)
    expected = plainly(classify, ["the cat", "a dog ran", "far mat"])
    found = classify(["the cat", "a dog ran", "far mat"])
    runs = recorder.runs()

    assert found == expected
    assert [(model, run.rows, run.kind) for model, run in runs] == [
        ("BertForSequenceClassification", 2, Kind.NONE),
        ("BertForSequenceClassification", 1, Kind.NONE),
    ]


def test_a_model_from_a_folder_is_one_load_and_has_its_name(recorder, model, inputs, tmp_path):
    path = tiny.saved(tmp_path / "tiny-llama", model)
    loaded = AutoModelForCausalLM.from_pretrained(path)
    generate = pipeline("text-generation", model=path)
    loaded.generate(**inputs, max_new_tokens=2, min_new_tokens=2)

    assert [name for name, _ in recorder.loads()] == ["tiny-llama", "tiny-llama"]
    assert all(duration > 10**6 for _, duration in recorder.loads())
    assert {name for name, _ in recorder.runs()} == {"tiny-llama"}
    assert generate.model.config.vocab_size == model.config.vocab_size


def test_criteria_and_streamers_of_the_user_work_as_before(recorder, model):
    class AfterThree(StoppingCriteria):
        def __call__(self, ids, *_, **__):
            return torch.full((ids.shape[0],), ids.shape[1] >= 10)

    class Kept(TextStreamer):
        def __init__(self):
            super().__init__(tiny.tokenizer())
            self.values = []

        def put(self, value):
            self.values.append(value)

        def end(self):
            self.values.append(None)

    streamer = Kept()
    result = model.generate(
        **tokens(PROMPTS[:1]), max_new_tokens=50, min_new_tokens=9, streamer=streamer,
        stopping_criteria=StoppingCriteriaList([AfterThree()]),
    )  # fmt: skip

    assert result.shape[1] == 10
    assert len(streamer.values) == 1 + 3 + 1


def test_an_error_inside_generate_passes_and_what_ran_is_told(recorder, model, inputs):
    class Breaking(StoppingCriteria):
        def __call__(self, ids, *_, **__):
            if ids.shape[1] > 9:
                raise ArithmeticError("theirs")
            return torch.zeros(ids.shape[0], dtype=torch.bool)

    with pytest.raises(ArithmeticError, match="theirs"):
        model.generate(
            **inputs, max_new_tokens=20, min_new_tokens=20, stopping_criteria=StoppingCriteriaList([Breaking()])
        )

    assert [run.kind for _, run in recorder.runs()] == [Kind.PREFILL, Kind.DECODE]
    assert recorder.failed() == {}
    assert inside.around is None


@pytest.mark.parametrize("broken", ["__init__", "token", "begins", "ended", "count"])
def test_a_hook_that_raises_is_off_and_the_tokens_are_the_same(recorder, model, inputs, monkeypatch, broken):
    expected = plainly(model.generate, **inputs, max_new_tokens=6)
    monkeypatch.setattr(generation.Generation, broken, lambda *_, **__: 1 / 0)
    result = model.generate(**inputs, max_new_tokens=6)

    torch.testing.assert_close(result, expected, rtol=0, atol=0)
    assert sum(recorder.failed().values()) >= 1
    assert inside.around is None
