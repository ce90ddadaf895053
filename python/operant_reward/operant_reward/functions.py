"""Reward functions of any known signature, as one: items in, results out.

A result is a `pb.ScoreResult` with exactly one of a finite score, an error and
`ignore`. What a function does wrong is an error, never a score.
"""
import asyncio
import inspect
import math
import threading
import types

from google.protobuf import json_format
from operant.v1 import reward_pb2 as pb

# google.rpc.Code
INTERNAL = 13
UNAVAILABLE = 14
MAX_NOTE_CHARACTERS = 200


class Unavailable(Exception):
    """Raised by a reward function: asking again later may help."""


class Batch:
    """A function with everything it is told of a request."""

    def __init__(self, items, step):
        self.items = items
        self.step = step


def style_of(function):
    """The style of `function`, by the names of its parameters."""
    names = inspect.signature(function).parameters
    if "solution_str" in names:
        return "verl"
    if "queries" in names:
        return "openrlhf"
    if "completions" in names:
        return "trl"
    required = [p for p in names.values()
                if p.default is p.empty and
                p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(required) == 1:
        return "plain"
    raise TypeError(
        f"{name_of(function)}{inspect.signature(function)} is no reward "
        "function: expected one parameter (the item), or those of verl "
        "(solution_str), TRL (completions) or OpenRLHF (queries)")


def name_of(function):
    return getattr(function, "__name__", type(function).__name__)


def accepted(function, offered):
    """Those of `offered` that `function` takes."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return offered
    return {name: value for name, value in offered.items()
            if name in parameters}


def metadata_of(item):
    return json_format.MessageToDict(item.metadata)


def plain_calls(function, batch):
    return [lambda item=item: function(item) for item in batch.items]


def verl_calls(function, batch):
    def call(item):
        return function(**accepted(function, {
            "data_source": item.data_source,
            "solution_str": item.response,
            "ground_truth": item.ground_truth,
            "extra_info": metadata_of(item)}))
    return [lambda item=item: call(item) for item in batch.items]


def columns_of(items):
    """The rows' fields as TRL's columns: a list each, None where missing."""
    rows = [metadata_of(item) for item in items]
    columns = {name: [row.get(name) for row in rows]
               for name in sorted(set().union(*rows))}
    columns["ground_truth"] = [item.ground_truth for item in items]
    columns["data_source"] = [item.data_source for item in items]
    return columns


def conversation(messages):
    return [{"role": m.role, "content": m.content} for m in messages]


def trl_call(function, batch):
    items = batch.items
    chat = bool(items) and all(item.messages for item in items)
    return function(**accepted(function, {
        **columns_of(items),
        "prompts": [conversation(item.messages) if chat else item.prompt
                    for item in items],
        "completions": [[{"role": "assistant", "content": item.response}]
                        if chat else item.response for item in items],
        "completion_ids": [list(item.response_token_ids) for item in items],
        "trainer_state": types.SimpleNamespace(global_step=batch.step),
        "log_extra": lambda *_: None,
        "log_metric": lambda *_: None}))


def openrlhf_call(function, batch):
    return function(**accepted(function, {
        "queries": [item.prompt + item.response for item in batch.items],
        "prompts": [item.prompt for item in batch.items],
        "labels": [item.ground_truth for item in batch.items]}))


def listed(values):
    """A list, from a list, a tuple, an array or a tensor."""
    return values.tolist() if hasattr(values, "tolist") else list(values)


def rows_of(answer, count):
    """One answer per item, from what a batch function returned."""
    extra = {}
    if isinstance(answer, dict):
        extra = {name: listed(values)
                 for name, values in (answer.get("extra_logs") or {}).items()
                 if hasattr(values, "__len__")}
        answer = answer["rewards"]
    scores = listed(answer)
    if len(scores) != count:
        raise ValueError(f"returned {len(scores)} scores for {count} items")
    extra = {name: values for name, values in extra.items()
             if len(values) == count}
    return [score if not extra or score is None else
            {"score": score, **{n: v[i] for n, v in extra.items()}}
            for i, score in enumerate(scores)]


class Functions:
    """Runs a reward function of any style over batches. Thread-safe if the
    function is."""

    def __init__(self, function, style=None, components=()):
        self.function = function
        self.style = style or style_of(function)
        self.components = frozenset(components)
        self.loop = None
        call = getattr(function, "__call__", None)
        if (inspect.iscoroutinefunction(function) or
                inspect.iscoroutinefunction(call)):
            self.loop = asyncio.new_event_loop()
            threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def score(self, batch, timeout=None):
        """The results of `batch.items`, in their order."""
        if self.style in ("plain", "verl"):
            make = plain_calls if self.style == "plain" else verl_calls
            answers = self._run(make(self.function, batch), timeout)
        else:
            answers = self._whole(batch, timeout)
        return [self._result(item, answer)
                for item, answer in zip(batch.items, answers)]

    def _whole(self, batch, timeout):
        call = trl_call if self.style == "trl" else openrlhf_call
        answer, = self._run([lambda: call(self.function, batch)], timeout)
        try:
            if not isinstance(answer, Exception):
                return rows_of(answer, len(batch.items))
        except Exception as error:  # whatever a user's function returned
            answer = error
        return [answer] * len(batch.items)

    def _run(self, calls, timeout):
        """What each call returned, or the exception it raised."""
        if self.loop is None:
            return [attempt(call) for call in calls]

        async def together():
            return await asyncio.gather(*[call() for call in calls],
                                        return_exceptions=True)
        future = asyncio.run_coroutine_threadsafe(together(), self.loop)
        try:
            return future.result(timeout)
        except Exception as error:
            future.cancel()
            return [error] * len(calls)

    def _result(self, item, answer):
        result = pb.ScoreResult(id=item.id)
        try:
            self._fill(result, answer)
        except Exception as error:  # not a number, not finite, no "score"
            result = pb.ScoreResult(id=item.id)
            fail(result, error)
        return result

    def _fill(self, result, answer):
        if isinstance(answer, BaseException):
            raise answer
        parts = {}
        if isinstance(answer, dict):
            parts = dict(answer)
            answer = parts.pop("score")
        for name, value in parts.items():
            if name in self.components:
                result.components[name] = finite(value)
            else:
                result.notes[str(name)] = str(value)[:MAX_NOTE_CHARACTERS]
        if answer is None:
            result.ignore = True
        else:
            result.score = finite(answer)


def attempt(call):
    try:
        return call()
    except Exception as error:  # a user's function may raise anything
        return error


def finite(value):
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"score is not finite: {number}")
    return number


def fail(result, error):
    """Makes `result` the item error that `error` is."""
    busy = isinstance(error, Unavailable)
    result.error.code = UNAVAILABLE if busy else INTERNAL
    result.error.retryable = busy
    result.error.message = f"{type(error).__name__}: {error}"
