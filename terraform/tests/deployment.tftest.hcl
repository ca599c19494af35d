# What a deployment is refused, and what it is told to do next.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "a_region_without_gpus" {
  command = plan

  variables {
    region = "us-west1"
  }

  expect_failures = [var.region]
}

run "a_region_where_the_functions_are_not" {
  command = plan

  variables {
    region = "europe-west1"
  }

  expect_failures = [var.region]
}

run "a_local_clouds_project" {
  command = plan

  variables {
    project_id = "demo-duologue"
  }

  expect_failures = [var.project_id]
}

run "an_unknown_front_door" {
  command = plan

  variables {
    front_door = "load_balancer"
  }

  expect_failures = [var.front_door]
}

run "more_runners_at_least_than_at_most" {
  command = plan

  variables {
    gpu_max_instances    = 1
    runner_min_instances = 2
  }

  expect_failures = [var.runner_min_instances]
}

run "an_origin_with_a_path" {
  command = plan

  variables {
    web_origins = ["https://app.example.com/"]
  }

  expect_failures = [var.web_origins]
}

run "the_functions_environment" {
  command = plan

  variables {
    front_door  = "hosting"
    web_origins = ["https://app.example.org"]
  }

  assert {
    condition = output.functions_environment == join("", [
      "CORS_ORIGINS=https://${var.project_id}.web.app,https://${var.project_id}.firebaseapp.com,https://app.example.org\n",
      "FRONT_DOOR=hosting\n",
      "MEDIA_BUCKET=${var.project_id}.firebasestorage.app\n",
      "RENDER_QUEUE=projects/${var.project_id}/locations/${var.region}/queues/video-jobs\n",
      "RUNNER_URL=https://gpu-runner-123456789012.${var.region}.run.app\n",
      "TASKS_SERVICE_ACCOUNT=tasks-invoker@${var.project_id}.iam.gserviceaccount.com\n",
    ])
    error_message = "functions/.env.PROJECT would hold ${output.functions_environment}"
  }
}

run "apis_stay_on" {
  command = plan

  assert {
    condition     = alltrue([for api in google_project_service.apis : api.disable_on_destroy == false])
    error_message = "Destroying would turn off APIs that others use."
  }
}
