# One page that shows whether the platform works, how fast, and what the runner costs; read in docs/operations.md.

locals {
  # Each tile: a title, the unit of its values, and its lines as queries in PromQL by what they are called.
  dashboard_tiles = [
    {
      title = "API: requests per second, by class of answer"
      unit  = "1/s"
      lines = { "$${labels.response_code_class}" = "sum by (response_code_class) (rate(${local.requests}{${local.run_labels}, service_name!~\"${local.event_services}|${local.runner_name}\"}[5m]))" }
    },
    {
      title = "API: 95 of 100 requests are answered within, by function"
      unit  = "ms"
      lines = { "$${labels.service_name}" = "histogram_quantile(0.95, sum by (service_name, le) (rate(run_googleapis_com:request_latencies_bucket{${local.run_labels}, service_name!~\"${local.event_services}|${local.runner_name}\"}[5m])))" }
    },
    {
      title = "API: defects of ours, by operation"
      unit  = "1"
      lines = { "$${labels.operation}" = "sum by (operation) (increase(logging_googleapis_com:user_api_defects{${local.run_labels}}[5m]))" }
    },
    {
      title = "Events and schedules: failed deliveries, by function"
      unit  = "1"
      lines = { "$${labels.service_name}" = "sum by (service_name) (increase(${local.requests}{${local.run_labels}, response_code_class=\"5xx\", service_name=~\"${local.event_services}\"}[5m]))" }
    },
    {
      title = "Queue: tasks in it, and the instances that may run"
      unit  = "1"
      lines = {
        "tasks"     = "cloudtasks_googleapis_com:queue_depth{${local.queue_labels}}"
        "instances" = "vector(${local.gpu_instances})"
      }
    },
    {
      title = "Queue: deliveries, by the runner's answer"
      unit  = "1"
      lines = { "$${labels.response_code}" = "sum by (response_code) (increase(cloudtasks_googleapis_com:queue_task_attempt_count{${local.queue_labels}}[5m]))" }
    },
    {
      title = "Runner: instances, by what they do"
      unit  = "1"
      lines = { "$${labels.state}" = "sum by (state) (run_googleapis_com:container_instance_count{${local.runner_labels}})" }
    },
    {
      title = "Runner: memory in use, the fullest instance"
      unit  = "1"
      lines = { "memory" = "histogram_quantile(0.99, sum by (le) (rate(run_googleapis_com:container_memory_utilizations_bucket{${local.runner_labels}}[5m])))" }
    },
    {
      title = "Runner: renders, by outcome"
      unit  = "1"
      lines = { "$${labels.outcome}" = "sum by (outcome) (increase(logging_googleapis_com:user_render_seconds_count{${local.run_labels}}[1h]))" }
    },
    {
      title = "Runner: seconds of a render, half of them and 95 of 100"
      unit  = "s"
      lines = {
        "half"      = "histogram_quantile(0.5, sum by (le) (rate(logging_googleapis_com:user_render_seconds_bucket{${local.run_labels}}[1h])))"
        "95 of 100" = "histogram_quantile(0.95, sum by (le) (rate(logging_googleapis_com:user_render_seconds_bucket{${local.run_labels}}[1h])))"
      }
    },
    {
      title = "Videos: jobs that ended, by status"
      unit  = "1"
      lines = { "$${labels.status}" = "sum by (status) (increase(logging_googleapis_com:user_jobs_settled{${local.run_labels}}[1h]))" }
    },
    {
      title = "Paid for elsewhere: tries of the dialogue writer; restarts of the voice server"
      unit  = "1"
      lines = {
        "$${labels.event}" = "sum by (event) (increase(logging_googleapis_com:user_dialogue_tries{${local.run_labels}}[1h]))"
        "voice restarts"   = "sum(increase(logging_googleapis_com:user_voice_restarts{${local.run_labels}}[1h]))"
      }
    },
  ]
}

resource "google_monitoring_dashboard" "duologue" {
  dashboard_json = jsonencode({
    displayName = "Duologue"
    mosaicLayout = {
      columns = 48
      tiles = [
        for number, tile in local.dashboard_tiles : {
          xPos   = 24 * (number % 2)
          yPos   = 16 * floor(number / 2)
          width  = 24
          height = 16
          widget = {
            title = tile.title
            xyChart = {
              dataSets = [
                for name, query in tile.lines : {
                  plotType        = "LINE"
                  legendTemplate  = name
                  timeSeriesQuery = { prometheusQuery = query, unitOverride = tile.unit }
                }
              ]
            }
          }
        }
      ]
    }
  })

  depends_on = [google_project_service.apis]
}
