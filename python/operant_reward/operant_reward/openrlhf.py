"""Lets a reward server that speaks OpenRLHF's HTTP protocol answer."""
import json
import urllib.error
import urllib.request

from operant_reward.functions import Unavailable

MAX_ANSWER_BYTES = 4 << 20


def remote(url, timeout=10):
    """A reward function that asks `url`, once, for a whole batch."""

    def ask(queries, prompts, labels):
        body = json.dumps({"query": queries, "prompts": prompts,
                           "labels": labels}).encode()
        request = urllib.request.Request(
            url, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=timeout) as response:
                text = response.read(MAX_ANSWER_BYTES + 1)
        except urllib.error.HTTPError as error:
            if error.code in (429, 502, 503, 504):
                raise Unavailable(f"{url} answered {error.code}") from error
            raise
        except (urllib.error.URLError, TimeoutError) as error:
            raise Unavailable(f"{url} does not answer: {error}") from error
        if len(text) > MAX_ANSWER_BYTES:
            raise ValueError(f"{url} answered more than {MAX_ANSWER_BYTES} bytes")
        return json.loads(text)

    return ask
