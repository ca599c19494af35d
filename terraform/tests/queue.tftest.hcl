# The queue has the settings of queue.json, and sends no more than there are runners.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "settings_are_the_files" {
  command = plan

  assert {
    condition     = google_cloud_tasks_queue.render.name == jsondecode(file("queue.json")).name
    error_message = "The queue has another name than queue.json says."
  }
  assert {
    condition = jsonencode(google_cloud_tasks_queue.render.retry_config[0]) == jsonencode({
      max_attempts       = jsondecode(file("queue.json")).retryConfig.maxAttempts
      max_backoff        = jsondecode(file("queue.json")).retryConfig.maxBackoff
      max_doublings      = jsondecode(file("queue.json")).retryConfig.maxDoublings
      max_retry_duration = jsondecode(file("queue.json")).retryConfig.maxRetryDuration
      min_backoff        = jsondecode(file("queue.json")).retryConfig.minBackoff
    })
    error_message = "The retries are not those of queue.json, with which the local cloud tries them."
  }
  assert {
    condition     = google_cloud_tasks_queue.render.rate_limits[0].max_dispatches_per_second == jsondecode(file("queue.json")).rateLimits.maxDispatchesPerSecond
    error_message = "The rate is not that of queue.json."
  }
}

run "as_many_at_once_as_runners" {
  command = plan

  assert {
    condition     = google_cloud_tasks_queue.render.rate_limits[0].max_concurrent_dispatches == google_cloud_run_v2_service.runner.template[0].scaling[0].max_instance_count
    error_message = "The queue sends more than the runners take, or runners stay without work."
  }
}

run "by_default_as_many_as_the_file_says" {
  command = plan

  variables {
    gpu_max_instances    = null
    runner_min_instances = 0
  }

  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].scaling[0].max_instance_count == jsondecode(file("queue.json")).rateLimits.maxConcurrentDispatches
    error_message = "Without gpu_max_instances the number is queue.json's."
  }
}

run "as_many_as_asked_for" {
  command = plan

  variables {
    gpu_max_instances = 7
  }

  assert {
    condition     = google_cloud_tasks_queue.render.rate_limits[0].max_concurrent_dispatches == 7 && google_cloud_run_v2_service.runner.template[0].scaling[0].max_instance_count == 7
    error_message = "gpu_max_instances sets the queue and the runner."
  }
}
