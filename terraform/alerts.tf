# What a person is woken for. What it means and the first three things to do are what docs/operations.md says under the
# alert's title; a title that is not there fails the plan.
#
# Conditions on metrics are in PromQL, which takes metrics that have no value yet: a new project's are made by the first
# request. A single log line that nobody should overlook is matched itself.

locals {
  requests      = "run_googleapis_com:request_count"
  queue_labels  = "monitored_resource=\"cloud_tasks_queue\", queue_id=\"${google_cloud_tasks_queue.render.name}\""
  run_labels    = "monitored_resource=\"cloud_run_revision\""
  runner_labels = "${local.run_labels}, service_name=\"${local.runner_name}\""

  metric_alerts = {
    api_errors = {
      title    = "The API answers with errors"
      severity = "ERROR"
      query    = "sum by (service_name) (increase(${local.requests}{${local.run_labels}, response_code_class=\"5xx\", service_name!~\"${local.event_services}|${local.runner_name}\"}[5m])) > 5"
      duration = "0s"
    }
    event_failures = {
      title    = "An event is delivered again and again"
      severity = "ERROR"
      # What fails, and what never reaches the function: Cloud Run does not count calls that it refuses itself.
      query    = "(sum by (service_name) (increase(${local.requests}{${local.run_labels}, response_code_class=\"5xx\", service_name=~\"${local.event_services}\"}[15m])) > 0) or (max by (subscription_id) (pubsub_googleapis_com:subscription_oldest_unacked_message_age{monitored_resource=\"pubsub_subscription\", subscription_id=~\"eventarc-.*\"}) > 900)"
      duration = "1800s"
    }
    job_failures = {
      title    = "Videos fail"
      severity = "ERROR"
      query    = "sum(increase(logging_googleapis_com:user_jobs_settled{${local.run_labels}, status=\"failed\"}[1h])) > 2"
      duration = "0s"
    }
    queue_depth = {
      title    = "Videos pile up"
      severity = "WARNING"
      query    = "min_over_time(cloudtasks_googleapis_com:queue_depth{${local.queue_labels}}[15m]) > ${10 * local.gpu_instances}"
      duration = "0s"
    }
    queue_age = {
      title    = "Videos wait long"
      severity = "WARNING"
      query    = "histogram_quantile(0.5, sum by (le) (rate(cloudtasks_googleapis_com:queue_task_attempt_delays_bucket{${local.queue_labels}}[15m]))) > 600000"
      duration = "600s"
    }
    runner_errors = {
      title    = "The runner refuses work"
      severity = "ERROR"
      # As the queue counts: Cloud Run leaves out what it refuses itself, for want of an instance (429) or a right (403).
      # Public configurations expect numbers in this label, or words; either will do.
      query    = "sum(increase(cloudtasks_googleapis_com:queue_task_attempt_count{${local.queue_labels}, response_code!~\"2..|409|(?i:ok|aborted|already_exists)\"}[30m])) > 5"
      duration = "0s"
    }
    runner_up = {
      title    = "A GPU has been up for hours"
      severity = "WARNING"
      query    = "sum(run_googleapis_com:container_instance_count{${local.runner_labels}}) > ${var.runner_min_instances}"
      duration = "14400s"
    }
    clock_stopped = {
      title    = "The clock has stopped"
      severity = "CRITICAL"
      # Of a metric that has no value at all, too.
      query    = "(sum(increase(logging_googleapis_com:user_minute_runs{${local.run_labels}}[10m])) or vector(0)) < 1"
      duration = "0s"
    }
    duties_failed = {
      title    = "The platform cannot put something right"
      severity = "ERROR"
      # A job comes again every minute, an account or media every ten or twenty: six times in two hours at the least.
      query    = "sum by (event) (increase(logging_googleapis_com:user_duties_failed{${local.run_labels}}[2h])) > 4"
      duration = "0s"
    }
  }

  log_alerts = {
    books_disagree = {
      title    = "A balance and its ledger disagreed"
      severity = "CRITICAL"
      filter   = "jsonPayload.event=\"ledger_entry_malformed\" OR (jsonPayload.event=\"balance_reconciled\" AND jsonPayload.outcome=\"put_back\")"
    }
    audit_disagrees = {
      title    = "The audit found a disagreement"
      severity = "CRITICAL"
      filter   = "jsonPayload.event=(\"ledger_disagreement\" OR \"ledger_not_repaired\" OR \"user_not_audited\")"
    }
    dead_letters = {
      title    = "A video was given up"
      severity = "ERROR"
      filter   = "jsonPayload.event=\"video_job_dead_lettered\""
    }
    documents_malformed = {
      title    = "A document cannot be"
      severity = "ERROR"
      filter   = "jsonPayload.event=(\"document_malformed\" OR \"effective_config_malformed\" OR \"user_malformed\")"
    }
    writer_refused = {
      title    = "The dialogue writer refuses us"
      severity = "ERROR"
      filter   = "jsonPayload.event=\"writer_refused_request\""
    }
  }

  health_alert = {
    title    = "The health check fails"
    severity = "CRITICAL"
  }

  # The manual's sections under their titles; a mail shows them as they are.
  manual_part = split("\n## ", split("\n## What each alert means", file("${path.module}/../docs/operations.md"))[1])[0]
  manual = {
    for section in split("\n### ", local.manual_part) :
    split("\n", section)[0] => "${trimspace(join("\n", slice(split("\n", section), 1, length(split("\n", section)))))}\n\nMore in docs/operations.md."
  }
  alert_channels = [for channel in google_monitoring_notification_channel.emails : channel.id]
}

resource "google_monitoring_alert_policy" "metrics" {
  for_each = local.metric_alerts

  display_name          = "Duologue: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.alert_channels

  conditions {
    display_name = each.value.title

    condition_prometheus_query_language {
      query                     = each.value.query
      duration                  = each.value.duration
      evaluation_interval       = "60s"
      disable_metric_validation = true # a metric's first value makes it
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    content = local.manual[each.value.title]
    subject = "Duologue: ${each.value.title}"
  }

  depends_on = [google_project_service.apis, google_logging_metric.events]
}

resource "google_monitoring_alert_policy" "logs" {
  for_each = local.log_alerts

  display_name          = "Duologue: ${each.value.title}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.alert_channels

  conditions {
    display_name = each.value.title

    condition_matched_log {
      filter = "resource.type=\"cloud_run_revision\" AND (${each.value.filter})"
    }
  }

  alert_strategy {
    auto_close = "86400s"

    notification_rate_limit {
      period = "3600s"
    }
  }

  documentation {
    content = local.manual[each.value.title]
    subject = "Duologue: ${each.value.title}"
  }

  depends_on = [google_project_service.apis]
}

resource "google_monitoring_alert_policy" "health" {
  display_name          = "Duologue: ${local.health_alert.title}"
  combiner              = "OR"
  severity              = local.health_alert.severity
  notification_channels = local.alert_channels

  conditions {
    display_name = local.health_alert.title

    condition_threshold {
      filter          = "metric.type=\"monitoring.googleapis.com/uptime_check/check_passed\" AND metric.labels.check_id=\"${google_monitoring_uptime_check_config.health.uptime_check_id}\" AND resource.type=\"uptime_url\""
      comparison      = "COMPARISON_GT"
      threshold_value = 1
      duration        = "300s"

      aggregations {
        alignment_period     = "1200s"
        per_series_aligner   = "ALIGN_NEXT_OLDER"
        cross_series_reducer = "REDUCE_COUNT_FALSE"
        group_by_fields      = ["resource.label.host"]
      }
    }
  }

  alert_strategy {
    auto_close = "86400s"
  }

  documentation {
    content = local.manual[local.health_alert.title]
    subject = "Duologue: ${local.health_alert.title}"
  }
}
