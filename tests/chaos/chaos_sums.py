"""How the rows of several runs of chaos.py become one table.

Counts of different seeds add up. Percentiles are taken again over all samples,
effective time over all wall time. What repeats itself (planted bugs, sites of the
source) is not added, and of rates the lowest stays.
"""
import math

COUNTS = ("steps", "accepted", "faults", "rounds", "kills", "hits_each",
          "unfired", "tampered", "sessions", "restarts")
BY_NAME = ("kinds", "skipped_kinds")
EFFECTIVE_BAR, EFFECTIVE_SECONDS = 0.9, 1800


def p95_row(seconds, limit):
    ordered = sorted(seconds)
    p95 = ordered[math.ceil(0.95 * len(ordered)) - 1]
    return {"value": round(p95, 3), "violations": int(p95 > limit),
            "unit": "s", "limit": limit, "samples": len(ordered),
            "samples_seconds": ordered}


def effective_row(said):
    """Of what effective_time.py said in each run."""
    wall = sum(one["wall_seconds"] for one in said)
    needed = sum(one["steps"] * one["median_step_seconds"] for one in said)
    long_ones = [one for one in said
                 if one["wall_seconds"] >= EFFECTIVE_SECONDS]
    broken = sum(one["violations"] for one in said)
    row = {"value": round(needed / wall, 4), "wall_seconds": round(wall, 1),
           "violations": broken + sum(one["effective"] < EFFECTIVE_BAR
                                      for one in long_ones),
           "faults": sum(one["faults"] for one in said),
           "on_learner": sum(one["on_learner"] for one in said), "said": said}
    if not long_ones:
        row["note"] = (f"shorter than the {EFFECTIVE_SECONDS} s that the bar "
                       f"of {EFFECTIVE_BAR} is for")
    return row


def add_run(runs, seed, rows):
    """`runs` with `rows` of `seed`; they replace what that seed gave before."""
    new = {row["name"] for row in rows}
    kept = [{"seed": run["seed"],
             "rows": [row for row in run["rows"]
                      if run["seed"] != seed or row["name"] not in new]}
            for run in runs]
    mine = next((run for run in kept if run["seed"] == seed), None)
    if mine is None:
        mine = {"seed": seed, "rows": []}
        kept.append(mine)
    mine["rows"] += rows
    return kept


def sum_counts(rows):
    total = {"value": sum(row["value"] for row in rows)}
    for key in COUNTS:
        if any(key in row for row in rows):
            total[key] = sum(row.get(key, 0) for row in rows)
    for key in BY_NAME:
        for row in rows:
            for name, count in row.get(key, {}).items():
                names = total.setdefault(key, {})
                names[name] = names.get(name, 0) + count
    examples = [example for row in rows for example in row.get("examples", [])]
    return {**total, "examples": examples[:5]} if examples else total


def sum_values(name, rows):
    """Of rows that were tried."""
    if name.endswith("-p95"):
        return p95_row([s for row in rows for s in row["samples_seconds"]],
                       rows[0]["limit"])
    if name == "effective-time":
        return effective_row([one for row in rows for one in row["said"]])
    if name == "accept-rate":
        return dict(min(rows, key=lambda row: row["value"]))
    total = sum_counts(rows)
    if name in ("planted-bugs", "failpoints"):
        total["value"] = min(row["value"] for row in rows)
    return total


def sum_row(name, rows):
    """A row that failed or was skipped in any run says so."""
    tried = [row for row in rows if "skipped" not in row and "error" not in row]
    total = sum_values(name, tried) if tried else {"value": 0, "violations": 0}
    if not name.endswith("-p95") and name != "effective-time":
        total["violations"] = sum(row["violations"] for row in tried)
    failed = [row for row in rows if "error" in row]
    total["violations"] += len(failed)
    if failed:
        total["error"] = failed[0]["error"]
    elif not tried:
        total["skipped"] = rows[0]["skipped"]
    return {**total, "name": name, "runs": len(tried),
            "seconds": round(sum(row["seconds"] for row in rows), 1)}


def table(runs, names):
    """One row of each of `names` that any run has."""
    by_name = {name: [row for run in runs for row in run["rows"]
                      if row["name"] == name] for name in names}
    return [sum_row(name, rows) for name, rows in by_name.items() if rows]
