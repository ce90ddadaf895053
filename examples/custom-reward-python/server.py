"""A reward server: 1 if the last number of the response is the right one."""
import re
import sys

import operant_reward


def math_reward(item):
    numbers = re.findall(r"-?\d+(?:\.\d+)?", item.response)
    correct = bool(numbers) and numbers[-1] == item.ground_truth
    return {"score": correct, "answered": bool(numbers)}


operant_reward.serve(math_reward, sys.argv[1] if len(sys.argv) > 1 else None,
                     name="math", components=["answered"], deterministic=True,
                     score_range=(0, 1))
