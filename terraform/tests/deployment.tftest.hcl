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

run "values_that_are_none" {
  command = plan

  variables {
    alert_emails      = ["ann@example.com,bob@example.com"]
    github_branch     = "refs/heads/main"
    github_repository = "example/duologue.git"
    monthly_budget    = 1000001
    runner_image      = ""
    trusted_hops      = 11
    web_origins       = ["https://app.example.com:65536"]
  }

  expect_failures = [
    var.alert_emails, var.github_branch, var.github_repository, var.monthly_budget, var.runner_image, var.trusted_hops,
    var.web_origins,
  ]
}

run "a_repository_and_an_origin_that_are_not_names" {
  command = plan

  variables {
    github_repository = "-/."
    web_origins       = ["https://..."]
  }

  expect_failures = [var.github_repository, var.web_origins]
}

run "https_own_port_in_an_origin" {
  command = plan

  variables {
    web_origins = ["https://app.example.com:443"]
  }

  expect_failures = [var.web_origins]
}

run "two_origins_of_one_host" {
  command = plan

  variables {
    web_origins = ["https://app.example.org", "https://app.example.org:8443"]
  }

  assert {
    condition = tolist(google_identity_platform_config.sign_in.authorized_domains) == tolist([
      "${var.project_id}.web.app", "${var.project_id}.firebaseapp.com", "app.example.org",
    ])
    error_message = "People may sign in at ${join(", ", google_identity_platform_config.sign_in.authorized_domains)}."
  }
}

run "the_functions_environment" {
  command = plan

  variables {
    front_door   = "hosting"
    trusted_hops = 3
    web_origins  = ["https://app.example.org"]
  }

  assert {
    condition = output.functions_environment == join("", [
      "CORS_ORIGINS=https://${var.project_id}.web.app,https://${var.project_id}.firebaseapp.com,https://app.example.org\n",
      "FRONT_DOOR=hosting\n",
      "MEDIA_BUCKET=${var.project_id}.firebasestorage.app\n",
      "RENDER_QUEUE=projects/${var.project_id}/locations/${var.region}/queues/video-jobs\n",
      "RUNNER_URL=https://gpu-runner-123456789012.${var.region}.run.app\n",
      "TASKS_SERVICE_ACCOUNT=tasks-invoker@${var.project_id}.iam.gserviceaccount.com\n",
      "TRUSTED_HOPS=3\n",
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
