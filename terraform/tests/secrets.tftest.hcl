# Secrets are containers; their values never pass through Terraform.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "secrets" {
  command = plan

  assert {
    condition     = toset(keys(google_secret_manager_secret.secrets)) == toset(["ADDRESS_HASH_KEY", "JWT_SECRET", "OPENAI_API_KEY", "WEB_API_KEY"])
    error_message = "The secrets are not those that functions/routes.py names."
  }
  assert {
    condition     = alltrue([for secret in google_secret_manager_secret.secrets : secret.deletion_protection])
    error_message = "A secret can be deleted by a slip."
  }
  assert {
    condition     = alltrue([for variable in google_cloud_run_v2_service.runner.template[0].containers[0].env : length(variable.value_source) == 0])
    error_message = "The runner is given a secret."
  }
}
