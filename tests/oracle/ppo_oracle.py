#!/usr/bin/env python3
"""Compares learner/ppo_math with the papers' equations and with TRL.

    python tests/oracle/ppo_oracle.py --build-dir build/release

The equations are transcribed here in NumPy with plain loops over responses and
tokens, from the papers (PPO 1707.06347, GAE 1506.02438, Ziegler 1909.08593,
dual clip 1912.09729, Schulman's note on k1, k2, k3), and derivatives are
written out by hand. TRL has no PPO any more; its GRPO loss contains the same
clipped policy loss (two-sided clip `delta` = dual clip c, importance ratio =
w_t), which is compared in value and gradient.

Prints a table; exit status 1 on a difference above 1e-6, 2 if something needed
is missing.
"""

import argparse
import json
import math
import pathlib
import subprocess
import sys
from unittest import mock

import numpy as np

TOLERANCE = 1e-6  # of every entry, fp64 on both sides
SEED = 20240229
CASES = {
    # name: (responses, longest, settings that differ)
    "usual": (8, 12, {}),
    "one token each": (5, 1, {}),
    "no discount of lambda": (6, 9, {"lambda": 1.0}),
    "td residuals": (6, 9, {"lambda": 0.0, "gamma": 0.9}),
    "discounted, bootstrapped": (7, 10, {"gamma": 0.97, "bootstrapped": True}),
    "far ratios": (8, 12, {"spread": 2.0}),
    "denominator of a larger batch": (4, 6, {"denominator": 1000.0}),
}


def make_case(rng, responses, longest, changes):
    """Random inputs in the form that ppo_math_tool reads."""
    spread = changes.get("spread", 0.3)
    shape = (responses, longest)
    lengths = rng.integers(1, longest + 1, size=responses)
    mask = (np.arange(longest)[None, :] < lengths[:, None]).astype(float)
    old_logp = -np.abs(rng.normal(size=shape)) - 0.1
    old_values = rng.normal(size=shape)
    case = {
        "logp": old_logp + spread * rng.normal(size=shape),
        "entropy": np.abs(rng.normal(size=shape)),
        "values": old_values + 0.3 * rng.normal(size=shape),
        "old_logp": old_logp,
        "ref_logp": old_logp + 0.2 * rng.normal(size=shape),
        "sampler_logp": old_logp + 0.5 * rng.normal(size=shape),
        "old_values": old_values,
        "mask": mask,
        "weight": np.repeat(rng.uniform(0.5, 3, (responses, 1)), longest, 1),
        "score": rng.normal(size=responses),
        "bootstrap": (rng.normal(size=responses)
                      if changes.get("bootstrapped") else np.zeros(responses)),
        "beta": 0.05, "gamma": 1.0, "lambda": 0.95,
        "clip_low": 0.2, "clip_high": 0.28, "dual_clip": 3.0,
        "value_clip": 0.2, "c1": 0.5, "c2": 0.01, "cap": 2.0,
        "denominator": float(mask.sum()),
    }
    case.update({k: v for k, v in changes.items() if k in case})
    return case


def tokens(c):
    """(response, step, whether it is the last step) of every token."""
    for b, row in enumerate(c["mask"]):
        length = int(row.sum())
        for t in range(length):
            yield b, t, t == length - 1


def expected_advantages(c):
    """Ziegler Eq. 2 per token, PPO Eq. 12, GAE Eq. 16 as a double sum."""
    shape = c["mask"].shape
    rewards, deltas, advantages, returns = (np.zeros(shape) for _ in range(4))
    for b, t, last in tokens(c):
        rewards[b, t] = -c["beta"] * (c["old_logp"][b, t] - c["ref_logp"][b, t])
        rewards[b, t] += c["score"][b] if last else 0
    for b, t, last in tokens(c):
        after = c["bootstrap"][b] if last else c["old_values"][b, t + 1]
        deltas[b, t] = (rewards[b, t] + c["gamma"] * after
                        - c["old_values"][b, t])
    for b, t, _ in tokens(c):
        advantages[b, t] = sum(
            (c["gamma"] * c["lambda"])**l * deltas[b, t + l]
            for l in range(shape[1] - t))
        returns[b, t] = advantages[b, t] + c["old_values"][b, t]
    inside = np.array([advantages[b, t] for b, t, _ in tokens(c)])
    variance = inside.var(ddof=1) if len(inside) > 1 else 0.0
    whitened = np.zeros(shape)
    for b, t, _ in tokens(c):
        whitened[b, t] = ((advantages[b, t] - inside.mean())
                          / math.sqrt(variance + 1e-8))
    return {"rewards": rewards, "td_residuals": deltas,
            "advantages": advantages, "returns": returns, "whitened": whitened}


def policy_term(ratio, a, c):
    """PPO Eq. 7 with the dual clip: the objective and its slope by ratio."""
    clipped = min(max(ratio, 1 - c["clip_low"]), 1 + c["clip_high"])
    held = clipped * a < ratio * a
    value, slope = (clipped * a, 0.0) if held else (ratio * a, a)
    if a < 0 and value < c["dual_clip"] * a:
        value, slope = c["dual_clip"] * a, 0.0
    return value, slope


def value_term(v, old, target, epsilon):
    """1/2 max of the plain and the clipped square, and its slope by v."""
    clipped = old + min(max(v - old, -epsilon), epsilon)
    plain, held = (v - target)**2, (clipped - target)**2
    if held > plain:
        return 0.5 * held, 0.0
    return 0.5 * plain, v - target


def expected_losses(c, whitened, returns):
    shape = c["mask"].shape
    out = {name: 0.0 for name in
           ("policy_loss", "value_loss", "entropy_mean", "k1", "k2", "k3")}
    ratio = np.exp(c["logp"] - c["old_logp"])
    importance = np.minimum(np.exp(c["old_logp"] - c["sampler_logp"]), c["cap"])
    by_logp, by_entropy, by_values = (np.zeros(shape) for _ in range(3))
    for b, t, _ in tokens(c):
        share = c["weight"][b, t] / c["denominator"]
        w = importance[b, t]
        value, slope = policy_term(ratio[b, t], whitened[b, t], c)
        out["policy_loss"] -= share * w * value
        by_logp[b, t] = -share * w * slope * ratio[b, t]
        value, slope = value_term(c["values"][b, t], c["old_values"][b, t],
                                  returns[b, t], c["value_clip"])
        out["value_loss"] += share * value
        by_values[b, t] = share * c["c1"] * slope
        out["entropy_mean"] += share * c["entropy"][b, t]
        by_entropy[b, t] = -share * c["c2"]
        l = c["old_logp"][b, t] - c["logp"][b, t]
        out["k1"] += share * l
        out["k2"] += share * l * l / 2
        out["k3"] += share * (math.exp(-l) - 1 + l)
    out["total_loss"] = (out["policy_loss"] + c["c1"] * out["value_loss"]
                         - c["c2"] * out["entropy_mean"])
    out.update(ratio=ratio, importance=importance, logp_gradient=by_logp,
               entropy_gradient=by_entropy, values_gradient=by_values)
    return out


def expected_by_equations(c):
    out = expected_advantages(c)
    out.update(expected_losses(c, out["whitened"], out["returns"]))
    return out


def expected_by_trl(c, whitened):
    """The policy loss and its gradient by logp, from TRL's GRPO trainer."""
    import torch
    from trl import GRPOTrainer

    tensor = lambda x: torch.tensor(np.asarray(x), dtype=torch.float64)
    logp = tensor(c["logp"]).requires_grad_(True)
    trainer = mock.MagicMock()
    trainer._get_per_token_logps_and_entropies.return_value = (
        logp, tensor(c["entropy"]), None)
    trainer.top_entropy_quantile = 1.0
    trainer.off_policy_mask_threshold = None
    trainer.importance_sampling_level = "token"
    trainer.beta = 0.0
    trainer.loss_type = "dapo"
    trainer.epsilon_low, trainer.epsilon_high = c["clip_low"], c["clip_high"]
    trainer.args.delta = c["dual_clip"]
    trainer.args.steps_per_generation = 1
    trainer.current_gradient_accumulation_steps = 1
    trainer.accelerator.num_processes = 1
    trainer.accelerator.gather = lambda x: x
    trainer.use_vllm = trainer.vllm_importance_sampling_correction = True
    trainer._entropy_bonus_enabled = trainer.aux_loss_enabled = False
    importance = np.exp(c["old_logp"] - c["sampler_logp"])
    ones = torch.ones(c["mask"].shape, dtype=torch.long)
    inputs = {
        "prompt_ids": ones, "prompt_mask": ones, "completion_ids": ones,
        "completion_mask": tensor(c["mask"]),
        "advantages": tensor(whitened),
        "old_per_token_logps": tensor(c["old_logp"]),
        "importance_sampling_ratio": tensor(
            c["weight"] * np.minimum(importance, c["cap"])),
        "num_items_in_batch": torch.tensor(c["denominator"]),
    }
    loss = GRPOTrainer._compute_loss(trainer, mock.MagicMock(training=True),
                                     inputs)
    loss.backward()
    return {"policy_loss": loss.item(), "logp_gradient": logp.grad.numpy()}


def run_tool(tool, case):
    lists = {k: v.tolist() if isinstance(v, np.ndarray) else v
             for k, v in case.items()}
    done = subprocess.run([str(tool)], input=json.dumps(lists), text=True,
                          capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{tool} failed: {done.stderr.strip()}")
    return json.loads(done.stdout)


def compare(label, actual, expected, worst):
    for name, value in expected.items():
        ours = np.asarray(actual[name], dtype=float).ravel()
        theirs = np.asarray(value, dtype=float).ravel()
        difference = float(np.max(np.abs(ours - theirs)))
        if math.isnan(difference):
            difference = math.inf
        key = (label, name)
        worst[key] = max(worst.get(key, 0.0), difference)


def report(worst):
    failed = 0
    for (label, name), difference in worst.items():
        agrees = difference <= TOLERANCE
        failed += not agrees
        print(f"{'PASS' if agrees else 'FAIL'}  {label:<10} {name:<18} "
              f"{difference:.1e}")
    return failed


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build-dir", type=pathlib.Path, required=True)
    tool = parser.parse_args().build_dir / "tests/learner/ppo_math_tool"
    if not tool.exists():
        print(f"no {tool}; build the target ppo_math_tool", file=sys.stderr)
        return 2
    rng = np.random.default_rng(SEED)
    worst = {}
    for responses, longest, changes in CASES.values():
        case = make_case(rng, responses, longest, changes)
        actual = run_tool(tool, case)
        expected = expected_by_equations(case)
        compare("equations", actual, expected, worst)
        # logp only enters the policy's loss: the gradients by it are the same.
        compare("TRL", actual, expected_by_trl(case, expected["whitened"]),
                worst)
    return 1 if report(worst) else 0


if __name__ == "__main__":
    sys.exit(main())
