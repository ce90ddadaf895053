"""A reward for the demo's definitions: a short sentence without repetitions."""
import operant_reward


def definition(item):
    words = item.response.lower().split()
    if not words:
        return {"score": -1, "short": 0, "varied": 0}
    short = 1.0 if len(words) <= 12 else 12 / len(words)
    varied = len(set(words)) / len(words)
    ended = item.finish == 1  # the model stopped by itself
    return {"score": short * varied if ended else -1, "short": short,
            "varied": varied}


operant_reward.serve(definition, components=["short", "varied"],
                     deterministic=True, score_range=(-1, 1))
