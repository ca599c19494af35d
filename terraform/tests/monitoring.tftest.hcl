# Alerts say what to do and go to somebody, no log keeps a signature, and the budget warns in time.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "alerts_say_what_to_do" {
  command = plan

  assert {
    condition = alltrue([
      for policy in concat(values(google_monitoring_alert_policy.metrics), values(google_monitoring_alert_policy.logs), [google_monitoring_alert_policy.health]) :
      length(regexall("(?s)^[A-Z].+\n\n1[.] .+\n2[.] .+\n3[.] .+\n\nMore in docs/operations[.]md[.]$", policy.documentation[0].content)) == 1 && !strcontains(policy.documentation[0].content, "#")
    ])
    error_message = "An alert does not say what it means and what to do in three steps, or says more than its section."
  }
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.metrics : policy.conditions[0].condition_prometheus_query_language[0].disable_metric_validation])
    error_message = "A new project has no such metric yet, and the alert could not be made."
  }
  assert {
    condition     = alltrue([for policy in google_monitoring_alert_policy.logs : policy.alert_strategy[0].notification_rate_limit[0].period == "3600s"])
    error_message = "An alert on log lines writes a mail for every line."
  }
}

run "alerts_go_to_the_addresses" {
  variables {
    alert_emails = ["one@example.com", "two@example.com"]
  }

  assert {
    condition = alltrue([
      for policy in concat(values(google_monitoring_alert_policy.metrics), values(google_monitoring_alert_policy.logs), [google_monitoring_alert_policy.health]) :
      toset(policy.notification_channels) == toset([for channel in google_monitoring_notification_channel.emails : channel.id])
    ])
    error_message = "An alert goes to nobody."
  }
  assert {
    condition     = toset([for channel in google_monitoring_notification_channel.emails : channel.labels.email_address]) == toset(var.alert_emails)
    error_message = "An address has no channel."
  }
}

run "thresholds_follow_the_number_of_instances" {
  command = plan

  variables {
    gpu_max_instances    = 3
    runner_min_instances = 2
  }

  assert {
    condition     = endswith(google_monitoring_alert_policy.metrics["runner_up"].conditions[0].condition_prometheus_query_language[0].query, " > 2")
    error_message = "Instances that are kept up on purpose raise the alert."
  }
  assert {
    condition     = google_monitoring_alert_policy.metrics["runner_up"].conditions[0].condition_prometheus_query_language[0].duration == "14400s"
    error_message = "The alert on the GPU does not wait four hours."
  }
  assert {
    condition     = endswith(google_monitoring_alert_policy.metrics["queue_depth"].conditions[0].condition_prometheus_query_language[0].query, " > 30")
    error_message = "The queue's alert does not know how many instances there are."
  }
}

run "every_measured_event_is_looked_at" {
  command = plan

  assert {
    condition = alltrue([
      for name in concat(keys(google_logging_metric.events), [google_logging_metric.render_seconds.name]) :
      strcontains(join("\n", concat([google_monitoring_dashboard.duologue.dashboard_json], [for policy in google_monitoring_alert_policy.metrics : policy.conditions[0].condition_prometheus_query_language[0].query])), "user_${name}")
    ])
    error_message = "A metric is paid for and shown nowhere."
  }
  assert {
    condition = alltrue([
      for name in distinct(flatten(regexall("user_([a-z_]+?)(?:_bucket|_count|_sum)?[{]", join("\n", concat([google_monitoring_dashboard.duologue.dashboard_json], [for policy in google_monitoring_alert_policy.metrics : policy.conditions[0].condition_prometheus_query_language[0].query]))))) :
      contains(concat(keys(google_logging_metric.events), [google_logging_metric.render_seconds.name]), name)
    ])
    error_message = "A query names a metric that is not made."
  }
  assert {
    condition     = length(distinct([for tile in jsondecode(google_monitoring_dashboard.duologue.dashboard_json).mosaicLayout.tiles : "${tile.xPos} ${tile.yPos}"])) == length(local.dashboard_tiles)
    error_message = "Two tiles of the dashboard lie on one another."
  }
}

run "health_is_asked_at_hosting" {
  command = plan

  variables {
    front_door = "hosting"
  }

  assert {
    condition     = google_monitoring_uptime_check_config.health.monitored_resource[0].labels.host == "${var.project_id}.web.app"
    error_message = "The health check does not ask where clients do."
  }
  assert {
    condition     = google_monitoring_uptime_check_config.health.content_matchers[0].json_path_matcher[0].json_path == "$.status"
    error_message = "The health check does not read the answer, which is 200 also when something is wrong."
  }
}

run "health_is_asked_at_the_gateway" {
  variables {
    front_door = "api_gateway"
  }

  assert {
    condition     = google_monitoring_uptime_check_config.health.monitored_resource[0].labels.host == google_api_gateway_gateway.gateway[0].default_hostname
    error_message = "The health check does not ask where clients do."
  }
}

run "no_log_keeps_a_signature" {
  command = plan

  assert {
    condition     = google_logging_project_exclusion.exclusions["media-operations"].filter == "resource.type=\"cloud_run_revision\" AND log_id(\"run.googleapis.com/requests\") AND resource.labels.service_name=(\"get-picture\" OR \"get-recording\" OR \"get-video\")"
    error_message = "The requests of media operations are logged."
  }
  assert {
    condition = alltrue([
      for address, is_kept in {
        "https://example.web.app/api/videos/u/j_1.mp4?expires=1&signature=ab"         = false
        "https://example.gateway.dev/api/static/audio_files/u/a.wav?signature=ab"     = false
        "https://storage.googleapis.com/bucket/videos/u/j.mp4?a=b&X-Goog-Signature=c" = false
        "https://example.web.app/api/my-scripts?limit=4"                              = true
      } :
      is_kept == (length(regexall(regex("requestUrl=~\"([^\"]+)\"", google_logging_project_exclusion.exclusions["signed-addresses"].filter)[0], address)) == 0)
    ])
    error_message = "An address with a signature is logged, or one without is not."
  }
}

run "there_is_no_budget_without_a_billing_account" {
  command = plan

  variables {
    billing_account = ""
  }

  assert {
    condition     = length(google_billing_budget.month) == 0
    error_message = "A budget needs a billing account."
  }
}

run "the_budget_warns_before_it_is_spent" {
  command = plan

  variables {
    billing_account = "012345-6789AB-CDEF01"
    monthly_budget  = 250
  }

  assert {
    condition     = google_billing_budget.month[0].amount[0].specified_amount[0].units == "250"
    error_message = "The budget has another amount."
  }
  assert {
    condition     = google_billing_budget.month[0].budget_filter[0].projects == toset(["projects/123456789012"])
    error_message = "The budget counts other projects too."
  }
  assert {
    condition     = toset([for rule in google_billing_budget.month[0].threshold_rules : "${rule.threshold_percent} ${rule.spend_basis}"]) == toset(["0.5 CURRENT_SPEND", "0.9 CURRENT_SPEND", "1 CURRENT_SPEND", "1 FORECASTED_SPEND"])
    error_message = "The budget does not warn at 50, 90 and 100 percent, and by forecast."
  }
}
