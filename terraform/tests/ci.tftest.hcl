# A workflow deploys only from one branch of one repository, and nobody does unless asked for.

mock_provider "google" {
  source = "./tests/mocks"
}

mock_provider "google-beta" {
  source = "./tests/mocks"
}

run "nobody" {
  command = plan

  variables {
    github_repository = ""
  }

  assert {
    condition     = length(google_iam_workload_identity_pool.github) == 0 && length(google_iam_workload_identity_pool_provider.github) == 0
    error_message = "There is a way in that nobody asked for."
  }
  assert {
    condition     = !contains(keys(google_service_account.accounts), "deployer")
    error_message = "There is a deployer that nobody asked for."
  }
}

run "one_branch" {
  command = plan

  variables {
    github_repository = "example/duologue"
    github_branch     = "release"
  }

  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].attribute_condition == "assertion.sub == 'repo:example/duologue:ref:refs/heads/release'"
    error_message = "Another repository's workflows could deploy, or another branch's."
  }
  assert {
    condition     = google_iam_workload_identity_pool_provider.github[0].oidc[0].issuer_uri == "https://token.actions.githubusercontent.com"
    error_message = "Somebody else than GitHub says who a workflow is."
  }
  assert {
    condition     = endswith(google_service_account_iam_member.github[0].member, "/workloadIdentityPools/github/attribute.repository/example/duologue")
    error_message = "Everybody in the pool may act as the deployer."
  }
}
