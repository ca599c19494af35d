# What is measured: numbers out of our own log lines, the health check from outside, and where alerts go.
#
# The alerts are in alerts.tf, the dashboard in dashboard.tf. Requests, latencies, instances and the queue's depth are
# measured by Google; only what those cannot tell is taken from log lines. A test compares the events with the code.

locals {
  # The Cloud Run services of functions that events and the clock call, as a regular expression; the others answer HTTP.
  event_services = "on-.*|audit-ledgers|finish-deletions|repair-video-jobs|sweep-media|watch-identities"

  # label: the field of the log line that tells the metric's series apart.
  event_counts = {
    api_defects = {
      description = "Requests that failed for a defect of ours, by operation."
      filter      = "jsonPayload.event=\"request_finished\" AND jsonPayload.code=\"INTERNAL\""
      label       = "operation"
    }
    dialogue_tries = {
      description = "Tries of the dialogue writer, each of which is paid for, by event."
      filter      = "jsonPayload.event=(\"dialogue_written\" OR \"dialogue_try_failed\")"
      label       = "event"
    }
    duties_failed = {
      description = "Things that a scheduled function could not put right, by event."
      filter      = "jsonPayload.event=(\"video_job_not_repaired\" OR \"media_not_removed\" OR \"account_not_swept\")"
      label       = "event"
    }
    jobs_settled = {
      description = "Video jobs that ended, by status."
      filter      = "jsonPayload.event=\"video_job_settled\" AND jsonPayload.by_this_event=true"
      label       = "status"
    }
    minute_runs = {
      description = "Runs of the minute function that came to their end."
      filter      = "jsonPayload.event=\"minute_duties_done\""
      label       = "event"
    }
    voice_restarts = {
      description = "How often the voice server ended and was started again, by its exit code."
      filter      = "jsonPayload.event=\"voice_server_ended\""
      label       = "exit_code"
    }
  }
}

resource "google_logging_metric" "events" {
  for_each = local.event_counts

  name        = each.key
  description = each.value.description
  filter      = "resource.type=\"cloud_run_revision\" AND ${each.value.filter}"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "INT64"
    unit        = "1"

    labels {
      key        = each.value.label
      value_type = "STRING"
    }
  }

  label_extractors = { (each.value.label) = "EXTRACT(jsonPayload.${each.value.label})" }

  depends_on = [google_project_service.apis]
}

resource "google_logging_metric" "render_seconds" {
  name            = "render_seconds"
  description     = "How long the runner worked on one delivery of a job, by what came of it: the largest part of the bill."
  filter          = "resource.type=\"cloud_run_revision\" AND jsonPayload.event=\"render_finished\""
  value_extractor = "EXTRACT(jsonPayload.duration_seconds)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "s"

    labels {
      key        = "outcome"
      value_type = "STRING"
    }
  }

  label_extractors = { outcome = "EXTRACT(jsonPayload.outcome)" }

  # From 1 s to about 45 minutes, each bound half as large again as the one before.
  bucket_options {
    exponential_buckets {
      num_finite_buckets = 20
      growth_factor      = 1.5
      scale              = 1
    }
  }

  depends_on = [google_project_service.apis]
}

resource "google_monitoring_notification_channel" "emails" {
  for_each = toset(var.alert_emails)

  display_name = each.key
  type         = "email"
  labels       = { email_address = each.key }

  depends_on = [google_project_service.apis]
}

# Asks as a client does. The answer is 200 also when something is wrong, so its status is read.
resource "google_monitoring_uptime_check_config" "health" {
  display_name     = "Duologue: health"
  timeout          = "10s"
  period           = "300s"
  selected_regions = ["EUROPE", "USA_OREGON", "USA_VIRGINIA"] # three is the least

  http_check {
    path         = "/api/health"
    port         = 443
    use_ssl      = true
    validate_ssl = true

    accepted_response_status_codes {
      status_value = 200
    }
  }

  content_matchers {
    content = "\"healthy\""
    matcher = "MATCHES_JSON_PATH"

    json_path_matcher {
      json_path    = "$.status"
      json_matcher = "EXACT_MATCH"
    }
  }

  monitored_resource {
    type = "uptime_url"
    labels = {
      project_id = var.project_id
      host       = trimprefix(local.front_door_url, "https://")
    }
  }

  depends_on = [google_project_service.apis]
}
