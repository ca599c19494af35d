# The queue of renders, with the settings that the local cloud's Cloud Tasks read too.
#
# A deleted queue's name cannot be taken again for some days.

locals {
  queue_settings = jsondecode(file("${path.module}/queue.json"))
  # How many GPUs there are is a matter of the project's quota, so a deployment may say otherwise than the file; queue
  # and runner always agree. A task more than there are instances would be refused, and wait for its next try.
  gpu_instances = coalesce(var.gpu_max_instances, local.queue_settings.rateLimits.maxConcurrentDispatches)
}

resource "google_cloud_tasks_queue" "render" {
  name     = local.queue_settings.name
  location = var.region

  rate_limits {
    max_dispatches_per_second = local.queue_settings.rateLimits.maxDispatchesPerSecond
    max_concurrent_dispatches = local.gpu_instances
  }

  retry_config {
    max_attempts       = local.queue_settings.retryConfig.maxAttempts
    max_retry_duration = local.queue_settings.retryConfig.maxRetryDuration
    min_backoff        = local.queue_settings.retryConfig.minBackoff
    max_backoff        = local.queue_settings.retryConfig.maxBackoff
    max_doublings      = local.queue_settings.retryConfig.maxDoublings
  }

  # Every try of every task: what a task that is delivered again and again is found by.
  stackdriver_logging_config {
    sampling_ratio = 1
  }

  depends_on = [google_project_service.apis]
}
