# What the runner costs and who may call it. Every run holds for both examples: the harness sets the base with -var-file.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "with_a_gpu" {
  command = plan

  variables {
    gpu_enabled          = true
    gpu_zonal_redundancy = false
  }

  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].containers[0].resources[0].limits["nvidia.com/gpu"] == "1"
    error_message = "The runner has no GPU."
  }
  assert {
    condition     = [for node in google_cloud_run_v2_service.runner.template[0].node_selector : node.accelerator] == ["nvidia-l4"]
    error_message = "The GPU is not an L4."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].gpu_zonal_redundancy_disabled == true
    error_message = "Zonal redundancy, which costs half as much again and has a quota of its own, is on without being asked for."
  }
  assert {
    condition = (
      tonumber(google_cloud_run_v2_service.runner.template[0].containers[0].resources[0].limits["cpu"]) >= 4
      && tonumber(trimsuffix(google_cloud_run_v2_service.runner.template[0].containers[0].resources[0].limits["memory"], "Gi")) >= 16
    )
    error_message = "Cloud Run gives an L4 to instances with at least 4 CPUs and 16 GiB only."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].containers[0].resources[0].cpu_idle == false
    error_message = "A GPU is only to be had with instance-based billing."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].containers[0].resources[0].startup_cpu_boost == true
    error_message = "The model is loaded without the CPU boost."
  }
}

run "with_zonal_redundancy" {
  command = plan

  variables {
    gpu_enabled          = true
    gpu_zonal_redundancy = true
  }

  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].gpu_zonal_redundancy_disabled == false
    error_message = "Zonal redundancy was asked for and is off."
  }
}

run "without_a_gpu" {
  command = plan

  variables {
    gpu_enabled = false
  }

  assert {
    condition     = !contains(keys(google_cloud_run_v2_service.runner.template[0].containers[0].resources[0].limits), "nvidia.com/gpu")
    error_message = "gpu_enabled = false, and a GPU is asked for."
  }
  assert {
    condition     = length(google_cloud_run_v2_service.runner.template[0].node_selector) == 0
    error_message = "gpu_enabled = false, and an accelerator is selected."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].containers[0].resources[0].cpu_idle == false
    error_message = "The heartbeat of a render stops when the CPU is taken away."
  }
}

run "one_render_at_a_time" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].max_instance_request_concurrency == 1
    error_message = "Two renders would share a machine."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].timeout == "1800s"
    error_message = "A render has the 1,800 s for which Cloud Tasks wait."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].scaling[0].min_instance_count == var.runner_min_instances
    error_message = "Instances stay up that nobody asked for."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.deletion_protection == true
    error_message = "The service can be deleted by a slip."
  }
}

run "probes" {
  command = plan

  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].containers[0].startup_probe[0].http_get[0].path == "/ready"
    error_message = "A start waits for /ready: the voice server's model is loaded."
  }
  assert {
    condition = (
      google_cloud_run_v2_service.runner.template[0].containers[0].startup_probe[0].period_seconds
      * google_cloud_run_v2_service.runner.template[0].containers[0].startup_probe[0].failure_threshold
    ) == 240
    error_message = "A start may take 240 s: less is too short for the model, more is refused by some of Cloud Run."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].containers[0].liveness_probe[0].http_get[0].path == "/live"
    error_message = "Liveness is /live, which looks at nothing."
  }
}

run "environment" {
  command = plan

  assert {
    condition = { for variable in google_cloud_run_v2_service.runner.template[0].containers[0].env : variable.name => variable.value } == {
      GOOGLE_CLOUD_PROJECT  = var.project_id
      MEDIA_BUCKET          = "${var.project_id}.firebasestorage.app"
      RUNNER_URL            = "https://gpu-runner-123456789012.${var.region}.run.app"
      TASKS_SERVICE_ACCOUNT = "tasks-invoker@${var.project_id}.iam.gserviceaccount.com"
    }
    error_message = "The runner's environment is not what docs/configuration.md asks for."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.custom_audiences == tolist(["https://gpu-runner-123456789012.${var.region}.run.app"])
    error_message = "Cloud Run would refuse the tasks' tokens, whose audience is RUNNER_URL."
  }
  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].service_account == "gpu-runner@${var.project_id}.iam.gserviceaccount.com"
    error_message = "The runner runs as another account."
  }
}

run "first_apply" {
  variables {
    runner_image = "us-docker.pkg.dev/cloudrun/container/hello"
  }
}

run "a_deployed_image_is_left_alone" {
  command = plan

  variables {
    runner_image = "example.com/another:image"
  }

  assert {
    condition     = google_cloud_run_v2_service.runner.template[0].containers[0].image == "us-docker.pkg.dev/cloudrun/container/hello"
    error_message = "An apply would put the placeholder back in the place of the deployed image."
  }
}

run "images_are_cleaned_up" {
  command = plan

  assert {
    condition     = google_artifact_registry_repository.images.cleanup_policy_dry_run == false
    error_message = "The policies only say what they would delete."
  }
  assert {
    condition = toset([for policy in google_artifact_registry_repository.images.cleanup_policies : "${policy.action} ${policy.id}"]) == toset([
      "KEEP keep-newest", "DELETE delete-untagged", "DELETE delete-old",
    ])
    error_message = "Images of ten gigabytes pile up, or the newest ones go."
  }
}
