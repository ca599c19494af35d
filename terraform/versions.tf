terraform {
  # 1.9 lets a validation read other values, which region and gpu_max_instances need; the tests were written with 1.11.
  required_version = ">= 1.11"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.46.1, < 9.0"
    }
    google-beta = {
      source  = "hashicorp/google-beta"
      version = ">= 7.46.1, < 9.0"
    }
  }

  # A partial configuration: the bucket is the deployer's own, made before anything else, and named at the first
  # `terraform init -backend-config=bucket=NAME`. The state holds no secret, but whoever writes it owns the project.
  backend "gcs" {
    prefix = "duologue"
  }
}

# The Firebase and Identity Platform APIs ask whose quota a call by a person is charged to: the project's own.
provider "google" {
  project               = var.project_id
  region                = var.region
  billing_project       = var.project_id
  user_project_override = true
}

# API Gateway, the Firebase project and its parts exist in the beta provider only.
provider "google-beta" {
  project               = var.project_id
  region                = var.region
  billing_project       = var.project_id
  user_project_override = true
}

data "google_project" "project" {
  project_id = var.project_id
}

locals {
  project_number = data.google_project.project.number
}
