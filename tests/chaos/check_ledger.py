"""Judges the ledger of a real run, in other code than the product's.

  check_ledger.py RUN/ledger.sqlite [--staleness K]

Exits with 1 and a line a violation if a committed step has not exactly the
responses of its prompts, if one counts twice, was scored as something else than
it is, was sampled with weights too old or never published, or if steps and
publications have a hole.
"""
import argparse
import sqlite3
import sys


def read(path, sql, *values):
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(sql, values).fetchall()
    finally:
        connection.close()


def broken_series(path):
    steps = [row[0] for row in read(path, "SELECT step FROM steps ORDER BY 1")]
    versions = {row[0] for row in
                read(path, "SELECT policy_version FROM published")}
    if steps != list(range(len(steps))):
        yield f"I1 committed steps have a hole: {len(steps)} up to {steps[-1]}"
    missing = [s for s in steps if s + 1 not in versions]
    if missing:
        yield f"I8 step {missing[0]} was committed and not published"


def broken_steps(path):
    """Steps whose accepted, scored or listed responses differ in number."""
    rows = read(path, """
      SELECT s.step, m.samples,
        (SELECT count(*) FROM accepted a WHERE a.step = s.step),
        (SELECT count(*) FROM scored c WHERE c.step = s.step),
        (SELECT count(*) FROM accepted a JOIN scored c USING
          (step, prompt_cursor, sample_index, digest) WHERE a.step = s.step),
        m.sha256 = s.manifest_sha256
      FROM steps s LEFT JOIN manifests m USING (step)""")
    for step, samples, accepted, scored, matching, same in rows:
        if not samples == accepted == scored == matching:
            yield (f"I1 step {step}: {samples} in the manifest, {accepted} "
                   f"accepted, {scored} scored, {matching} of them as accepted")
        if not same:
            yield f"I8 step {step} was made of another manifest"


def broken_cursors(path):
    rows = read(path, """
      SELECT a.step, min(a.prompt_cursor), max(a.prompt_cursor), m.next_cursor
      FROM accepted a JOIN manifests m USING (step) GROUP BY a.step
      ORDER BY a.step""")
    expected = 0
    for step, first, last, following in rows:
        if first != expected or last + 1 != following:
            yield f"I1 step {step} has prompts {first}..{last}, expected from {expected}"
        expected = following


def broken_samples(path, staleness):
    twice = read(path, """SELECT trajectory_id FROM accepted
      GROUP BY trajectory_id HAVING count(*) > 1""")
    for (name,) in twice:
        yield f"I1 trajectory {name} is accepted in two places"
    stale = read(path, """SELECT a.step, a.trajectory_id, a.oldest_version
      FROM accepted a JOIN steps USING (step)
      WHERE a.oldest_version + ? < a.step OR a.newest_version > a.step""",
                 staleness)
    for step, name, version in stale:
        yield f"I7 step {step} was trained on {name} of version {version}"
    unknown = read(path, """SELECT count(*) FROM accepted a JOIN steps
      USING (step) WHERE a.newest_version NOT IN
      (SELECT policy_version FROM published)""")[0][0]
    if unknown:
        yield f"I2 {unknown} responses are of versions never published"


def violations(path, staleness=0):
    found = list(broken_series(path))
    found += broken_steps(path)
    found += broken_cursors(path)
    found += broken_samples(path, staleness)
    return found


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("ledger")
    parser.add_argument("--staleness", type=int, default=0)
    args = parser.parse_args()
    found = violations(args.ledger, args.staleness)
    print("\n".join(found) or "no violation")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
