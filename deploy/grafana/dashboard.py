#!/usr/bin/env python3
"""Writes the Grafana dashboard: dashboard.py > operant.json.

A row is a question, a panel a part of its answer. Every expression is checked
against metrics.toml and by promtool (tests/observability/dashboard_test.py).
"""

import json

# Grafana's variables; every selector carries them.
RUN = 'run=~"$run"'
ONE = 'run=~"$run",instance=~"$instance"'


def rate(metric, by, where=RUN):
    return f"sum by ({by}) (rate({metric}{{{where}}}[$__rate_interval]))"


def quantile(q, metric, by="", where=RUN):
    labels = ", ".join(["le"] + ([by] if by else []))
    return (f"histogram_quantile({q}, sum by ({labels}) "
            f"(rate({metric}_bucket{{{where}}}[$__rate_interval])))")


def gauge(metric, labels="", by="run"):
    where = ",".join([RUN] + ([labels] if labels else []))
    return f"avg by ({by}) ({metric}{{{where}}})"


# (row, [(panel, unit, kind, [(expression, legend)])])
ROWS = [
    ("Health", [
        ("Steps per minute", "short", "timeseries",
         [("60 * " + rate("operant_learner_steps_total", "run"), "{{run}}")]),
        ("Age of the last step", "s", "stat",
         [("time() - max by (run) (operant_learner_last_step_timestamp_seconds"
           f"{{{RUN}}})", "{{run}}")]),
        ("Workers by state", "short", "timeseries",
         [(f"sum by (state) (operant_coordinator_workers{{{RUN}}})",
           "{{state}}")]),
        ("Published and served versions", "short", "timeseries",
         [(f"max by (run) (operant_weights_published_version{{{RUN}}})",
           "published"),
          (f"operant_coordinator_worker_serving_version{{{RUN}}}",
           "{{worker}}")]),
        ("Alerts", "short", "table",
         [('sort_desc(ALERTS{alertstate="firing",run=~"$run"})',
           "{{alertname}}")]),
        ("Targets that do not answer", "short", "stat",
         [(f"count(up{{{RUN}}} == 0) or vector(0)", "down")]),
    ]),
    ("Reward", [
        ("Mean score", "short", "timeseries",
         [(gauge("operant_learner_reward_mean"), "mean"),
          (gauge("operant_learner_reward_mean") + " + " +
           gauge("operant_learner_reward_stddev"), "mean + stddev"),
          (gauge("operant_learner_reward_mean") + " - " +
           gauge("operant_learner_reward_stddev"), "mean - stddev"),
          (gauge("operant_learner_shaped_reward_mean"), "after KL penalty")]),
        ("Components", "short", "timeseries",
         [(gauge("operant_learner_reward_component_mean", by="component"),
           "{{component}}")]),
        ("Scores", "short", "heatmap",
         [(rate("operant_reward_score_bucket", "le"), "{{le}}")]),
        ("Shares of responses", "percentunit", "timeseries",
         [(gauge("operant_learner_faulty_response_ratio"), "faulty"),
          (gauge("operant_learner_truncated_response_ratio"), "truncated"),
          (gauge("operant_learner_zero_variance_group_ratio"),
           "groups of one score")]),
        ("Held-out evaluation", "percentunit", "timeseries",
         [(gauge("operant_eval_pass_ratio", by="dataset"), "passes {{dataset}}"),
          (gauge("operant_eval_score_mean", by="dataset"),
           "score {{dataset}}")]),
    ]),
    ("Policy", [
        ("KL to the reference", "short", "timeseries",
         [(gauge("operant_learner_reference_kl_nats", by="estimator, per"),
           "{{estimator}} per {{per}}"),
          (f'max by (run) (operant_alert_threshold{{{RUN},'
           'name="reference_kl"})', "limit per sequence")]),
        ("KL of one update", "short", "timeseries",
         [(gauge("operant_learner_update_kl_nats", by="estimator"),
           "{{estimator}}")]),
        ("KL sampler to trainer", "short", "timeseries",
         [(gauge("operant_learner_sampler_kl_nats", by="estimator"),
           "{{estimator}}"),
          (gauge("operant_learner_sampler_logprob_gap_nats", by="stat"),
           "gap {{stat}}")]),
        ("Entropy", "short", "timeseries",
         [(gauge("operant_learner_entropy_nats", by="at"), "at {{at}}")]),
        ("Clipped tokens", "percentunit", "timeseries",
         [(gauge("operant_learner_clipped_token_ratio", by="side"),
           "{{side}}"),
          (gauge("operant_learner_truncated_importance_weight_ratio"),
           "importance weight")]),
        ("Gradient norm", "short", "timeseries",
         [(gauge("operant_learner_gradient_norm"), "both models")]),
        ("Learning rate and beta", "short", "timeseries",
         [(gauge("operant_learner_learning_rate", by="model"), "{{model}}"),
          (gauge("operant_learner_kl_coefficient"), "beta")]),
        ("Skipped steps", "short", "timeseries",
         [(f"sum by (reason) (increase(operant_learner_skipped_steps_total{{{RUN}}}"
           "[$__rate_interval]))", "{{reason}}")]),
    ]),
    ("Critic", [
        ("Losses", "short", "timeseries",
         [(gauge("operant_learner_loss", by="kind"), "{{kind}}")]),
        ("Explained variance", "short", "timeseries",
         [(gauge("operant_learner_explained_variance_ratio"), "{{run}}")]),
        ("Returns and values", "short", "timeseries",
         [(gauge("operant_learner_return_mean"), "return"),
          (gauge("operant_learner_value_mean"), "value"),
          (gauge("operant_learner_advantage_mean"), "advantage"),
          (gauge("operant_learner_advantage_stddev"), "advantage stddev")]),
    ]),
    ("Time", [
        ("Seconds of a step by stage", "s", "timeseries",
         [(rate("operant_learner_stage_duration_seconds_sum", "stage") +
           " / ignoring (stage) group_left sum(rate(operant_learner_steps_total"
           f"{{{RUN}}}[$__rate_interval]))", "{{stage}}")]),
        ("Share of the time that the learner waits", "percentunit", "stat",
         [(rate("operant_learner_stage_duration_seconds_sum", "run",
                RUN + ',stage="wait_batch"') + " / " +
           rate("operant_learner_step_duration_seconds_sum", "run"),
           "wait_batch")]),
        ("Tokens per second", "short", "timeseries",
         [(f"run:operant_learner_tokens:rate5m{{{RUN}}}", "trained on"),
          (f"run:operant_rollout_generated_tokens:rate5m{{{RUN}}}",
           "generated")]),
        ("Generate and score", "s", "timeseries",
         [(quantile(0.5, "operant_learner_generate_duration_seconds"),
           "generate p50"),
          (quantile(0.5, "operant_learner_score_duration_seconds"),
           "score p50")]),
        ("Where the samples are", "short", "timeseries",
         [(f"sum by (state) (operant_buffer_samples{{{RUN}}})", "{{state}}"),
          (f"sum(operant_buffer_capacity_samples{{{RUN}}})", "capacity")]),
        ("Age of a batch", "s", "timeseries",
         [(quantile(0.95, "operant_buffer_batch_age_seconds"), "p95")]),
    ]),
    ("Rollout", [
        ("Sequences", "short", "timeseries",
         [(f"sum(operant_rollout_running_sequences{{{ONE}}})", "running"),
          (f"sum(operant_rollout_waiting_sequences{{{ONE}}})", "waiting")]),
        ("KV cache", "percentunit", "timeseries",
         [(f"operant_rollout_kv_cache_usage_ratio{{{ONE}}}", "{{instance}}")]),
        ("Latency", "s", "timeseries",
         [(quantile(q, f"operant_rollout_{m}_seconds", where=ONE),
           f"{m} p{int(q * 100)}")
          for m in ("time_to_first_token", "inter_token", "queue_duration")
          for q in (0.5, 0.95)]),
        ("Response lengths", "short", "heatmap",
         [(rate("operant_learner_response_tokens_bucket", "le"), "{{le}}")]),
        ("How responses end", "short", "timeseries",
         [(rate("operant_rollout_sequences_total", "finish_reason", ONE),
           "{{finish_reason}}")]),
        ("Samples given to another worker", "short", "timeseries",
         [(rate("operant_learner_reissued_samples_total", "run"),
           "{{run}}")]),
    ]),
    ("Weights", [
        ("Seconds of a load by phase", "s", "timeseries",
         [(quantile(0.95, "operant_weights_load_duration_seconds", "phase",
                    ONE), "{{phase}} p95"),
          (quantile(0.95, "operant_weights_push_duration_seconds"),
           "push p95")]),
        ("Bytes per second", "Bps", "timeseries",
         [(rate("operant_weights_sent_bytes_total", "run"), "sent"),
          (rate("operant_weights_received_bytes_total", "instance", ONE),
           "received {{instance}}")]),
        ("Pause for a swap", "s", "timeseries",
         [(quantile(0.95, "operant_rollout_swap_pause_seconds", where=ONE),
           "p95")]),
        ("Lag and staleness", "short", "timeseries",
         [(f"run:operant_weights_lag:max{{{RUN}}}", "lag"),
          (f"run:operant_sample_staleness:p95_15m{{{RUN}}}",
           "staleness p95")]),
        ("Failures", "short", "timeseries",
         [(rate("operant_weights_push_failures_total", "reason"),
           "push {{reason}}"),
          (rate("operant_weights_load_failures_total", "code", ONE),
           "load {{code}}")]),
    ]),
    ("Reward servers", [
        ("Calls by code", "short", "timeseries",
         [(rate("operant_reward_requests_total", "endpoint, code"),
           "{{endpoint}} {{code}}")]),
        ("Call duration p95", "s", "timeseries",
         [(quantile(0.95, "operant_reward_request_duration_seconds",
                    "endpoint"), "{{endpoint}}")]),
        ("Items that fail", "percentunit", "timeseries",
         [(f"run_endpoint:operant_reward_failures:ratio_rate5m{{{RUN}}}",
           "{{endpoint}}")]),
        ("Pending items and retries", "short", "timeseries",
         [(f"sum by (endpoint) (operant_reward_pending_items{{{RUN}}})",
           "pending {{endpoint}}"),
          (rate("operant_reward_retries_total", "endpoint"),
           "retries {{endpoint}}")]),
        ("Unreachable", "short", "timeseries",
         [(f"max by (endpoint) (operant_reward_unreachable{{{RUN}}})",
           "{{endpoint}}")]),
    ]),
    ("System", [
        ("Memory", "bytes", "timeseries",
         [(f"process_resident_memory_bytes{{{ONE}}}",
           "{{role}} {{instance}}")]),
        ("Cores", "short", "timeseries",
         [(rate("process_cpu_seconds_total", "role, instance", ONE),
           "{{role}} {{instance}}")]),
        ("gRPC calls that fail", "short", "timeseries",
         [(rate("grpc_server_handled_total", "grpc_method, grpc_code",
                ONE + ',grpc_code!="OK"'), "{{grpc_method}} {{grpc_code}}")]),
        ("gRPC p95 by method", "s", "timeseries",
         [(quantile(0.95, "grpc_client_handling_seconds", "grpc_method", ONE),
           "{{grpc_method}}")]),
        ("Checkpoints", "s", "timeseries",
         [("time() - max by (run) (operant_checkpoint_last_success_timestamp_"
           f"seconds{{{RUN}}})", "age"),
          (quantile(0.95, "operant_checkpoint_duration_seconds"),
           "duration p95")]),
        ("Checkpoint size", "bytes", "stat",
         [(gauge("operant_checkpoint_bytes"), "{{run}}")]),
    ]),
]


def variable(name, query):
    return {
        "name": name, "type": "query", "query": query, "refresh": 2,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "includeAll": True, "multi": True, "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def variables():
    return [
        {"name": "datasource", "type": "datasource", "query": "prometheus"},
        variable("run", "label_values(operant_run_info, run)"),
        variable("role", 'label_values(up{run=~"$run"}, role)'),
        variable("instance",
                 'label_values(up{run=~"$run",role=~"$role"}, instance)'),
    ]


def panel(identity, title, unit, kind, queries, place):
    targets = [{
        "refId": chr(ord("A") + i), "expr": expression,
        "legendFormat": legend,
        "format": {"table": "table", "heatmap": "heatmap"}.get(
            kind, "time_series"),
        "instant": kind == "table",
    } for i, (expression, legend) in enumerate(queries)]
    return {
        "id": identity, "title": title, "type": kind, "gridPos": place,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "fieldConfig": {"defaults": {"unit": unit}, "overrides": []},
        "targets": targets,
    }


def panels():
    identity, top = 0, 0
    for row, contents in ROWS:
        identity += 1
        yield {"id": identity, "type": "row", "title": row,
               "gridPos": {"h": 1, "w": 24, "x": 0, "y": top}}
        top += 1
        for i, (title, unit, kind, queries) in enumerate(contents):
            identity += 1
            place = {"h": 8, "w": 8, "x": 8 * (i % 3), "y": top + 8 * (i // 3)}
            yield panel(identity, title, unit, kind, queries, place)
        top += 8 * ((len(contents) + 2) // 3)


def main():
    print(json.dumps({
        "title": "Operant", "uid": "operant", "tags": ["operant"],
        "schemaVersion": 38, "version": 1, "editable": True,
        "refresh": "10s", "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": variables()},
        "panels": list(panels()),
    }, indent=1))


if __name__ == "__main__":
    main()
