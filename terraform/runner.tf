# The runner, a Cloud Run service that Cloud Tasks call, and the repository of its images.

locals {
  runner_name = "gpu-runner"
  # The address that Cloud Run gives a service by its name: known before there is one, so that it can be told its own.
  runner_url = "https://${local.runner_name}-${local.project_number}.${var.region}.run.app"
  # The pictures are composed on the CPU in either case. An L4 asks for at least 4 CPUs and 16 GiB.
  runner_limits = merge({ cpu = "8", memory = "32Gi" }, var.gpu_enabled ? { "nvidia.com/gpu" = "1" } : {})

  runner_environment = {
    GOOGLE_CLOUD_PROJECT  = var.project_id
    MEDIA_BUCKET          = local.media_bucket
    RUNNER_URL            = local.runner_url
    TASKS_SERVICE_ACCOUNT = local.emails["tasks-invoker"]
  }
}

resource "google_cloud_run_v2_service" "runner" {
  name     = local.runner_name
  location = var.region
  # Only tasks-invoker may call (below), and the runner checks that once more. Cloud Run takes Cloud Tasks of the same
  # project for internal traffic, but we could not try it: with internal ingress a mistake would stop every render.
  ingress             = "INGRESS_TRAFFIC_ALL"
  custom_audiences    = [local.runner_url]
  deletion_protection = true

  template {
    service_account = local.emails["gpu-runner"]
    timeout         = "1800s" # as long as Cloud Tasks wait for an answer
    # One render has the whole machine.
    max_instance_request_concurrency = 1
    execution_environment            = "EXECUTION_ENVIRONMENT_GEN2"
    gpu_zonal_redundancy_disabled    = var.gpu_enabled ? !var.gpu_zonal_redundancy : null

    dynamic "node_selector" {
      for_each = var.gpu_enabled ? ["nvidia-l4"] : []
      content {
        accelerator = node_selector.value
      }
    }

    scaling {
      min_instance_count = var.runner_min_instances
      max_instance_count = local.gpu_instances
    }

    containers {
      image = var.runner_image

      resources {
        limits = local.runner_limits
        # Billed for the whole life of the instance: a GPU is to be had no other way.
        cpu_idle          = false
        startup_cpu_boost = true
      }

      ports {
        container_port = 8080
      }

      dynamic "env" {
        for_each = local.runner_environment
        content {
          name  = env.key
          value = env.value
        }
      }

      # Ready is whether the voice server serves, with its model loaded. 240 s in all is the longest that every copy of
      # Cloud Run's documentation allows; the newest allows 600 s, and 1,800 s with a GPU.
      startup_probe {
        period_seconds    = 10
        timeout_seconds   = 5
        failure_threshold = 24

        http_get {
          path = "/ready"
        }
      }

      # Answers while the process does, also in the middle of a render.
      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 10
        failure_threshold = 4

        http_get {
          path = "/live"
        }
      }
    }
  }

  lifecycle {
    # Deployments put the image in, and gcloud and the console note beside it who it was.
    ignore_changes = [
      annotations,
      client,
      client_version,
      template[0].annotations,
      template[0].containers[0].image,
      template[0].labels,
      template[0].revision,
    ]
  }

  depends_on = [google_project_service.apis, google_service_account.accounts]
}

resource "google_cloud_run_v2_service_iam_member" "tasks" {
  name     = google_cloud_run_v2_service.runner.name
  location = google_cloud_run_v2_service.runner.location
  role     = "roles/run.invoker"
  member   = "serviceAccount:${local.emails["tasks-invoker"]}"
}

resource "google_artifact_registry_repository" "images" {
  # checkov:skip=CKV_GCP_84: the images hold no secret and no user's data; Google's own keys encrypt them
  repository_id          = "duologue"
  location               = var.region
  format                 = "DOCKER"
  description            = "The runner's images."
  cleanup_policy_dry_run = false

  # An image has some ten gigabytes. Cloud Run keeps its own copy of what it serves; five are enough to roll back to.
  cleanup_policies {
    id     = "keep-newest"
    action = "KEEP"
    most_recent_versions {
      keep_count = 5
    }
  }

  cleanup_policies {
    id     = "delete-untagged"
    action = "DELETE"
    condition {
      tag_state  = "UNTAGGED"
      older_than = "86400s"
    }
  }

  cleanup_policies {
    id     = "delete-old"
    action = "DELETE"
    condition {
      tag_state  = "ANY"
      older_than = "7776000s" # 90 days
    }
  }

  depends_on = [google_project_service.apis]
}
